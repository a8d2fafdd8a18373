//! `URL` and `URLSearchParams` (WHATWG URL): parsing and setting are native, the parts are cut out of the address.
let listOf, linkParams;
class URLSearchParams {
  #list = []; #changed = null;
  constructor(init = '') {
    if (typeof init === 'object' && init !== null || typeof init === 'function') {
      if (init instanceof URLSearchParams) this.#list = init.#list.map((pair) => [...pair]);
      else if (typeof init[Symbol.iterator] === 'function') {
        for (const pair of init) {
          const [name, value, ...more] = [...pair];
          if (value === undefined || more.length) throw new TypeError('each entry of a query is a name and a value');
          this.#list.push([usv(name), usv(value)]);
        }
      } else for (const name of Reflect.ownKeys(init)) if (Object.prototype.propertyIsEnumerable.call(init, name)) this.#list.push([usv(name), usv(init[name])]);
    } else this.#parse(usv(init));
  }
  #parse(text) {
    const flat = native.parseForm(text.startsWith('?') ? text.slice(1) : text);
    this.#list = [];
    for (let at = 0; at < flat.length; at += 2) this.#list.push([flat[at], flat[at + 1]]);
  }
  get size() { return this.#list.length; }
  append(name, value) { requireArguments('append', arguments.length, 2); this.#list.push([usv(name), usv(value)]); this.#changed?.(this.toString()); }
  delete(name, value = undefined) {
    requireArguments('delete', arguments.length, 1);
    const key = usv(name), only = value === undefined ? undefined : usv(value);
    this.#list = this.#list.filter((pair) => pair[0] !== key || (only !== undefined && pair[1] !== only));
    this.#changed?.(this.toString());
  }
  get(name) { requireArguments('get', arguments.length, 1); const key = usv(name); return this.#list.find((pair) => pair[0] === key)?.[1] ?? null; }
  getAll(name) { requireArguments('getAll', arguments.length, 1); const key = usv(name); return this.#list.filter((pair) => pair[0] === key).map((pair) => pair[1]); }
  has(name, value = undefined) {
    requireArguments('has', arguments.length, 1);
    const key = usv(name), only = value === undefined ? undefined : usv(value);
    return this.#list.some((pair) => pair[0] === key && (only === undefined || pair[1] === only));
  }
  set(name, value) {
    requireArguments('set', arguments.length, 2);
    const key = usv(name), text = usv(value), known = this.#list.find((pair) => pair[0] === key);
    if (known) { known[1] = text; this.#list = this.#list.filter((pair) => pair === known || pair[0] !== key); } else this.#list.push([key, text]);
    this.#changed?.(this.toString());
  }
  sort() { this.#list.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)); this.#changed?.(this.toString()); }
  toString() { return native.writeForm(this.#list.flat()); }
  static {
    listOf = (params) => params.#list;
    linkParams = (params, changed) => { params.#changed = changed; return (text) => params.#parse(text); };
  }
  [INSPECT]() { return Object.fromEntries(this.#list); }
}

/** What all iterators inherit. */
const ITERATOR = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

/** The iteration that the standards give to lists of pairs; live, as they demand. `pairsOf` is asked at each step. */
const iteratePairs = (Class, pairsOf) => {
  const places = new WeakMap();
  const Iterator = Object.create(ITERATOR, { [Symbol.toStringTag]: { value: `${Class.name} Iterator`, configurable: true } });
  Object.defineProperty(Iterator, 'next', {
    value: function next() {
      const place = places.get(this);
      if (!place) throw new TypeError('this is not an iterator of the platform');
      const pair = pairsOf(place.list)[place.at];
      if (pair === undefined) return { value: undefined, done: true };
      place.at += 1;
      return { value: place.pick(pair), done: false };
    },
    writable: true, configurable: true, enumerable: true,
  });
  const iterate = (list, pick) => {
    pairsOf(list);
    const iterator = Object.create(Iterator);
    places.set(iterator, { list, pick, at: 0 });
    return iterator;
  };
  hide(Class.prototype, 'entries', function entries() { return iterate(this, (pair) => [pair[0], pair[1]]); });
  hide(Class.prototype, 'keys', function keys() { return iterate(this, (pair) => pair[0]); });
  hide(Class.prototype, 'values', function values() { return iterate(this, (pair) => pair[1]); });
  hide(Class.prototype, Symbol.iterator, Class.prototype.entries);
  hide(Class.prototype, 'forEach', function forEach(callback, self = undefined) {
    if (typeof callback !== 'function') throw new TypeError('forEach needs a function');
    for (let at = 0; at < pairsOf(this).length; at += 1) { const [name, value] = pairsOf(this)[at]; callback.call(self, value, name, this); }
  });
};
iteratePairs(URLSearchParams, (params) => listOf(params));
expose('URLSearchParams', URLSearchParams);

/** Marks the platform's own way to construct a URL, from what the parser gave. */
const RECORD_KEY = Symbol('record');
const SPECIAL = new Set(['http:', 'https:', 'ws:', 'wss:', 'ftp:']);
const HREF = 0, SCHEME = 1, USERNAME = 2, HOST = 3, HOST_END = 4, PORT = 5, PATH = 6, QUERY = 7, FRAGMENT = 8;
const parseUrl = (address, base) => native.parseUrl(usv(address), base === undefined ? undefined : usv(base));

class URL {
  #u; #params = null; #reparse;
  constructor(address, base = undefined) {
    if (address === RECORD_KEY) { this.#u = base; return; }
    requireArguments('URL', arguments.length, 1);
    this.#u = parseUrl(address, base);
    if (!this.#u) throw new TypeError(`\`${address}\` is not a valid URL${base === undefined ? '' : ` with the base \`${base}\``}`);
  }
  #set(part, value) {
    const changed = native.setUrl(this.#u[HREF], part, usv(value));
    if (changed) this.#u = changed;
  }
  #end(...marks) { for (const mark of marks) if (this.#u[mark] >= 0) return this.#u[mark]; return this.#u[HREF].length; }
  #cut(from, to) { return this.#u[HREF].slice(from, to); }
  #hasAuthority() { return this.#u[HREF].startsWith('://', this.#u[SCHEME]); }
  #query() {
    const at = this.#u[QUERY], end = this.#end(FRAGMENT);
    return at < 0 || end - at <= 1 ? '' : this.#cut(at, end);
  }
  get href() { return this.#u[HREF]; }
  set href(value) {
    const parsed = parseUrl(value);
    if (!parsed) throw new TypeError(`\`${value}\` is not a valid URL`);
    this.#u = parsed;
    this.#reparse?.(this.#query());
  }
  get origin() { return SPECIAL.has(this.protocol) ? `${this.protocol}//${this.host}` : native.originOf(this.#u[HREF]); }
  get protocol() { return this.#cut(0, this.#u[SCHEME] + 1); }
  set protocol(value) { this.#set('protocol', value); }
  get username() { const from = this.#u[SCHEME] + 3; return this.#hasAuthority() && this.#u[USERNAME] > from ? this.#cut(from, this.#u[USERNAME]) : ''; }
  set username(value) { this.#set('username', value); }
  get password() { return this.#hasAuthority() && this.#u[HREF][this.#u[USERNAME]] === ':' && this.#u[HOST] > this.#u[USERNAME] + 1 ? this.#cut(this.#u[USERNAME] + 1, this.#u[HOST] - 1) : ''; }
  set password(value) { this.#set('password', value); }
  get host() { return this.#u[PORT] < 0 ? this.hostname : `${this.hostname}:${this.#u[PORT]}`; }
  set host(value) { this.#set('host', value); }
  get hostname() { return this.#cut(this.#u[HOST], this.#u[HOST_END]); }
  set hostname(value) { this.#set('hostname', value); }
  get port() { return this.#u[PORT] < 0 ? '' : String(this.#u[PORT]); }
  set port(value) { this.#set('port', value); }
  get pathname() { return this.#cut(this.#u[PATH], this.#end(QUERY, FRAGMENT)); }
  set pathname(value) { this.#set('pathname', value); }
  get search() { return this.#query(); }
  set search(value) { this.#set('search', value); this.#reparse?.(this.#query()); }
  get searchParams() {
    if (!this.#params) {
      this.#params = new URLSearchParams(this.#query());
      this.#reparse = linkParams(this.#params, (text) => this.#set('search', text));
    }
    return this.#params;
  }
  get hash() { const at = this.#u[FRAGMENT]; return at < 0 || this.#u[HREF].length - at <= 1 ? '' : this.#cut(at); }
  set hash(value) { this.#set('hash', value); }
  toString() { return this.#u[HREF]; }
  toJSON() { return this.#u[HREF]; }
  static canParse(address, base = undefined) { requireArguments('canParse', arguments.length, 1); return parseUrl(address, base) != null; }
  static parse(address, base = undefined) { requireArguments('parse', arguments.length, 1); const record = parseUrl(address, base); return record ? new URL(RECORD_KEY, record) : null; }
  [INSPECT]() { return { href: this.href }; }
}
expose('URL', URL);
