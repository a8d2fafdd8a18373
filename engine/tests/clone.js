//! `structuredClone`, from the wording of HTML.
import { app, bytes, equal, ok, same, throws } from './support/harness.js';

export const tests = {
  'primitives'() { for (const v of [1, 'a', true, null, undefined, -0, NaN, 10n]) equal(structuredClone(v), v); },
  'objects and arrays, deeply'() { const a = { b: [1, { c: 2 }], d: undefined }, c = structuredClone(a); same(c, a); ok('d' in c); ok(c !== a && c.b !== a.b && c.b[1] !== a.b[1]); },
  'cycles and shared parts'() { const a = { x: {} }; a.self = a; a.y = a.x; const c = structuredClone(a); equal(c.self, c); equal(c.x, c.y); },
  'Map and Set'() { const k = {}, m = new Map([[k, new Set([k])]]), c = structuredClone(m), [ck, cs] = [...c][0]; ok(c instanceof Map && ck !== k && cs.has(ck)); },
  'Date and RegExp'() { const d = structuredClone(new Date(5)); ok(d instanceof Date); equal(d.getTime(), 5); const r = /a/gi; r.lastIndex = 3; const c = structuredClone(r); equal(String(c), '/a/gi'); equal(c.lastIndex, 0); },
  'buffers and views keep what they share'() { const b = bytes(1, 2, 3, 4).buffer, a = { x: new Uint8Array(b, 1, 2), y: new DataView(b) }, c = structuredClone(a); same([...c.x], [2, 3]); equal(c.x.buffer, c.y.buffer); ok(c.x.buffer !== b); ok(c.y instanceof DataView); },
  'errors'() { const e = new TypeError('m', { cause: { a: 1 } }), c = structuredClone(e); ok(c instanceof TypeError); equal(c.message, 'm'); same(c.cause, { a: 1 }); class Mine extends Error {} const m = new Mine('x'); m.name = 'Mine'; const d = structuredClone(m); equal(d.name, 'Error'); equal(Object.getPrototypeOf(d), Error.prototype); },
  'boxed values'() { const c = structuredClone(Object('a')); ok(c instanceof String); equal(c.valueOf(), 'a'); ok(structuredClone(Object(1)) instanceof Number); },
  'functions and symbols are refused'() { throws('DataCloneError', () => structuredClone(() => 1)); throws('DataCloneError', () => structuredClone({ a: Symbol('x') })); throws('DataCloneError', () => structuredClone([new Response()])); throws('DataCloneError', () => structuredClone(new WeakMap())); throws('DataCloneError', () => structuredClone(Promise.resolve())); },
  'prototypes and getters are not kept'() { class A { constructor() { this.x = 1; } get y() { return 2; } } const c = structuredClone(new A()); equal(Object.getPrototypeOf(c), Object.prototype); same(c, { x: 1 }); same(structuredClone({ get z() { return 3; } }), { z: 3 }); },
  'holes stay holes'() { const c = structuredClone([1, , 3]); equal(c.length, 3); ok(!(1 in c)); },
  'transfer'() { const b = bytes(7).buffer, c = structuredClone({ b }, { transfer: [b] }); equal(b.byteLength, 0); same([...new Uint8Array(c.b)], [7]); throws('DataCloneError', () => structuredClone(1, { transfer: [{}] })); },
  async 'Blob and File'() { const c = structuredClone(new File(['x'], 'n', { type: 'a/b' })); ok(c instanceof File); equal(c.name, 'n'); equal(await c.text(), 'x'); },
  'an argument is required'() { throws(TypeError, () => structuredClone()); },
};
export default app(tests);
