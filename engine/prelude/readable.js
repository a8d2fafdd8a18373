//! `ReadableStream` and its controllers (WHATWG Streams). Byte streams are read with both readers, but always by copy.
const CONTROLLER_KEY = Symbol('controller');
let readableOf, isReadable;

const desiredReadSize = (r) => (r.state === 'errored' ? null : r.state === 'closed' ? 0 : r.mark - r.queueSize);
const canEnqueue = (r) => r.state === 'readable' && !r.closing;

const pullIfNeeded = (r) => {
  if (!r.started || !canEnqueue(r)) return;
  if (!(r.reader?.requests.length > 0) && !(desiredReadSize(r) > 0)) return;
  if (r.pulling) { r.pullAgain = true; return; }
  r.pulling = true;
  r.pull(r.controller).then(() => {
    r.pulling = false;
    if (r.pullAgain) { r.pullAgain = false; pullIfNeeded(r); }
  }, (error) => errorReadable(r, error));
};

const closeNow = (r) => {
  r.state = 'closed';
  const reader = r.reader;
  if (!reader) return;
  for (const request of reader.requests.splice(0)) request.close();
  reader.closed.resolve(undefined);
};

const closeReadable = (r) => {
  if (!canEnqueue(r)) return;
  r.closing = true;
  if (r.queue.length === 0) closeNow(r);
};

const errorReadable = (r, error) => {
  if (r.state !== 'readable') return;
  resetQueue(r);
  r.state = 'errored';
  r.error = error;
  const reader = r.reader;
  if (!reader) return;
  for (const request of reader.requests.splice(0)) request.error(error);
  quiet(reader.closed.promise);
  reader.closed.reject(error);
};

const enqueueReadable = (r, chunk) => {
  if (!canEnqueue(r)) return;
  if (r.reader?.requests.length > 0) r.reader.requests.shift().chunk(chunk);
  else {
    try { enqueueSized(r, chunk, r.bytes ? chunk.byteLength : r.size(chunk)); } catch (error) { errorReadable(r, error); throw error; }
  }
  pullIfNeeded(r);
};

const cancelReadable = (r, reason) => {
  r.disturbed = true;
  if (r.state === 'closed') return Promise.resolve();
  if (r.state === 'errored') return Promise.reject(r.error);
  closeNow(r);
  resetQueue(r);
  return r.cancel(reason).then(ignore);
};

/** Reads one chunk; `request` has `chunk`, `close` and `error`. */
const readChunk = (r, request) => {
  r.disturbed = true;
  if (r.state === 'closed') { request.close(); return; }
  if (r.state === 'errored') { request.error(r.error); return; }
  if (r.queue.length === 0) { r.reader.requests.push(request); pullIfNeeded(r); return; }
  const chunk = dequeueSized(r);
  if (r.closing && r.queue.length === 0) closeNow(r); else pullIfNeeded(r);
  request.chunk(chunk);
};

