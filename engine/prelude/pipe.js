//! `pipeTo` (WHATWG Streams): errors go forward, closing and errors come backward, nothing is written into a full sink.
const pipe = (source, destination, options) => new Promise((resolve, reject) => {
  const { preventClose = false, preventAbort = false, preventCancel = false, signal } = options ?? {};
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError('signal is an AbortSignal');
  const r = readableOf(source), w = writableOf(destination);
  const reader = source.getReader(), writer = destination.getWriter();
  r.disturbed = true;
  let stopping = false, lastWrite = Promise.resolve(), abort;

  const finish = (failed, error) => {
    writer.releaseLock();
    reader.releaseLock();
    if (abort) offAbort(signal, abort);
    if (failed) reject(error); else resolve(undefined);
  };
  const written = async () => { let last; do { last = lastWrite; await last.then(ignore, ignore); } while (last !== lastWrite); };
  const stop = (act, failed, error) => {
    if (stopping) return;
    stopping = true;
    const go = () => (act ? act().then(() => finish(failed, error), (other) => finish(true, other)) : finish(failed, error));
    if (w.state === 'writable' && !closing(w)) written().then(go); else go();
  };

  const sourceFailed = (error) => stop(preventAbort ? undefined : () => abortWritable(w, error), true, error);
  const sinkFailed = (error) => stop(preventCancel ? undefined : () => cancelReadable(r, error), true, error);
  const sourceClosed = () => stop(preventClose ? undefined : () => (w.state === 'closed' || closing(w) ? Promise.resolve() : w.state === 'errored' ? Promise.reject(w.error) : closeWritable(w)), false);
  const sinkClosed = () => {
    const error = new TypeError('the destination is closed');
    stop(preventCancel ? undefined : () => cancelReadable(r, error), true, error);
  };

  if (signal) {
    abort = () => {
      const error = signal.reason;
      stop(() => Promise.all([
        preventAbort || w.state !== 'writable' ? undefined : abortWritable(w, error),
        preventCancel || r.state !== 'readable' ? undefined : cancelReadable(r, error),
      ]), true, error);
    };
    if (signal.aborted) { abort(); return; }
    onAbort(signal, abort);
  }
  if (r.state === 'errored') sourceFailed(r.error); else reader.closed.then(undefined, sourceFailed);
  if (w.state === 'errored' || w.state === 'erroring') sinkFailed(w.error); else writer.closed.then(undefined, (error) => { if (!stopping) sinkFailed(error); });
  if (r.state === 'closed') sourceClosed();
  if (closing(w) || w.state === 'closed') sinkClosed();

  const step = () => {
    if (stopping) return;
    writer.ready.then(() => {
      if (stopping) return;
      readChunk(r, {
        chunk: (chunk) => { lastWrite = quiet(writeChunk(w, chunk)); step(); },
        close: sourceClosed,
        error: ignore,
      });
    }, ignore);
  };
  step();
});
