//! `structuredClone` (HTML): cycles, collections, buffers, errors. Functions, symbols and the platform's own objects are refused.
const refuseClone = (value) => new DOMException(`${typeof value === 'symbol' ? String(value) : typeof value === 'function' ? 'a function' : 'this object'} cannot be cloned`, 'DataCloneError');
const ERRORS = { __proto__: null, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
const VIEWS = ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float16Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array']
  .filter((name) => globalThis[name]).map((name) => globalThis[name]);
const unclonable = [WeakMap, WeakSet, globalThis.WeakRef, Promise, AbortSignal, AbortController, Event, EventTarget, Headers, Request, Response, FormData,
  URL, URLSearchParams, ReadableStream, WritableStream, TransformStream, TextEncoder, TextDecoder, CryptoKey];

const cloneError = (value, clone, seen) => {
  const made = new (ERRORS[readable(value, 'name')] ?? Error)();
  seen.set(value, made);
  const message = Object.getOwnPropertyDescriptor(value, 'message');
  if (message && 'value' in message) hide(made, 'message', String(message.value));
  hide(made, 'stack', readable(value, 'stack'));
  if (Object.hasOwn(value, 'cause')) hide(made, 'cause', clone(value.cause));
  return made;
};

const cloneObject = (value, seen) => {
  const clone = (inner) => cloneValue(inner, seen);
  const keep = (copy) => { seen.set(value, copy); return copy; };
  if (value instanceof Date) return keep(new Date(value.getTime()));
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
  for (const Kind of [Boolean, Number, String, BigInt]) if (value instanceof Kind) return keep(Object(Kind.prototype.valueOf.call(value)));
  if (value instanceof ArrayBuffer) return keep(value.slice(0));
  if (value instanceof DataView) return keep(new DataView(clone(value.buffer), value.byteOffset, value.byteLength));
  for (const View of VIEWS) if (value instanceof View) return keep(new View(clone(value.buffer), value.byteOffset, value.length));
  if (value instanceof Map) {
    const copy = keep(new Map());
    for (const [k, v] of [...value]) copy.set(clone(k), clone(v));
    return copy;
  }
  if (value instanceof Set) {
    const copy = keep(new Set());
    for (const item of [...value]) copy.add(clone(item));
    return copy;
  }
  if (value instanceof DOMException) return keep(new DOMException(value.message, value.name));
  if (value instanceof Error) return cloneError(value, clone, seen);
  if (value instanceof File) return keep(new File([value], value.name, { type: value.type, lastModified: value.lastModified }));
  if (value instanceof Blob) return keep(makeBlob(blobBytes(value), value.type));
  for (const Kind of unclonable) if (Kind && value instanceof Kind) throw refuseClone(value);
  const copy = keep(isArray(value) ? new Array(value.length) : {});
  for (const key of Object.keys(value)) Object.defineProperty(copy, key, { value: clone(value[key]), writable: true, enumerable: true, configurable: true });
  return copy;
};

const cloneValue = (value, seen) => {
  if (typeof value === 'function' || typeof value === 'symbol') throw refuseClone(value);
  if (typeof value !== 'object' || value === null) return value;
  return seen.has(value) ? seen.get(value) : cloneObject(value, seen);
};

expose('structuredClone', function structuredClone(value, options = {}) {
  requireArguments('structuredClone', arguments.length, 1);
  const seen = new Map(), transfer = [...(options?.transfer ?? [])];
  for (const buffer of transfer) {
    if (!(buffer instanceof ArrayBuffer)) throw new DOMException('only an ArrayBuffer can be transferred here', 'DataCloneError');
    if (buffer.detached || seen.has(buffer)) throw new DOMException('the buffer was transferred before', 'DataCloneError');
    seen.set(buffer, null);
  }
  // Copies are made first, so that a refusal leaves every buffer where it was.
  seen.clear();
  const copy = cloneValue(value, seen);
  for (const buffer of transfer) buffer.transfer();
  return copy;
});
