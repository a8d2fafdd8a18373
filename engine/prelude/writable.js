//! `WritableStream`, its writer and controller (WHATWG Streams, the standard's own state machine).
let writableOf;
const closing = (w) => w.closeRequest !== null || w.closeInFlight !== null;
const desiredWriteSize = (w) => (w.state === 'errored' || w.state === 'erroring' ? null : w.state === 'closed' ? 0 : w.mark - w.queueSize);
const CLOSE = Symbol('close');

const setBackpressure = (w, pressed) => {
  const writer = w.writer;
  if (writer && pressed !== w.backpressure) {
    if (pressed) writer.ready = deferred(); else writer.ready.resolve(undefined);
  }
  w.backpressure = pressed;
};
const updateBackpressure = (w) => { if (!closing(w) && w.state === 'writable') setBackpressure(w, w.mark - w.queueSize <= 0); };

const rejectWriterPromise = (writer, name, error) => {
  if (writer[name].settled) writer[name] = rejectedQuietly(error);
  else { quiet(writer[name].promise); writer[name].reject(error); }
};

const rejectCloseAndClosed = (w) => {
  if (w.closeRequest) { w.closeRequest.reject(w.error); w.closeRequest = null; }
  if (w.writer) rejectWriterPromise(w.writer, 'closed', w.error);
};

const finishErroring = (w) => {
  w.state = 'errored';
  resetQueue(w);
  for (const request of w.writeRequests.splice(0)) request.reject(w.error);
  const abort = w.pendingAbort;
  w.pendingAbort = null;
  if (!abort) { rejectCloseAndClosed(w); return; }
  if (abort.wasErroring) { abort.reject(w.error); rejectCloseAndClosed(w); return; }
  w.abort(abort.reason).then(() => { abort.resolve(undefined); rejectCloseAndClosed(w); }, (error) => { abort.reject(error); rejectCloseAndClosed(w); });
};

const startErroring = (w, error) => {
  w.state = 'erroring';
  w.error = error;
  if (w.writer) rejectWriterPromise(w.writer, 'ready', error);
  if (!w.writeInFlight && !w.closeInFlight && w.started) finishErroring(w);
};
const dealWithRejection = (w, error) => { if (w.state === 'writable') startErroring(w, error); else if (w.state === 'erroring') finishErroring(w); };
const errorIfNeeded = (w, error) => { if (w.state === 'writable') startErroring(w, error); };

const processClose = (w) => {
  w.closeInFlight = w.closeRequest;
  w.closeRequest = null;
  dequeueSized(w);
  w.close().then(() => {
    w.closeInFlight.resolve(undefined);
    w.closeInFlight = null;
    if (w.state === 'erroring' && w.pendingAbort) { w.pendingAbort.resolve(undefined); w.pendingAbort = null; }
    w.state = 'closed';
    w.writer?.closed.resolve(undefined);
  }, (error) => {
    w.closeInFlight.reject(error);
    w.closeInFlight = null;
    if (w.pendingAbort) { w.pendingAbort.reject(error); w.pendingAbort = null; }
    dealWithRejection(w, error);
  });
};

const processWrite = (w, chunk) => {
  const request = w.writeInFlight = w.writeRequests.shift();
  w.write(chunk, w.controller).then(() => {
    request.resolve(undefined);
    w.writeInFlight = null;
    dequeueSized(w);
    updateBackpressure(w);
    advanceQueue(w);
  }, (error) => {
    w.writeInFlight = null;
    request.reject(error);
    dealWithRejection(w, error);
  });
};

const advanceQueue = (w) => {
  if (!w.started || w.writeInFlight) return;
  if (w.state === 'erroring') { finishErroring(w); return; }
  if ((w.state !== 'writable') || w.queue.length === 0) return;
  const chunk = w.queue[0].value;
  if (chunk === CLOSE) processClose(w); else processWrite(w, chunk);
};

const writeChunk = (w, chunk) => {
  let size = 1;
  try { size = w.size(chunk); } catch (error) { errorIfNeeded(w, error); }
  if (w.state === 'errored' || w.state === 'erroring') return Promise.reject(w.error);
  if (closing(w) || w.state === 'closed') return Promise.reject(new TypeError('the stream is closing or closed'));
  const request = deferred();
  w.writeRequests.push(request);
  try { enqueueSized(w, chunk, size); } catch (error) { errorIfNeeded(w, error); return request.promise; }
  updateBackpressure(w);
  advanceQueue(w);
  return request.promise;
};

