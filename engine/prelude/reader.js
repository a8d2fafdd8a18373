//! The readers of a `ReadableStream`, its async iterator, `from` and `tee` (WHATWG Streams). A released reader refuses to read.
const released = () => new TypeError('the reader was released');

const lockReadable = (reader, stream) => {
  if (!isReadable(stream)) throw new TypeError('a reader needs a ReadableStream');
  if (stream.locked) throw new TypeError('the stream is locked to a reader');
  const r = readableOf(stream);
  r.reader = reader;
  reader.r = r;
  reader.requests = [];
  reader.closed = r.state === 'closed' ? resolvedWith(undefined) : r.state === 'errored' ? rejectedQuietly(r.error) : deferred();
};

const releaseReader = (reader) => {
  if (!reader.r) return;
  const error = released();
  if (reader.closed.settled) reader.closed = rejectedQuietly(error);
  else { quiet(reader.closed.promise); reader.closed.reject(error); }
  reader.r.reader = null;
  reader.r = null;
  for (const request of reader.requests.splice(0)) request.error(error);
};

const readPromise = (reader) => new Promise((resolve, reject) => {
  if (!reader.r) { reject(released()); return; }
  readChunk(reader.r, {
    chunk: (value) => resolve({ value, done: false }),
    close: () => resolve({ value: undefined, done: true }),
    error: reject,
  });
});

class ReadableStreamDefaultReader {
  #state = {};
  constructor(stream) { lockReadable(this.#state, stream); }
  get closed() { return this.#state.closed.promise; }
  cancel(reason) { return this.#state.r ? cancelReadable(this.#state.r, reason) : Promise.reject(released()); }
  read() { return readPromise(this.#state); }
  releaseLock() { releaseReader(this.#state); }
}
expose('ReadableStreamDefaultReader', ReadableStreamDefaultReader);

class ReadableStreamBYOBReader {
  #state = {};
  constructor(stream) {
    if (isReadable(stream) && !readableOf(stream).bytes) throw new TypeError('only a byte stream has a BYOB reader');
    lockReadable(this.#state, stream);
  }
  get closed() { return this.#state.closed.promise; }
  cancel(reason) { return this.#state.r ? cancelReadable(this.#state.r, reason) : Promise.reject(released()); }
  async read(view) {
    if (!isView(view) || view.byteLength === 0) throw new TypeError('read needs a view that is not empty');
    const state = this.#state, r = state.r;
    const { byteOffset, byteLength } = view, width = view.BYTES_PER_ELEMENT ?? 1;
    const buffer = view.buffer.transfer();
    const filled = (length) => new view.constructor(buffer, byteOffset, length / width);
    const { value, done } = await readPromise(state);
    if (done) return { value: filled(0), done: true };
    const length = Math.min(value.byteLength - (value.byteLength % width), byteLength);
    new Uint8Array(buffer, byteOffset, length).set(value.subarray(0, length));
    if (length < value.byteLength) {
      r.queue.unshift({ value: value.subarray(length), size: value.byteLength - length });
      r.queueSize += value.byteLength - length;
      if (r.state === 'closed') r.state = 'readable';
    }
    return { value: filled(length), done: false };
  }
  releaseLock() { releaseReader(this.#state); }
}
expose('ReadableStreamBYOBReader', ReadableStreamBYOBReader);

const AsyncIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}.prototype));
const iterateReadable = (stream, keep) => {
  const reader = new ReadableStreamDefaultReader(stream);
  let finished = false, ongoing = Promise.resolve();
  const after = (step) => { ongoing = ongoing.then(step, step); return ongoing; };
  const iterator = Object.create(AsyncIteratorPrototype);
  hide(iterator, 'next', () => after(async () => {
    if (finished) return { value: undefined, done: true };
    try {
      const result = await reader.read();
      if (result.done) { finished = true; reader.releaseLock(); }
      return result;
    } catch (error) { finished = true; reader.releaseLock(); throw error; }
  }));
  hide(iterator, 'return', (value) => after(async () => {
    if (!finished) {
      finished = true;
      const cancelled = keep ? undefined : reader.cancel(value);
      reader.releaseLock();
      await cancelled;
    }
    return { value, done: true };
  }));
  return iterator;
};

const readableFrom = (iterable) => {
  const method = iterable?.[Symbol.asyncIterator] ?? iterable?.[Symbol.iterator];
  if (typeof method !== 'function') throw new TypeError('ReadableStream.from needs something iterable');
  const iterator = Reflect.apply(method, iterable, []);
  return new ReadableStream({
    async pull(controller) {
      const result = await iterator.next();
      if (typeof result !== 'object' || result === null) throw new TypeError('an iterator gives objects');
      if (result.done) controller.close(); else controller.enqueue(await result.value);
    },
    async cancel(reason) { await iterator.return?.(reason); },
  }, { highWaterMark: 0 });
};

const teeReadable = (stream) => {
  const reader = new ReadableStreamDefaultReader(stream), bytes = readableOf(stream).bytes;
  const cancelled = deferred(), reasons = [], stopped = [false, false], branches = [];
  let reading = false, again = false;
  const each = (act) => branches.forEach((branch, index) => { if (!stopped[index]) act(branch, index); });
  const pull = async () => {
    if (reading) { again = true; return; }
    reading = true;
    reader.read().then(({ value, done }) => {
      reading = false;
      if (done) {
        each(closeReadable);
        if (!stopped[0] || !stopped[1]) cancelled.resolve(undefined);
        return;
      }
      each((branch, index) => enqueueReadable(branch, bytes && index === 1 ? value.slice() : value));
      if (again) { again = false; pull(); }
    }, ignore);
  };
  const branch = (index) => makeReadable({
    pull, bytes, mark: bytes ? 0 : 1,
    cancel: (reason) => {
      stopped[index] = true;
      reasons[index] = reason;
      if (stopped[0] && stopped[1]) reader.cancel([...reasons]).then(cancelled.resolve, cancelled.reject);
      return cancelled.promise;
    },
  });
  const streams = [branch(0), branch(1)];
  branches.push(readableOf(streams[0]), readableOf(streams[1]));
  reader.closed.then(undefined, (error) => {
    branches.forEach((inner) => errorReadable(inner, error));
    if (!stopped[0] || !stopped[1]) cancelled.resolve(undefined);
  });
  branches.forEach(pullIfNeeded);
  return streams;
};
