//! `Blob` and `File` (File API), in memory. A type with characters outside printable ASCII is dropped, as the standard says.
let blobBytes, makeBlob;
class Blob {
  #bytes; #type;
  constructor(parts = undefined, options = {}) {
    if (parts !== undefined && (typeof parts !== 'object' || parts === null || typeof parts[Symbol.iterator] !== 'function')) throw new TypeError('a Blob is made of a sequence of parts');
    const native = options?.endings === 'native';
    const chunks = [];
    for (const part of parts ?? []) {
      if (part instanceof Blob) chunks.push(part.#bytes);
      else {
        const bytes = bytesOf(part);
        chunks.push(bytes ? bytes.slice() : utf8(native ? String(part).replace(/\r\n?/g, '\n') : part));
      }
    }
    this.#bytes = joinBytes(chunks);
    const type = options?.type === undefined ? '' : String(options.type);
    this.#type = /[^\x20-\x7e]/.test(type) ? '' : type.toLowerCase();
  }
  get size() { return this.#bytes.byteLength; }
  get type() { return this.#type; }
  async arrayBuffer() { return this.#bytes.slice().buffer; }
  async bytes() { return this.#bytes.slice(); }
  async text() { return fromUtf8(this.#bytes); }
  stream() { return streamOfBytes(this.#bytes.slice()); }
  slice(start = 0, end = this.size, type = '') {
    const at = (value) => Math.trunc(Number(value)) || 0;
    return makeBlob(this.#bytes.slice(at(start), at(end)), type);
  }
  static {
    blobBytes = (blob) => blob.#bytes;
    makeBlob = (bytes, type) => { const blob = new Blob([], { type }); blob.#bytes = bytes; return blob; };
  }
  [INSPECT]() { return { size: this.size, type: this.#type }; }
}
expose('Blob', Blob);

class File extends Blob {
  #name; #modified;
  constructor(parts, name, options = {}) {
    requireArguments('File', arguments.length, 2);
    super(parts, options);
    this.#name = usv(name);
    this.#modified = options?.lastModified === undefined ? clockNow() : Math.trunc(Number(options.lastModified)) || 0;
  }
  get name() { return this.#name; }
  get lastModified() { return this.#modified; }
  get webkitRelativePath() { return ''; }
  [INSPECT]() { return { name: this.#name, size: this.size, type: this.type }; }
}
expose('File', File);

/** A stream of bytes that are there already. */
const streamOfBytes = (bytes) => {
  const CHUNK = 64 * 1024;
  let at = 0, r;
  const stream = makeReadable({
    bytes: true, mark: 0,
    pull: async () => {
      if (at < bytes.byteLength) { const chunk = bytes.subarray(at, at + CHUNK); at += chunk.byteLength; enqueueReadable(r, chunk); }
      if (at >= bytes.byteLength) closeReadable(r);
    },
  });
  r = readableOf(stream);
  if (bytes.byteLength === 0) closeReadable(r);
  return stream;
};
