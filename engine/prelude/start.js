//! What every part of the prelude uses: the language's own parts, held before app code can replace them,
//! and how an interface becomes a global. Refuses nothing.
const {
  Array, ArrayBuffer, BigInt, Boolean, DataView, Date, DOMException, Error, Function, JSON, Map, Math, Number, Object,
  Promise, Proxy, RangeError, Reflect, RegExp, Set, String, Symbol, SyntaxError, TypeError, Uint8Array, WeakMap, WeakSet,
  EvalError, ReferenceError, URIError, AggregateError, isNaN, parseInt, parseFloat, encodeURIComponent,
} = globalThis;
const parseJson = JSON.parse, writeJson = JSON.stringify;
const isView = ArrayBuffer.isView, isArray = Array.isArray;
const clockNow = Date.now;

/** The prelude's entrances, returned to the engine. */
const hooks = { __proto__: null };

const hide = (object, name, value) =>
  Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });

/**
 * Makes an interface or a function global, as the standards say (Web IDL): writable, configurable, not enumerable; an
 * interface's own members are enumerable.
 */
const expose = (name, value) => {
  hide(globalThis, name, value);
  if (typeof value !== 'function' || !value.prototype) return;
  for (const member of Object.getOwnPropertyNames(value.prototype)) {
    if (member !== 'constructor') Object.defineProperty(value.prototype, member, { enumerable: true });
  }
  if (!Object.hasOwn(value.prototype, Symbol.toStringTag)) {
    Object.defineProperty(value.prototype, Symbol.toStringTag, { value: name, configurable: true });
  }
};

/** A string without lone surrogates (the standards' USVString). */
const usv = (value) => { const text = `${value}`; return text.isWellFormed() ? text : text.toWellFormed(); };

/** A view on the bytes of a buffer or a view; undefined for anything else. */
const bytesOf = (value) => {
  if (value instanceof Uint8Array) return value;
  if (isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer || (globalThis.SharedArrayBuffer && value instanceof globalThis.SharedArrayBuffer)) return new Uint8Array(value);
  return undefined;
};

const utf8 = (text) => native.encode(usv(text));
const fromUtf8 = (bytes) => native.decode(bytes, false);

const joinBytes = (chunks) => {
  if (chunks.length === 1) return chunks[0];
  let length = 0;
  for (const chunk of chunks) length += chunk.byteLength;
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) { all.set(chunk, at); at += chunk.byteLength; }
  return all;
};

/** Operations under way in the host, by number; the engine settles them. */
const operations = new Map();
let lastOperation = 0;
const beginOperation = (settled) => { const id = ++lastOperation; operations.set(id, settled); return id; };
const endOperation = (id) => { if (operations.delete(id)) native.cancel(id); };
hooks.settle = (id, ...result) => { const settled = operations.get(id); operations.delete(id); settled?.(...result); };

/** What an app may not do while it loads, since the result would be stored and repeated in every request. */
const refuseLoading = (what, why) => {
  if (native.loading()) throw new Error(`${what} cannot be used while the app is loading: ${why}; use it inside a handler`);
};

const requireArguments = (what, given, wanted) => {
  if (given < wanted) throw new TypeError(`${what} needs ${wanted} argument${wanted > 1 ? 's' : ''}, but got ${given}`);
};

const randomNumber = native.randomNumber;
hide(Math, 'random', function random() { return randomNumber(); });
expose('self', globalThis);
expose('navigator', Object.freeze({ userAgent: 'Bailiwick' }));
