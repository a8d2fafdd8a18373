//! `Event`, `EventTarget`, `AbortController` and `AbortSignal`, from the wording of DOM.
import { app, equal, later, ok, same, throws } from './support/harness.js';

export const tests = {
  'listeners run in order, once each'() { const t = new EventTarget(), seen = []; const a = () => seen.push('a'); t.addEventListener('x', a); t.addEventListener('x', a); t.addEventListener('x', () => seen.push('b')); t.dispatchEvent(new Event('x')); same(seen, ['a', 'b']); },
  'removing, once and signal'() { const t = new EventTarget(); let n = 0; const f = () => { n += 1; }, c = new AbortController(); t.addEventListener('x', f); t.removeEventListener('x', f); t.addEventListener('x', f, { once: true }); t.addEventListener('x', () => { n += 10; }, { signal: c.signal }); t.dispatchEvent(new Event('x')); c.abort(); t.dispatchEvent(new Event('x')); equal(n, 11); },
  'an event knows its target and type'() { const t = new EventTarget(); let e; t.addEventListener('x', (event) => { e = event; equal(event.currentTarget, t); }); t.dispatchEvent(new Event('x', { cancelable: true })); equal(e.target, t); equal(e.type, 'x'); equal(e.currentTarget, null); equal(e.isTrusted, false); },
  'preventDefault'() { const t = new EventTarget(); t.addEventListener('x', (e) => e.preventDefault()); equal(t.dispatchEvent(new Event('x', { cancelable: true })), false); equal(t.dispatchEvent(new Event('x')), true); },
  'stopImmediatePropagation'() { const t = new EventTarget(); let n = 0; t.addEventListener('x', (e) => e.stopImmediatePropagation()); t.addEventListener('x', () => { n += 1; }); t.dispatchEvent(new Event('x')); equal(n, 0); },
  'handleEvent, this and CustomEvent'() { const t = new EventTarget(); let d; t.addEventListener('x', { handleEvent(e) { d = e.detail; } }); t.addEventListener('x', function () { equal(this, t); }); t.dispatchEvent(new CustomEvent('x', { detail: 5 })); equal(d, 5); },
  'dispatch needs an event'() { throws(TypeError, () => new EventTarget().dispatchEvent({})); throws(TypeError, () => new Event()); },
  'abort'() { const c = new AbortController(); let n = 0; c.signal.addEventListener('abort', () => { n += 1; }); c.signal.onabort = () => { n += 10; }; ok(!c.signal.aborted); c.signal.throwIfAborted(); c.abort(); c.abort(); ok(c.signal.aborted); equal(n, 11); ok(c.signal.reason instanceof DOMException); equal(c.signal.reason.name, 'AbortError'); throws('AbortError', () => c.signal.throwIfAborted()); },
  'a reason is kept as it is'() { const c = new AbortController(); c.abort(0); equal(c.signal.reason, 0); equal(AbortSignal.abort('x').reason, 'x'); ok(AbortSignal.abort().aborted); },
  'a signal is not constructed'() { throws(TypeError, () => new AbortSignal()); },
  async 'timeout'() { const s = AbortSignal.timeout(2); ok(!s.aborted); await later(20); ok(s.aborted); equal(s.reason.name, 'TimeoutError'); throws(TypeError, () => AbortSignal.timeout(-1)); },
  'any'() { const a = new AbortController(), b = new AbortController(), s = AbortSignal.any([a.signal, b.signal]); let n = 0; s.onabort = () => { n += 1; }; b.abort('b'); a.abort('a'); ok(s.aborted); equal(s.reason, 'b'); equal(n, 1); ok(AbortSignal.any([AbortSignal.abort('z')]).aborted); ok(!AbortSignal.any([]).aborted); },
  'DOMException'() { const e = new DOMException('m', 'AbortError'); equal(e.code, 20); equal(e.name, 'AbortError'); equal(e.message, 'm'); ok(e instanceof Error); equal(DOMException.ABORT_ERR, 20); },
};
export default app(tests);
