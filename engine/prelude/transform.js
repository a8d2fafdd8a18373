//! `TransformStream` (WHATWG Streams): what is written on one side is read, changed, on the other; a slow reader slows the writer.
const transformError = (t, error) => { errorReadable(t.r, error); transformErrorWritable(t, error); };
const transformErrorWritable = (t, error) => {
  t.transform = undefined;
  errorIfNeeded(t.w, error);
  if (t.pressed) setPressed(t, false);
};
const setPressed = (t, pressed) => {
  t.change?.resolve(undefined);
  t.change = deferred();
  t.pressed = pressed;
};

const transformEnqueue = (t, chunk) => {
  if (!canEnqueue(t.r)) throw new TypeError('the readable side is closed or failed');
  try { enqueueReadable(t.r, chunk); } catch (error) { transformErrorWritable(t, error); throw t.r.error; }
  const pressed = !(t.r.reader?.requests.length > 0) && !(desiredReadSize(t.r) > 0);
  if (pressed !== t.pressed) setPressed(t, true);
};
const transformTerminate = (t) => { closeReadable(t.r); transformErrorWritable(t, new TypeError('the transform was terminated')); };

class TransformStreamDefaultController {
  #t;
  constructor(key, t) { if (key !== CONTROLLER_KEY) throw new TypeError('Illegal constructor'); this.#t = t; }
  get desiredSize() { return desiredReadSize(this.#t.r); }
  enqueue(chunk) { transformEnqueue(this.#t, chunk); }
  error(error) { transformError(this.#t, error); }
  terminate() { transformTerminate(this.#t); }
}
expose('TransformStreamDefaultController', TransformStreamDefaultController);

class TransformStream {
  #readable; #writable;
  constructor(transformer = {}, writableStrategy = {}, readableStrategy = {}) {
    if (transformer === null) throw new TypeError('a transformer is an object');
    if (transformer.readableType !== undefined || transformer.writableType !== undefined) throw new RangeError('a transformer has no types');
    const t = { pressed: undefined, change: undefined, controller: undefined, r: undefined, w: undefined };
    const started = deferred();
    const change = callback(transformer, 'transform', (chunk) => { try { transformEnqueue(t, chunk); return nothing(); } catch (error) { return Promise.reject(error); } });
    t.transform = change;
    t.flush = callback(transformer, 'flush', nothing);
    t.cancel = callback(transformer, 'cancel', nothing);
    const perform = (chunk) => change(chunk, t.controller).then(ignore, (error) => { transformError(t, error); throw t.r.error; });
    this.#writable = new WritableStream({
      start: () => started.promise,
      write: (chunk) => {
        if (!t.pressed) return perform(chunk);
        return t.change.promise.then(() => {
          if (t.w.state === 'erroring') throw t.w.error;
          return perform(chunk);
        });
      },
      close: () => t.flush(t.controller).then(() => {
        if (t.r.state === 'errored') throw t.r.error;
        closeReadable(t.r);
      }, (error) => { transformError(t, error); throw t.r.error; }),
      abort: (reason) => t.cancel(reason).then(() => { errorReadable(t.r, reason); }, (error) => { errorReadable(t.r, error); throw error; }),
    }, writableStrategy);
    this.#readable = new ReadableStream({
      start: () => started.promise,
      pull: () => { setPressed(t, false); return t.change.promise; },
      cancel: (reason) => t.cancel(reason).then(() => { transformErrorWritable(t, reason); }, (error) => { transformErrorWritable(t, error); throw error; }),
    }, { ...readableStrategy, highWaterMark: readableStrategy?.highWaterMark ?? 0 });
    t.r = readableOf(this.#readable);
    t.w = writableOf(this.#writable);
    t.controller = new TransformStreamDefaultController(CONTROLLER_KEY, t);
    setPressed(t, true);
    const { start } = transformer;
    if (start !== undefined && typeof start !== 'function') throw new TypeError('start is a function');
    started.resolve(start === undefined ? undefined : Reflect.apply(start, transformer, [t.controller]));
  }
  get readable() { return this.#readable; }
  get writable() { return this.#writable; }
}
expose('TransformStream', TransformStream);
