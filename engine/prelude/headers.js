//! `Headers` (WHATWG Fetch). Refuses names and values that could not stand on one line; lists are sorted, `set-cookie` stays apart.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const EDGES = /^[\t\n\r ]+|[\t\n\r ]+$/g;

const headerName = (name) => {
  const text = String(name);
  if (!TOKEN.test(text)) throw new TypeError(`\`${text}\` is not a valid header name`);
  return text.toLowerCase();
};
const headerValue = (value) => {
  const text = String(value).replace(EDGES, '');
  if (/[\0\r\n]/.test(text)) throw new TypeError('a header value has no line breaks and no NUL');
  if (/[^\0-\xff]/.test(text)) throw new TypeError('a header value has no characters above U+00FF');
  return text;
};

let rawHeaders, lazyHeaders, lockHeaders, sortedHeaders;
class Headers {
  #list = []; #lazy = null; #locked = false; #sorted = null;
  constructor(init = undefined) { if (init !== undefined) this.#fill(init); }
  #fill(init) {
    if (typeof init !== 'object' && typeof init !== 'function' || init === null) throw new TypeError('headers are made of an object or of pairs');
    if (#list in init) { for (const [name, value] of init.#raw()) this.#list.push([name, value]); return; }
    const iterate = init[Symbol.iterator];
    if (iterate !== undefined && iterate !== null) {
      for (const pair of init) {
        const both = [...pair];
        if (both.length !== 2) throw new TypeError('each header is a name and a value');
        this.append(both[0], both[1]);
      }
      return;
    }
    for (const name of Reflect.ownKeys(init)) {
      if (Object.getOwnPropertyDescriptor(init, name)?.enumerable) this.append(name, init[name]);
    }
  }
  #raw() {
    if (this.#lazy) {
      const parts = this.#lazy().split('\n');
      this.#lazy = null;
      for (let at = 0; at + 1 < parts.length; at += 2) this.#list.push([parts[at].toLowerCase(), parts[at + 1]]);
    }
    return this.#list;
  }
  #change() { if (this.#locked) throw new TypeError('these headers cannot be changed'); this.#sorted = null; return this.#raw(); }
  append(name, value) {
    requireArguments('append', arguments.length, 2);
    const pair = [headerName(name), headerValue(value)];
    this.#change().push(pair);
  }
  set(name, value) {
    requireArguments('set', arguments.length, 2);
    const key = headerName(name), text = headerValue(value), list = this.#change();
    const known = list.findIndex((pair) => pair[0] === key);
    if (known < 0) { list.push([key, text]); return; }
    list[known] = [key, text];
    this.#list = list.filter((pair, index) => index <= known || pair[0] !== key);
  }
  delete(name) {
    requireArguments('delete', arguments.length, 1);
    const key = headerName(name);
    this.#list = this.#change().filter((pair) => pair[0] !== key);
  }
  get(name) {
    requireArguments('get', arguments.length, 1);
    const key = headerName(name);
    let text = null;
    for (const pair of this.#raw()) if (pair[0] === key) text = text === null ? pair[1] : `${text}, ${pair[1]}`;
    return text;
  }
  has(name) { requireArguments('has', arguments.length, 1); const key = headerName(name); return this.#raw().some((pair) => pair[0] === key); }
  getSetCookie() { return this.#raw().filter((pair) => pair[0] === 'set-cookie').map((pair) => pair[1]); }
  static {
    rawHeaders = (headers) => headers.#raw();
    lazyHeaders = (text) => { const headers = new Headers(); headers.#lazy = text; return headers; };
    lockHeaders = (headers) => { headers.#locked = true; return headers; };
    // Iteration asks at each step: the list is sorted once until it changes.
    sortedHeaders = (headers) => (headers.#sorted ??= sortPairs(headers.#raw()));
  }
  [INSPECT]() { return Object.fromEntries(sortedHeaders(this)); }
}
const sortPairs = (pairs) => {
  const combined = new Map(), cookies = [];
  for (const [name, value] of pairs) {
    if (name === 'set-cookie') cookies.push([name, value]);
    else combined.set(name, combined.has(name) ? `${combined.get(name)}, ${value}` : value);
  }
  return [...combined, ...cookies].sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
};
iteratePairs(Headers, sortedHeaders);
expose('Headers', Headers);

/** A list of pairs as the engine takes it: name, value, name, value … */
const flatHeaders = (headers) => { const flat = []; for (const [name, value] of rawHeaders(headers)) flat.push(name, value); return flat; };