class ReadableStreamDefaultController {
  #r;
  constructor(key, r) { if (key !== CONTROLLER_KEY) throw new TypeError('Illegal constructor'); this.#r = r; }
  get desiredSize() { return desiredReadSize(this.#r); }
  close() { if (!canEnqueue(this.#r)) throw new TypeError('the stream is closed or failed'); closeReadable(this.#r); }
  enqueue(chunk) { if (!canEnqueue(this.#r)) throw new TypeError('the stream is closed or failed'); enqueueReadable(this.#r, chunk); }
  error(error) { errorReadable(this.#r, error); }
}
expose('ReadableStreamDefaultController', ReadableStreamDefaultController);

class ReadableByteStreamController {
  #r;
  constructor(key, r) { if (key !== CONTROLLER_KEY) throw new TypeError('Illegal constructor'); this.#r = r; }
  get byobRequest() { return null; }
  get desiredSize() { return desiredReadSize(this.#r); }
  close() { if (!canEnqueue(this.#r)) throw new TypeError('the stream is closed or failed'); closeReadable(this.#r); }
  enqueue(chunk) {
    if (!isView(chunk)) throw new TypeError('a byte stream takes views of bytes');
    if (chunk.byteLength === 0) throw new TypeError('a chunk of a byte stream is not empty');
    if (!canEnqueue(this.#r)) throw new TypeError('the stream is closed or failed');
    const { buffer, byteOffset, byteLength } = chunk;
    enqueueReadable(this.#r, new Uint8Array(buffer.transfer(), byteOffset, byteLength));
  }
  error(error) { errorReadable(this.#r, error); }
}
expose('ReadableByteStreamController', ReadableByteStreamController);

/** The inside of a stream; `source` gives functions that return promises. */
const newReadable = ({ pull, cancel, mark = 1, size = () => 1, bytes = false }) => ({
  state: 'readable', error: undefined, reader: null, disturbed: false, queue: [], queueSize: 0, started: false, closing: false,
  pulling: false, pullAgain: false, mark, size, bytes, pull: pull ?? (() => Promise.resolve()), cancel: cancel ?? (() => Promise.resolve()), controller: undefined,
});

/** A stream of the platform's own: starts at once. */
const makeReadable = (source) => {
  const r = newReadable(source);
  r.started = true;
  return new ReadableStream(CONTROLLER_KEY, r);
};

class ReadableStream {
  #r;
  constructor(source = undefined, strategy = {}) {
    if (source === CONTROLLER_KEY) { this.#r = strategy; return; }
    if (source === null) throw new TypeError('a source is an object');
    const type = source?.type;
    if (type !== undefined && `${type}` !== 'bytes') throw new TypeError(`\`${type}\` is not a type of stream`);
    const bytes = type !== undefined;
    if (bytes && strategy?.size !== undefined) throw new RangeError('a byte stream has no size function');
    const r = newReadable({
      pull: callback(source, 'pull'), cancel: callback(source, 'cancel'), bytes, size: sizeOf(strategy), mark: highWaterMarkOf(strategy, bytes ? 0 : 1),
    });
    this.#r = r;
    r.controller = bytes ? new ReadableByteStreamController(CONTROLLER_KEY, r) : new ReadableStreamDefaultController(CONTROLLER_KEY, r);
    const start = source?.start;
    if (start !== undefined && typeof start !== 'function') throw new TypeError('start is a function');
    const started = start === undefined ? undefined : Reflect.apply(start, source, [r.controller]);
    Promise.resolve(started).then(() => { r.started = true; pullIfNeeded(r); }, (error) => errorReadable(r, error));
  }
  get locked() { return this.#r.reader !== null; }
  cancel(reason) {
    if (this.locked) return Promise.reject(new TypeError('the stream is locked to a reader'));
    return cancelReadable(this.#r, reason);
  }
  getReader(options = undefined) {
    const mode = options?.mode;
    if (mode === undefined) return new ReadableStreamDefaultReader(this);
    if (`${mode}` === 'byob') return new ReadableStreamBYOBReader(this);
    throw new TypeError(`\`${mode}\` is not a mode of reading`);
  }
  pipeThrough(transform, options = {}) {
    if (!isReadable(transform?.readable) || !(transform.writable instanceof WritableStream)) throw new TypeError('pipeThrough needs { readable, writable }');
    if (this.locked || transform.writable.locked) throw new TypeError('the stream is locked');
    quiet(pipe(this, transform.writable, options));
    return transform.readable;
  }
  pipeTo(destination, options = {}) {
    if (!(destination instanceof WritableStream)) return Promise.reject(new TypeError('pipeTo needs a WritableStream'));
    if (this.locked || destination.locked) return Promise.reject(new TypeError('the stream is locked'));
    return pipe(this, destination, options);
  }
  tee() { return teeReadable(this); }
  values({ preventCancel = false } = {}) { return iterateReadable(this, !!preventCancel); }
  static from(iterable) { return readableFrom(iterable); }
  static {
    readableOf = (stream) => stream.#r;
    isReadable = (stream) => typeof stream === 'object' && stream !== null && #r in stream;
  }
}
hide(ReadableStream.prototype, Symbol.asyncIterator, ReadableStream.prototype.values);
expose('ReadableStream', ReadableStream);
