//! Bodies of requests and responses (WHATWG Fetch): whole, or still under way in the host, or a stream. A body is read once.
/**
 * `source` is null (no body), a string or bytes; `handle` a body in the host; `stream` a ReadableStream once there is one;
 * `stopped` a promise that rejects when a signal ends the body while it is read as a whole.
 */
const newBody = (source, handle = -1, stream = null) => ({ source, handle, stream, used: false, stopped: null });
const noBody = () => newBody(null);
const hasBody = (body) => body.source !== null || body.handle >= 0 || body.stream !== null;
const bodyUsed = (body) => body.used || (body.stream !== null && readableOf(body.stream).disturbed);

/** What an app gives as a body, and the media type that this implies. */
const extractBody = (value) => {
  if (value === null || value === undefined) return { body: noBody(), type: null };
  if (typeof value === 'string') return { body: newBody(usv(value)), type: 'text/plain;charset=UTF-8' };
  if (isReadable(value)) {
    if (value.locked || readableOf(value).disturbed) throw new TypeError('the stream was read before, or is locked');
    return { body: newBody(null, -1, value), type: null };
  }
  if (value instanceof Blob) return { body: newBody(blobBytes(value)), type: value.type || null };
  if (value instanceof URLSearchParams) return { body: newBody(value.toString()), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
  if (value instanceof FormData) { const { bytes, type } = writeMultipart(value); return { body: newBody(bytes), type }; }
  const bytes = bytesOf(value);
  if (bytes) return { body: newBody(bytes.slice()), type: null };
  return { body: newBody(usv(value)), type: 'text/plain;charset=UTF-8' };
};

/** Waits until the host can go on with a body. */
const hostReady = (handle) => new Promise((resolve) => native.wait(beginOperation(resolve), handle));

/** The next bytes of a body in the host; null at the end. */
const readHost = async (handle) => {
  for (;;) {
    const chunk = native.read(handle);
    if (chunk !== undefined) return chunk;
    await hostReady(handle);
  }
};

const streamOfHandle = (handle) => {
  let r;
  const stream = makeReadable({
    bytes: true, mark: 0,
    pull: async () => { const chunk = await readHost(handle); if (chunk === null) closeReadable(r); else enqueueReadable(r, chunk); },
    cancel: async () => native.close(handle),
  });
  r = readableOf(stream);
  return stream;
};

const bodyStream = (body) => {
  if (body.stream || !hasBody(body)) return body.stream;
  body.stream = body.handle >= 0 ? streamOfHandle(body.handle) : streamOfBytes(typeof body.source === 'string' ? native.encode(body.source) : body.source.slice());
  if (body.used) { const r = readableOf(body.stream); r.disturbed = true; closeReadable(r); }
  return body.stream;
};

/** Everything of a body, as bytes or, where it is one already, as a string. */
const readWhole = async (body) => {
  if (bodyUsed(body)) throw new TypeError('the body was read before: a body can be read once; use clone() first to read it twice');
  if (body.stream?.locked) throw new TypeError('the body is locked to a reader');
  if (!hasBody(body)) return '';
  body.used = true;
  if (body.stream) {
    const reader = body.stream.getReader(), chunks = [];
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return joinBytes(chunks);
      if (!(value instanceof Uint8Array)) throw new TypeError('a body is made of bytes (Uint8Array)');
      chunks.push(value);
    }
  }
  if (body.handle < 0) return body.source;
  const chunks = [];
  for (;;) {
    // Without waiting where nothing needs to be waited for: that is the ordinary request.
    const read = native.read(body.handle);
    const chunk = read !== undefined ? read : await (body.stopped ? Promise.race([readHost(body.handle), body.stopped]) : readHost(body.handle));
    if (chunk === null) return joinBytes(chunks);
    chunks.push(chunk);
  }
};
const asText = (whole) => {
  if (typeof whole !== 'string') whole = fromUtf8(whole);
  return whole.charCodeAt(0) === 0xfeff ? whole.slice(1) : whole;
};
const asBytes = (whole) => (typeof whole === 'string' ? native.encode(whole) : whole);

/** A body twice. */
const cloneBody = (body) => {
  if (bodyUsed(body) || body.stream?.locked) throw new TypeError('a body that was read before cannot be cloned');
  if (!hasBody(body)) return noBody();
  if (body.source !== null && !body.stream) return newBody(body.source);
  const [mine, other] = bodyStream(body).tee();
  body.stream = mine;
  body.handle = -1;
  body.source = null;
  return newBody(null, -1, other);
};

/** Gives a class the reading methods; `partsOf` gives an object's body and headers. */
const readsBody = (Class, partsOf) => {
  const methods = {
    async arrayBuffer() { const bytes = asBytes(await readWhole(partsOf(this).body)); return bytes.slice().buffer; },
    async bytes() { return asBytes(await readWhole(partsOf(this).body)).slice(); },
    async text() { return asText(await readWhole(partsOf(this).body)); },
    async json() { return parseJson(asText(await readWhole(partsOf(this).body))); },
    async blob() { const { body, headers } = partsOf(this); return makeBlob(asBytes(await readWhole(body)).slice(), headers.get('content-type') ?? ''); },
    async formData() { const { body, headers } = partsOf(this); return readForm(asBytes(await readWhole(body)), headers.get('content-type')); },
  };
  for (const name of Object.keys(methods)) hide(Class.prototype, name, methods[name]);
  for (const [name, get] of [['body', function () { return bodyStream(partsOf(this).body); }], ['bodyUsed', function () { return bodyUsed(partsOf(this).body); }]]) {
    Object.defineProperty(Class.prototype, name, { get, configurable: true, enumerable: true });
  }
};
