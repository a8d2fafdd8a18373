//! `Event` and `EventTarget` (DOM), without trees: no capture, no bubbling. An error in a listener is logged, and the others still run.
let dispatch;
class Event {
  #type; #init; #target = null; #stopped = false; #prevented = false; #dispatching = false; #time = native.loading() ? 0 : native.monotonic();
  constructor(type, init = {}) {
    requireArguments('Event', arguments.length, 1);
    this.#type = String(type);
    this.#init = { bubbles: !!init?.bubbles, cancelable: !!init?.cancelable, composed: !!init?.composed };
  }
  get type() { return this.#type; }
  get target() { return this.#target; }
  get currentTarget() { return this.#dispatching ? this.#target : null; }
  get srcElement() { return this.#target; }
  get bubbles() { return this.#init.bubbles; }
  get cancelable() { return this.#init.cancelable; }
  get composed() { return this.#init.composed; }
  get defaultPrevented() { return this.#prevented; }
  get returnValue() { return !this.#prevented; }
  get eventPhase() { return this.#dispatching ? 2 : 0; }
  get timeStamp() { return this.#time; }
  get isTrusted() { return false; }
  composedPath() { return this.#dispatching ? [this.#target] : []; }
  preventDefault() { if (this.#init.cancelable) this.#prevented = true; }
  stopPropagation() {}
  stopImmediatePropagation() { this.#stopped = true; }
  static {
    dispatch = (event, target, listeners) => {
      if (event.#dispatching) throw new DOMException('the event is being dispatched', 'InvalidStateError');
      event.#target = target;
      event.#dispatching = true;
      event.#stopped = false;
      for (const listener of [...listeners]) {
        if (event.#stopped) break;
        if (listener.removed || listener.type !== event.#type) continue;
        if (listener.once) listener.remove();
        try {
          if (typeof listener.callback === 'function') listener.callback.call(target, event);
          else listener.callback.handleEvent(event);
        } catch (error) { report(error); }
      }
      event.#dispatching = false;
      return !event.#prevented;
    };
  }
}
for (const [name, value] of [['NONE', 0], ['CAPTURING_PHASE', 1], ['AT_TARGET', 2], ['BUBBLING_PHASE', 3]]) {
  for (const object of [Event, Event.prototype]) Object.defineProperty(object, name, { value, enumerable: true });
}
expose('Event', Event);

class CustomEvent extends Event {
  #detail;
  constructor(type, init = {}) { super(type, init); this.#detail = init?.detail ?? null; }
  get detail() { return this.#detail; }
}
expose('CustomEvent', CustomEvent);

class EventTarget {
  #listeners = [];
  addEventListener(type, callback, options) {
    if (callback === null || callback === undefined) return;
    if (typeof callback !== 'function' && typeof callback !== 'object') throw new TypeError('a listener is a function or an object');
    const settings = typeof options === 'object' && options !== null ? options : { capture: !!options };
    const name = String(type), capture = !!settings.capture;
    if (settings.signal?.aborted) return;
    if (this.#listeners.some((known) => known.type === name && known.callback === callback && known.capture === capture)) return;
    const listener = { type: name, callback, capture, once: !!settings.once, removed: false, remove: () => this.#remove(listener) };
    this.#listeners.push(listener);
    settings.signal?.addEventListener('abort', listener.remove);
  }
  removeEventListener(type, callback, options) {
    const capture = typeof options === 'object' && options !== null ? !!options.capture : !!options;
    const listener = this.#listeners.find((known) => known.type === String(type) && known.callback === callback && known.capture === capture);
    if (listener) this.#remove(listener);
  }
  dispatchEvent(event) {
    if (!(event instanceof Event)) throw new TypeError('dispatchEvent needs an Event');
    return dispatch(event, this, this.#listeners);
  }
  #remove(listener) {
    listener.removed = true;
    const at = this.#listeners.indexOf(listener);
    if (at >= 0) this.#listeners.splice(at, 1);
  }
}
expose('EventTarget', EventTarget);

/** An `onname` attribute on a target's class. */
const eventAttribute = (Class, type) => {
  const handlers = new WeakMap();
  Object.defineProperty(Class.prototype, `on${type}`, {
    get() { return handlers.get(this)?.callback ?? null; },
    set(callback) {
      const known = handlers.get(this);
      if (known) this.removeEventListener(type, known.listener);
      handlers.delete(this);
      if (typeof callback !== 'function') return;
      const listener = (event) => callback.call(this, event);
      handlers.set(this, { callback, listener });
      this.addEventListener(type, listener);
    },
    configurable: true, enumerable: true,
  });
};
