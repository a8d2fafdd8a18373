//! `Request` (WHATWG Fetch), without the settings that only mean something in a browser.
let requestParts, incomingRequest;
/** Marks the platform's own way to construct a request or a response, from its parts. */
const PARTS_KEY = Symbol('parts');
const METHODS = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']);
const methodName = (value) => {
  const text = String(value), upper = text.toUpperCase();
  if (!TOKEN.test(text)) throw new TypeError(`\`${text}\` is not a valid method`);
  if (upper === 'CONNECT' || upper === 'TRACE' || upper === 'TRACK') throw new TypeError(`the method \`${text}\` is not allowed`);
  return METHODS.has(upper) ? upper : text;
};
const oneOf = (what, value, allowed) => {
  if (!allowed.includes(`${value}`)) throw new TypeError(`\`${value}\` is not a value of ${what}`);
  return `${value}`;
};

class Request {
  #parts;
  constructor(input, init = {}) {
    if (input === PARTS_KEY) { this.#parts = init; return; }
    requireArguments('Request', arguments.length, 1);
    const from = typeof input === 'object' && input !== null && #parts in input ? input.#parts : null;
    const settings = init ?? {};
    const parts = { url: '', method: 'GET', headers: null, body: noBody(), signal: null, redirect: 'follow', other: {} };
    if (from) Object.assign(parts, { url: from.url, method: from.method, redirect: from.redirect, other: { ...from.other } });
    else {
      const url = URL.parse(input);
      if (!url) throw new TypeError(`\`${input}\` is not a valid URL: a request needs a whole address, such as https://example.com/path`);
      if (url.username || url.password) throw new TypeError('a request has no user name and password in its URL; use the authorization header');
      parts.url = url.href;
    }
    if (settings.method !== undefined) parts.method = methodName(settings.method);
    if (settings.redirect !== undefined) parts.redirect = oneOf('redirect', settings.redirect, ['follow', 'manual', 'error']);
    for (const name of ['cache', 'credentials', 'integrity', 'keepalive', 'mode', 'referrer', 'referrerPolicy', 'duplex']) if (settings[name] !== undefined) parts.other[name] = settings[name];
    const signal = settings.signal === undefined ? from?.signal : settings.signal;
    if (signal !== undefined && signal !== null) {
      if (!(signal instanceof AbortSignal)) throw new TypeError('signal is an AbortSignal');
      parts.signal = AbortSignal.any([signal]);
    }
    parts.headers = new Headers(settings.headers ?? from?.headers);
    const given = settings.body !== undefined && settings.body !== null;
    if ((given || (from && hasBody(from.body) && settings.body !== null)) && (parts.method === 'GET' || parts.method === 'HEAD')) throw new TypeError(`a ${parts.method} request has no body`);
    if (given) {
      const { body, type } = extractBody(settings.body);
      parts.body = body;
      if (type && !parts.headers.has('content-type')) parts.headers.append('content-type', type);
    } else if (from && settings.body !== null && hasBody(from.body)) {
      if (bodyUsed(from.body) || from.body.stream?.locked) throw new TypeError('the request\'s body was read before');
      parts.body = newBody(from.body.source, from.body.handle, from.body.stream);
      from.body = Object.assign(newBody(''), { used: true });
    }
    this.#parts = parts;
  }
  get method() { return this.#parts.method; }
  get url() { return this.#parts.url; }
  get headers() { return this.#parts.headers; }
  get redirect() { return this.#parts.redirect; }
  get signal() { return (this.#parts.signal ??= makeSignal()); }
  get cache() { return this.#parts.other.cache ?? 'default'; }
  get credentials() { return this.#parts.other.credentials ?? 'same-origin'; }
  get destination() { return ''; }
  get duplex() { return 'half'; }
  get integrity() { return this.#parts.other.integrity ?? ''; }
  get isHistoryNavigation() { return false; }
  get isReloadNavigation() { return false; }
  get keepalive() { return !!this.#parts.other.keepalive; }
  get mode() { return this.#parts.other.mode ?? 'cors'; }
  get referrer() { return this.#parts.other.referrer ?? 'about:client'; }
  get referrerPolicy() { return this.#parts.other.referrerPolicy ?? ''; }
  clone() {
    const { body, headers, signal } = this.#parts;
    return new Request(PARTS_KEY, { ...this.#parts, body: cloneBody(body), headers: new Headers(headers), signal: signal && AbortSignal.any([signal]) });
  }
  static {
    requestParts = (request) => request.#parts;
    incomingRequest = (method, url, headers, body) =>
      new Request(PARTS_KEY, { url, method, headers, body, signal: null, redirect: 'follow', other: {} });
  }
  [INSPECT]() { return { method: this.method, url: this.url, headers: this.headers }; }
}
readsBody(Request, (request) => requestParts(request));
expose('Request', Request);