const closeWritable = (w) => {
  if (w.state === 'closed' || w.state === 'errored') return Promise.reject(new TypeError('the stream is closed or failed'));
  if (closing(w)) return Promise.reject(new TypeError('the stream is being closed'));
  w.closeRequest = deferred();
  const { promise } = w.closeRequest;
  if (w.writer && w.backpressure && w.state === 'writable') w.writer.ready.resolve(undefined);
  enqueueSized(w, CLOSE, 0);
  advanceQueue(w);
  return promise;
};

const abortWritable = (w, reason) => {
  if (w.state === 'closed' || w.state === 'errored') return Promise.resolve();
  abortSignal(w.aborter.signal, reason);
  if (w.state === 'closed' || w.state === 'errored') return Promise.resolve();
  if (w.pendingAbort) return w.pendingAbort.promise;
  const wasErroring = w.state === 'erroring';
  w.pendingAbort = Object.assign(deferred(), { reason: wasErroring ? undefined : reason, wasErroring });
  const { promise } = w.pendingAbort;
  if (!wasErroring) startErroring(w, reason);
  return promise;
};

class WritableStreamDefaultController {
  #w;
  constructor(key, w) { if (key !== CONTROLLER_KEY) throw new TypeError('Illegal constructor'); this.#w = w; }
  get signal() { return this.#w.aborter.signal; }
  error(error) { errorIfNeeded(this.#w, error); }
}
expose('WritableStreamDefaultController', WritableStreamDefaultController);

const nothing = () => Promise.resolve();
class WritableStream {
  #w;
  constructor(sink = undefined, strategy = {}) {
    if (sink === null) throw new TypeError('a sink is an object');
    if (sink?.type !== undefined) throw new RangeError('a sink has no type');
    const w = this.#w = {
      state: 'writable', error: undefined, writer: null, closeRequest: null, closeInFlight: null, writeInFlight: null, pendingAbort: null,
      writeRequests: [], backpressure: false, started: false, queue: [], queueSize: 0, aborter: new AbortController(), controller: undefined,
      size: sizeOf(strategy), mark: highWaterMarkOf(strategy, 1),
      write: callback(sink, 'write', nothing), close: callback(sink, 'close', nothing), abort: callback(sink, 'abort', nothing),
    };
    w.controller = new WritableStreamDefaultController(CONTROLLER_KEY, w);
    updateBackpressure(w);
    const start = sink?.start;
    if (start !== undefined && typeof start !== 'function') throw new TypeError('start is a function');
    const started = start === undefined ? undefined : Reflect.apply(start, sink, [w.controller]);
    Promise.resolve(started).then(() => { w.started = true; advanceQueue(w); }, (error) => { w.started = true; dealWithRejection(w, error); });
  }
  get locked() { return this.#w.writer !== null; }
  abort(reason) { return this.locked ? Promise.reject(new TypeError('the stream is locked to a writer')) : abortWritable(this.#w, reason); }
  close() { return this.locked ? Promise.reject(new TypeError('the stream is locked to a writer')) : closeWritable(this.#w); }
  getWriter() { return new WritableStreamDefaultWriter(this); }
  static { writableOf = (stream) => stream.#w; }
}
expose('WritableStream', WritableStream);

const unlocked = () => new TypeError('the writer was released');
class WritableStreamDefaultWriter {
  #writer = { ready: undefined, closed: undefined };
  #w;
  constructor(stream) {
    if (!(stream instanceof WritableStream)) throw new TypeError('a writer needs a WritableStream');
    if (stream.locked) throw new TypeError('the stream is locked to a writer');
    const w = this.#w = writableOf(stream), writer = this.#writer;
    w.writer = writer;
    const failed = w.state === 'erroring' || w.state === 'errored';
    writer.ready = failed ? rejectedQuietly(w.error) : w.state === 'writable' && !closing(w) && w.backpressure ? deferred() : resolvedWith(undefined);
    writer.closed = w.state === 'errored' ? rejectedQuietly(w.error) : w.state === 'closed' ? resolvedWith(undefined) : deferred();
  }
  get closed() { return this.#writer.closed.promise; }
  get ready() { return this.#writer.ready.promise; }
  get desiredSize() { if (!this.#w) throw unlocked(); return desiredWriteSize(this.#w); }
  abort(reason) { return this.#w ? abortWritable(this.#w, reason) : Promise.reject(unlocked()); }
  close() { return this.#w ? closeWritable(this.#w) : Promise.reject(unlocked()); }
  write(chunk) { return this.#w ? writeChunk(this.#w, chunk) : Promise.reject(unlocked()); }
  releaseLock() {
    if (!this.#w) return;
    const error = unlocked();
    rejectWriterPromise(this.#writer, 'ready', error);
    rejectWriterPromise(this.#writer, 'closed', error);
    this.#w.writer = null;
    this.#w = undefined;
  }
}
expose('WritableStreamDefaultWriter', WritableStreamDefaultWriter);
