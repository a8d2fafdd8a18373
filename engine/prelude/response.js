//! `Response` (WHATWG Fetch).
let responseParts, isResponse, makeResponse;
const NULL_BODY = new Set([101, 103, 204, 205, 304]);
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

class Response {
  #parts;
  constructor(body = null, init = {}) {
    if (body === PARTS_KEY) { this.#parts = init; return; }
    const settings = init ?? {};
    const status = settings.status === undefined ? 200 : Number(settings.status);
    if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError(`\`${settings.status}\` is not a status from 200 to 599`);
    const statusText = settings.statusText === undefined ? '' : String(settings.statusText);
    if (/[^\t\x20-\x7e\x80-\xff]/.test(statusText)) throw new TypeError('statusText has no line breaks');
    const headers = new Headers(settings.headers ?? undefined);
    const extracted = extractBody(body);
    if (hasBody(extracted.body) && NULL_BODY.has(status)) throw new TypeError(`a response with status ${status} has no body`);
    if (extracted.type && !headers.has('content-type')) headers.append('content-type', extracted.type);
    this.#parts = { type: 'default', status, statusText, headers, body: extracted.body, url: '', redirected: false };
  }
  static json(data, init = {}) {
    requireArguments('Response.json', arguments.length, 1);
    const text = writeJson(data);
    if (text === undefined) throw new TypeError('the value has no JSON form');
    const response = new Response(null, init), parts = response.#parts;
    if (NULL_BODY.has(parts.status)) throw new TypeError(`a response with status ${parts.status} has no body`);
    if (!parts.headers.has('content-type')) parts.headers.append('content-type', 'application/json');
    // JSON that was written is well-formed: lone surrogates stand in it as escapes.
    parts.body = newBody(text);
    return response;
  }
  static redirect(url, status = 302) {
    requireArguments('Response.redirect', arguments.length, 1);
    const base = currentUrl();
    const target = URL.parse(url, base);
    if (!target) throw new TypeError(`\`${url}\` is not a valid URL`);
    const code = Number(status);
    if (!REDIRECTS.has(code)) throw new RangeError(`\`${status}\` is not a status of a redirect`);
    const response = new Response(null, { status: code, headers: { location: target.href } });
    lockHeaders(response.#parts.headers);
    return response;
  }
  static error() {
    const response = new Response(null);
    Object.assign(response.#parts, { type: 'error', status: 0, headers: lockHeaders(new Headers()) });
    return response;
  }
  get type() { return this.#parts.type; }
  get url() { return this.#parts.url; }
  get redirected() { return this.#parts.redirected; }
  get status() { return this.#parts.status; }
  get ok() { return this.#parts.status >= 200 && this.#parts.status <= 299; }
  get statusText() { return this.#parts.statusText; }
  get headers() { return this.#parts.headers; }
  clone() {
    const { body, headers } = this.#parts;
    return new Response(PARTS_KEY, { ...this.#parts, body: cloneBody(body), headers: new Headers(headers) });
  }
  static {
    isResponse = (value) => typeof value === 'object' && value !== null && #parts in value;
    responseParts = (response) => response.#parts;
    makeResponse = (parts) => new Response(PARTS_KEY, { type: 'basic', statusText: '', redirected: false, ...parts });
  }
  [INSPECT]() { return { status: this.status, headers: this.headers }; }
}
readsBody(Response, (response) => responseParts(response));
expose('Response', Response);
