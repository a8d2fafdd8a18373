//! Timers, microtasks, clocks and `console`, from the wording of HTML and of the console standard.
import { app, equal, later, ok, same, throws } from './support/harness.js';

export const tests = {
  async 'timers run in the order of their time'() { const seen = []; setTimeout(() => seen.push('b'), 20); setTimeout(() => seen.push('a'), 1); await later(40); same(seen, ['a', 'b']); },
  async 'arguments are handed on'() { equal(await new Promise((resolve) => setTimeout(resolve, 0, 5)), 5); },
  async 'cleared timers do not run'() { let n = 0; const t = setTimeout(() => { n += 1; }, 1); equal(typeof t, 'number'); clearTimeout(t); clearTimeout(undefined); clearTimeout(99999); await later(10); equal(n, 0); },
  async 'an interval runs until it is cleared'() { let n = 0; await new Promise((resolve) => { const t = setInterval(() => { n += 1; if (n === 3) { clearInterval(t); resolve(); } }, 1); }); await later(10); equal(n, 3); },
  'a callback is a function'() { throws(TypeError, () => setTimeout('1')); throws(TypeError, () => queueMicrotask(1)); },
  async 'microtasks go before timers'() { const seen = []; const done = later(0).then(() => seen.push('timer')); queueMicrotask(() => seen.push('micro')); Promise.resolve().then(() => seen.push('promise')); await done; same(seen, ['micro', 'promise', 'timer']); },
  async 'clocks are whole milliseconds and go on'() { const a = performance.now(), d = Date.now(); ok(Number.isInteger(a) && Number.isInteger(d)); await later(15); ok(performance.now() - a >= 10); ok(Date.now() - d >= 10); ok(Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 1000); },
  'globals'() { equal(self, globalThis); equal(typeof navigator.userAgent, 'string'); for (const name of ['fetch', 'Request', 'console', 'structuredClone']) ok(!Object.keys(globalThis).includes(name), name); },
  'the platform\'s natives are not within reach'() { for (const name of Object.getOwnPropertyNames(globalThis)) ok(!/native|bailiwick|^__/i.test(name), name); equal(typeof native, 'undefined'); equal(typeof hooks, 'undefined'); },
  'console takes anything'() { const cyclic = { a: [] }; cyclic.a.push(cyclic); console.log(cyclic, null, undefined, 1n, Symbol('x'), () => 1, new Map([[1, { b: 2 }]]), new Set([1]), new Error('e', { cause: 'c' }), new Proxy({}, { ownKeys() { throw new Error('no'); } }), Object.create(null), { get g() { throw new Error('no'); } }); console.log('%s is %d and %o, %c%j%%', 'a', 1.5, { x: 1 }, 'css', [1]); for (const level of ['debug', 'info', 'warn', 'error', 'trace', 'dir', 'table', 'group', 'groupEnd', 'count', 'assert', 'time', 'timeEnd']) console[level](); console.log('x'.repeat(100000)); },
  'overwritten globals do not break the platform'() { const keep = { Map: globalThis.Map, Promise: globalThis.Promise, parse: JSON.parse, Uint8Array: globalThis.Uint8Array, URL: globalThis.URL }; try { globalThis.Map = globalThis.Promise = globalThis.Uint8Array = globalThis.URL = undefined; JSON.parse = undefined; equal(new Headers({ a: 'b' }).get('a'), 'b'); equal(new Request('https://a.test/').url, 'https://a.test/'); structuredClone({ a: 1 }); console.log({ a: 1 }); Response.json({}); } finally { Object.assign(globalThis, { Map: keep.Map, Promise: keep.Promise, Uint8Array: keep.Uint8Array, URL: keep.URL }); JSON.parse = keep.parse; } },
};
export default app(tests);
