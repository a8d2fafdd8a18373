//! `AbortController` and `AbortSignal` (DOM). A signal cannot be constructed by an app.
let abortSignal, makeSignal, onAbort, offAbort;
const SIGNAL_KEY = Symbol('signal');
class AbortSignal extends EventTarget {
  #aborted = false; #reason = undefined; #steps = new Set(); #sources;
  constructor(key) {
    if (key !== SIGNAL_KEY) throw new TypeError('Illegal constructor');
    super();
  }
  get aborted() { return this.#aborted; }
  get reason() { return this.#reason; }
  throwIfAborted() { if (this.#aborted) throw this.#reason; }
  static abort(reason) { const signal = makeSignal(); abortSignal(signal, reason); return signal; }
  static timeout(milliseconds) {
    requireArguments('AbortSignal.timeout', arguments.length, 1);
    const time = Number(milliseconds);
    if (!(time >= 0) || time > Number.MAX_SAFE_INTEGER) throw new TypeError('a timeout is a number of milliseconds');
    const signal = makeSignal();
    startTimer(() => abortSignal(signal, new DOMException('the operation timed out', 'TimeoutError')), time);
    return signal;
  }
  static any(signals) {
    const signal = makeSignal(), sources = [...signals];
    for (const source of sources) if (!(source instanceof AbortSignal)) throw new TypeError('AbortSignal.any needs signals');
    const aborted = sources.find((source) => source.#aborted);
    if (aborted) { signal.#aborted = true; signal.#reason = aborted.#reason; return signal; }
    signal.#sources = sources;
    for (const source of sources) source.#steps.add(() => abortSignal(signal, source.#reason));
    return signal;
  }
  static {
    makeSignal = () => new AbortSignal(SIGNAL_KEY);
    abortSignal = (signal, reason) => {
      if (signal.#aborted) return;
      signal.#aborted = true;
      signal.#reason = reason === undefined ? new DOMException('the operation was aborted', 'AbortError') : reason;
      const steps = [...signal.#steps];
      signal.#steps.clear();
      for (const step of steps) step();
      signal.dispatchEvent(new Event('abort'));
    };
    onAbort = (signal, step) => { signal.#steps.add(step); };
    offAbort = (signal, step) => { signal.#steps.delete(step); };
  }
}
eventAttribute(AbortSignal, 'abort');
expose('AbortSignal', AbortSignal);

class AbortController {
  #signal = makeSignal();
  get signal() { return this.#signal; }
  abort(reason) { abortSignal(this.#signal, reason); }
}
expose('AbortController', AbortController);
