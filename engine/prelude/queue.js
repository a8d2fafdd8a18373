//! What all streams share: queues with sizes, strategies, promises settled from outside. Refuses sizes that are not numbers.
const deferred = () => {
  const made = { settled: false };
  made.promise = new Promise((resolve, reject) => {
    made.resolve = (value) => { made.settled = true; resolve(value); };
    made.reject = (error) => { made.settled = true; reject(error); };
  });
  return made;
};
const ignore = () => {};
/** A rejection that somebody else reports. */
const quiet = (promise) => { promise.then(undefined, ignore); return promise; };
const rejectedQuietly = (error) => { const made = deferred(); quiet(made.promise); made.reject(error); return made; };
const resolvedWith = (value) => { const made = deferred(); made.resolve(value); return made; };

const enqueueSized = (holder, value, size) => {
  const number = Number(size);
  if (!(number >= 0) || number === Infinity) throw new RangeError('the size of a chunk is a number, not negative and finite');
  holder.queue.push({ value, size: number });
  holder.queueSize += number;
};
const dequeueSized = (holder) => {
  const { value, size } = holder.queue.shift();
  holder.queueSize = Math.max(0, holder.queueSize - size);
  return value;
};
const resetQueue = (holder) => { holder.queue = []; holder.queueSize = 0; };

const highWaterMarkOf = (strategy, otherwise) => {
  if (strategy?.highWaterMark === undefined) return otherwise;
  const mark = Number(strategy.highWaterMark);
  if (!(mark >= 0)) throw new RangeError('highWaterMark is a number, not negative');
  return mark;
};
const sizeOf = (strategy) => {
  const size = strategy?.size;
  if (size === undefined) return () => 1;
  if (typeof size !== 'function') throw new TypeError('size is a function');
  return (chunk) => size(chunk);
};

/** A method of a source or sink, as a function that gives a promise. */
const callback = (object, name, otherwise) => {
  const method = object?.[name];
  if (method === undefined) return otherwise;
  if (typeof method !== 'function') throw new TypeError(`${name} is a function`);
  return (...values) => {
    try { return Promise.resolve(Reflect.apply(method, object, values)); } catch (error) { return Promise.reject(error); }
  };
};

class CountQueuingStrategy {
  #mark;
  constructor({ highWaterMark }) { this.#mark = Number(highWaterMark); }
  get highWaterMark() { return this.#mark; }
  get size() { return () => 1; }
}
expose('CountQueuingStrategy', CountQueuingStrategy);

class ByteLengthQueuingStrategy {
  #mark;
  constructor({ highWaterMark }) { this.#mark = Number(highWaterMark); }
  get highWaterMark() { return this.#mark; }
  get size() { return (chunk) => chunk.byteLength; }
}
expose('ByteLengthQueuingStrategy', ByteLengthQueuingStrategy);
