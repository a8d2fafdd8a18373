//! One exchange over the host's HTTP: what `fetch`, `env.data` and `env.assets` have in common. Streams bodies both ways.
/** Writes a stream into a body in the host, no faster than the host takes it. */
const sendStream = async (stream, handle) => {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      if (!(value instanceof Uint8Array)) throw new TypeError('a body is made of bytes (Uint8Array); use a TextEncoder, or TextEncoderStream, for text');
      for (let at = 0; at < value.byteLength;) {
        at += native.write(handle, value, at);
        if (at < value.byteLength) await hostReady(handle);
      }
    }
    native.finish(handle);
  } catch (error) {
    native.close(handle);
    reader.cancel(error).then(ignore, ignore);
    throw error;
  }
};

/** `target` is [scheme, authority, path]; gives { status, headers (text), handle }. */
const exchange = (method, target, headers, body, signal) => new Promise((resolve, reject) => {
  if (signal?.aborted) { reject(signal.reason); return; }
  let abort, out = -1;
  const id = beginOperation((problem, status, text, handle) => {
    if (abort) offAbort(signal, abort);
    if (problem) reject(new TypeError(problem)); else resolve({ status, headers: text, handle });
  });
  try {
    out = native.startFetch(id, method, target, headers, body.stream ? true : body.source);
  } catch (error) { operations.delete(id); reject(error); return; }
  if (signal) {
    abort = () => {
      endOperation(id);
      if (out >= 0) native.close(out);
      if (body.stream && !body.stream.locked) body.stream.cancel(signal.reason).then(ignore, ignore);
      reject(signal.reason);
    };
    onAbort(signal, abort);
  }
  if (out >= 0) sendStream(body.stream, out).catch((error) => { endOperation(id); reject(error); });
});

/** Reads a JSON answer of the platform; an answer that is no JSON is undefined. */
const readAnswer = async (handle) => {
  const text = handle < 0 ? '' : asText(await readWhole(newBody(null, handle)));
  try { return text === '' ? undefined : parseJson(text); } catch { return undefined; }
};
