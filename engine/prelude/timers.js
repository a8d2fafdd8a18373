//! Timers and `performance`, by the host's clock, in whole milliseconds. Refused while the app loads: nothing would ever fire.
const WAITING = 'no time passes then, and nothing would ever run it';
const timers = new Map();
let lastTimer = 0;

const startTimer = (callback, delay, repeat = false) => {
  refuseLoading('a timer', WAITING);
  const number = ++lastTimer;
  const time = Math.min(Math.max(Number(delay) || 0, 0), 2 ** 31 - 1);
  const arm = () => {
    const id = beginOperation(() => {
      if (repeat) arm(); else timers.delete(number);
      try { callback(); } catch (error) { report(error); }
    });
    timers.set(number, id);
    native.timer(id, repeat ? Math.max(time, 1) : time);
  };
  arm();
  return number;
};
const stopTimer = (number) => { const id = timers.get(number); if (id !== undefined) { timers.delete(number); endOperation(id); } };

const timerFunction = (what, repeat) => (callback, delay, values) => {
  if (typeof callback !== 'function') throw new TypeError(`${what} needs a function`);
  return startTimer(() => callback(...values), delay, repeat);
};
const timeout = timerFunction('setTimeout', false), interval = timerFunction('setInterval', true);
expose('setTimeout', function setTimeout(callback, delay = 0, ...values) { return timeout(callback, delay, values); });
expose('setInterval', function setInterval(callback, delay = 0, ...values) { return interval(callback, delay, values); });
expose('clearTimeout', function clearTimeout(number) { stopTimer(Number(number)); });
expose('clearInterval', function clearInterval(number) { stopTimer(Number(number)); });

let monotonicStart = 0, timeOrigin = 0;
/** A request begins: `performance` counts from here. */
const startClock = () => { monotonicStart = native.monotonic(); timeOrigin = clockNow(); };
class Performance extends EventTarget {
  get timeOrigin() { return timeOrigin; }
  now() { return native.loading() ? 0 : native.monotonic() - monotonicStart; }
  toJSON() { return { timeOrigin }; }
}
expose('Performance', Performance);
expose('performance', new Performance());
