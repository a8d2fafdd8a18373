//! `Response` and bodies, from the wording of WHATWG Fetch.
import { app, bytes, equal, ok, read, rejects, same, throws } from './support/harness.js';

const stream = (...chunks) => new ReadableStream({ start(c) { for (const chunk of chunks) c.enqueue(chunk); c.close(); } });
const text = (value) => new TextEncoder().encode(value);
export const tests = {
  'defaults'() { const r = new Response(); equal(r.status, 200); equal(r.ok, true); equal(r.statusText, ''); equal(r.type, 'default'); equal(r.url, ''); equal(r.redirected, false); equal(r.body, null); },
  'status, statusText and headers'() { const r = new Response('x', { status: 404, statusText: 'No', headers: { a: 'b' } }); equal(r.status, 404); equal(r.ok, false); equal(r.statusText, 'No'); equal(r.headers.get('a'), 'b'); },
  'a status out of range is refused'() { for (const status of [0, 100, 199, 600, 'x', 200.5]) throws(RangeError, () => new Response('', { status })); },
  'a null body status has no body'() { for (const status of [204, 205, 304]) { throws(TypeError, () => new Response('', { status })); equal(new Response(null, { status }).status, status); } },
  'line breaks in statusText are refused'() { throws(TypeError, () => new Response('', { statusText: 'a\nb' })); },
  async 'json'() { const r = Response.json({ a: [1] }, { status: 201 }); equal(r.status, 201); equal(r.headers.get('content-type'), 'application/json'); same(await r.json(), { a: [1] }); },
  'json keeps a type that is given, and refuses what has no JSON form'() { equal(Response.json(1, { headers: { 'content-type': 'a/b' } }).headers.get('content-type'), 'a/b'); throws(TypeError, () => Response.json(undefined)); throws(TypeError, () => Response.json(() => 1)); throws(TypeError, () => Response.json(1, { status: 204 })); },
  'redirect'() { const r = Response.redirect('https://a.test/x', 303); equal(r.status, 303); equal(r.headers.get('location'), 'https://a.test/x'); equal(Response.redirect('https://a.test/').status, 302); throws(RangeError, () => Response.redirect('https://a.test/', 200)); throws(TypeError, () => Response.redirect('http://[')); },
  'the headers of a redirect cannot be changed'() { throws(TypeError, () => Response.redirect('https://a.test/').headers.set('a', 'b')); },
  'error'() { const r = Response.error(); equal(r.type, 'error'); equal(r.status, 0); throws(TypeError, () => r.headers.set('a', 'b')); },
  async 'a body is read once'() { const r = new Response('x'); equal(await r.text(), 'x'); ok(r.bodyUsed); await rejects(TypeError, r.text()); await rejects(TypeError, r.arrayBuffer()); },
  async 'reading no body marks nothing'() { const r = new Response(); equal(await r.text(), ''); equal(r.bodyUsed, false); equal(await r.text(), ''); },
  async 'arrayBuffer and bytes'() { const b = await new Response('aé').arrayBuffer(); ok(b instanceof ArrayBuffer); equal(b.byteLength, 3); same([...await new Response('a').bytes()], [97]); },
  async 'blob has the type'() { const b = await new Response('x', { headers: { 'content-type': 'A/b' } }).blob(); ok(b instanceof Blob); equal(b.type, 'a/b'); equal(await b.text(), 'x'); },
  async 'text drops a byte order mark and replaces invalid bytes'() { equal(await new Response(bytes(0xef, 0xbb, 0xbf, 0x61)).text(), 'a'); equal(await new Response(bytes(0xff)).text(), '\ufffd'); },
  async 'json of what is none'() { await rejects(SyntaxError, new Response('{').json()); },
  async 'bodies of many kinds'() {
    equal(await new Response(new URLSearchParams('a=1 2')).text(), 'a=1+2');
    equal(new Response(new URLSearchParams()).headers.get('content-type'), 'application/x-www-form-urlencoded;charset=UTF-8');
    equal(new Response(new Blob(['x'], { type: 'a/b' })).headers.get('content-type'), 'a/b');
    equal(await new Response(new DataView(new Uint8Array([97, 98]).buffer, 1)).text(), 'b');
    equal(await new Response(12).text(), '12');
    equal(new Response(bytes(1)).headers.get('content-type'), null);
  },
  async 'bytes given are copied'() { const b = bytes(97), r = new Response(b); b[0] = 98; equal(await r.text(), 'a'); },
  async 'a stream as a body'() { const r = new Response(stream(text('a'), text('b'))); equal(r.headers.get('content-type'), null); equal(await r.text(), 'ab'); },
  async 'a stream of something else than bytes'() { await rejects(TypeError, new Response(stream('a')).text()); },
  async 'a stream that fails'() { const why = new Error('why'); try { await new Response(new ReadableStream({ pull() { throw why; } })).text(); } catch (e) { equal(e, why); return; } ok(false); },
  'a stream that is locked or read is refused'() { const s = stream(); s.getReader(); throws(TypeError, () => new Response(s)); },
  async 'body is a stream of bytes'() { const r = new Response('abc'); ok(r.body instanceof ReadableStream); equal(r.body, r.body); const [chunk] = await read(r.body); ok(chunk instanceof Uint8Array); equal(chunk.length, 3); ok(r.bodyUsed); },
  async 'clone reads twice'() { for (const r of [new Response('x'), new Response(stream(text('x')))]) { const c = r.clone(); equal(await r.text(), 'x'); equal(await c.text(), 'x'); } },
  async 'a body that was read cannot be cloned'() { const r = new Response('x'); await r.text(); throws(TypeError, () => r.clone()); },
};
export default app(tests);
