//! `Request`, from the wording of WHATWG Fetch, and the incoming request (POST with the JSON body {"hello":"world"}).
import { app, equal, ok, rejects, same, throws } from './support/harness.js';

const URL_A = 'https://a.test/p?q=1';
export const tests = {
  'the incoming request'(request) { ok(request instanceof Request); equal(request.method, 'POST'); equal(new URL(request.url).protocol, 'https:'); equal(new URL(request.url).search, '?x=1'); },
  'the platform\'s own header is not seen'(request) { for (const [name] of request.headers) ok(!name.startsWith('bailiwick-'), name); },
  'incoming headers are there'(request) { equal(request.headers.get('content-type'), 'application/json'); },
  async 'the incoming body can be cloned, then read once'(request) {
    const copy = request.clone();
    same(await copy.json(), { hello: 'world' });
    ok(!request.bodyUsed); same(await request.json(), { hello: 'world' }); ok(request.bodyUsed);
    await rejects(TypeError, request.text());
    throws(TypeError, () => request.clone());
  },
  'defaults'() { const r = new Request(URL_A); equal(r.method, 'GET'); equal(r.url, URL_A); equal(r.redirect, 'follow'); equal(r.body, null); equal(r.bodyUsed, false); ok(r.signal instanceof AbortSignal); },
  'the address is parsed'() { equal(new Request('HTTPS://A.test:443/a/../b').url, 'https://a.test/b'); equal(new Request(new URL(URL_A)).url, URL_A); },
  'an address that is none is refused'() { throws(TypeError, () => new Request('/relative')); throws(TypeError, () => new Request('https://u:p@a.test/')); },
  'known methods are put in capitals, others kept'() { equal(new Request(URL_A, { method: 'post' }).method, 'POST'); equal(new Request(URL_A, { method: 'patch' }).method, 'patch'); },
  'forbidden and malformed methods are refused'() { for (const method of ['CONNECT', 'trace', 'TRACK', 'a b', '']) throws(TypeError, () => new Request(URL_A, { method })); },
  'GET and HEAD have no body'() { throws(TypeError, () => new Request(URL_A, { body: 'x' })); throws(TypeError, () => new Request(URL_A, { method: 'HEAD', body: '' })); },
  async 'a string body sets its type'() { const r = new Request(URL_A, { method: 'POST', body: 'é' }); equal(r.headers.get('content-type'), 'text/plain;charset=UTF-8'); equal((await r.bytes()).length, 2); },
  async 'made of another request, which gives its body away'() {
    const a = new Request(URL_A, { method: 'POST', body: 'x', headers: { k: 'v' } }), b = new Request(a, { headers: { k: 'w' } });
    equal(b.method, 'POST'); equal(b.headers.get('k'), 'w'); equal(await b.text(), 'x'); ok(a.bodyUsed); await rejects(TypeError, a.text());
  },
  'a value of redirect that is none is refused'() { throws(TypeError, () => new Request(URL_A, { redirect: 'sometimes' })); equal(new Request(URL_A, { redirect: 'manual' }).redirect, 'manual'); },
  'the signal follows the one given'() { const c = new AbortController(), r = new Request(URL_A, { signal: c.signal }); c.abort('why'); ok(r.signal.aborted); equal(r.signal.reason, 'why'); },
  async 'a clone is independent'() { const a = new Request(URL_A, { method: 'POST', body: 'x' }), b = a.clone(); b.headers.set('k', 'v'); equal(a.headers.get('k'), null); equal(await a.text(), 'x'); equal(await b.text(), 'x'); },
};
export default app(tests);
