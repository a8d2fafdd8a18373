//! `fetch`, from the wording of WHATWG Fetch. The host of this test answers every request with status 201 and
//! `{ host, path, method, headers, length, echo }`; the path `/drip` with five chunks in 50 ms and two cookies; `/slow`
//! after 300 ms; the host `refused.test` with a refusal of the broker (`egress.denied`).
import { app, equal, later, ok, read, rejects, same } from './support/harness.js';

const ECHO = 'http://echo.test';
const text = (value) => new TextEncoder().encode(value);
export const tests = {
  async 'an answer'() { const r = await fetch(`${ECHO}/a?b=c#d`); equal(r.status, 201); ok(r.ok); equal(r.type, 'basic'); equal(r.url, `${ECHO}/a?b=c`); equal(r.redirected, false); const seen = await r.json(); same([seen.host, seen.path, seen.method, seen.length], ['echo.test', '/a?b=c', 'GET', 0]); },
  async 'method, headers and body'() { const seen = await (await fetch(`${ECHO}/`, { method: 'PUT', headers: { 'X-A': 'é'.normalize() }, body: 'hé' })).json(); equal(seen.method, 'PUT'); equal(seen.echo, 'hé'); equal(seen.headers['content-type'], 'text/plain;charset=UTF-8'); equal(seen.headers['content-length'], '3'); ok('x-a' in seen.headers); },
  async 'a Request'() { const seen = await (await fetch(new Request(`${ECHO}/`, { method: 'POST', body: new URLSearchParams({ a: 'b c' }) }))).json(); equal(seen.echo, 'a=b+c'); },
  async 'a form'() { const f = new FormData(); f.set('a', 'b'); const seen = await (await fetch(`${ECHO}/`, { method: 'POST', body: f })).json(); ok(seen.headers['content-type'].startsWith('multipart/form-data; boundary=')); ok(seen.echo.includes('name="a"')); },
  async 'a streamed request body'() { let n = 0; const body = new ReadableStream({ async pull(c) { await later(1); n += 1; if (n > 5) c.close(); else c.enqueue(text(`${n};`)); } }); const seen = await (await fetch(`${ECHO}/`, { method: 'POST', body, duplex: 'half' })).json(); equal(seen.echo, '1;2;3;4;5;'); },
  async 'a large body'() { const seen = await (await fetch(`${ECHO}/`, { method: 'POST', body: 'x'.repeat(1_000_000) })).json(); equal(seen.length, 1_000_000); },
  async 'a large streamed body'() { let n = 0; const body = new ReadableStream({ pull(c) { n += 1; if (n > 10) c.close(); else c.enqueue(new Uint8Array(300_000)); } }); equal((await (await fetch(`${ECHO}/`, { method: 'POST', body })).json()).length, 3_000_000); },
  async 'an answer that comes in pieces'() { const r = await fetch(`${ECHO}/drip`); const chunks = await read(r.body.pipeThrough(new TextDecoderStream())); equal(chunks.join(''), 'part 0;part 1;part 2;part 3;part 4;'); ok(chunks.length > 1); same(r.headers.getSetCookie(), ['a=1', 'b=2']); },
  async 'an answer in a hurry'() { equal(await (await fetch(`${ECHO}/drip`)).text(), 'part 0;part 1;part 2;part 3;part 4;'); const r = await fetch(`${ECHO}/drip`); await r.body.cancel(); const c = (await fetch(`${ECHO}/drip`)).clone(); equal((await c.text()).length, 35); },
  async 'several at once'() { const all = await Promise.all([1, 2, 3].map(async (n) => (await (await fetch(`${ECHO}/${n}`)).json()).path)); same(all, ['/1', '/2', '/3']); },
  async 'the answer\'s headers cannot be changed'() { const r = await fetch(`${ECHO}/`); try { r.headers.set('a', 'b'); } catch (e) { ok(e instanceof TypeError); return; } ok(false, 'changed'); },
  async 'abort before, during and after the head'() {
    await rejects('AbortError', fetch(`${ECHO}/`, { signal: AbortSignal.abort() }));
    await rejects('TimeoutError', fetch(`${ECHO}/slow`, { signal: AbortSignal.timeout(10) }));
    const c = new AbortController(), p = fetch(`${ECHO}/slow`, { signal: c.signal }); setTimeout(() => c.abort('why'), 5); equal(await p.catch((e) => e), 'why');
    const d = new AbortController(), r = await fetch(`${ECHO}/drip`, { signal: d.signal }); d.abort(); await rejects('AbortError', r.text());
  },
  async 'abort while the body is read'() {
    for (const read of ['text', 'json', 'arrayBuffer', 'bytes', 'blob', 'formData']) {
      const c = new AbortController(), r = await fetch(`${ECHO}/drip`, { signal: c.signal }), p = r[read]();
      setTimeout(() => c.abort(read), 5); equal(await p.catch((e) => e), read);
    }
    const c = new AbortController(), r = await fetch(`${ECHO}/drip`, { signal: c.signal }), reader = r.body.getReader();
    await reader.read(); const p = (async () => { for (;;) if ((await reader.read()).done) return 'ended'; })(); c.abort('why'); equal(await p.catch((e) => e), 'why');
    const whole = new AbortController(); equal((await (await fetch(`${ECHO}/drip`, { signal: whole.signal })).text()).length, 35); whole.abort();
  },
  async 'a refusal of the broker'() { const e = await rejects(TypeError, fetch('https://refused.test/')); equal(e.code, 'egress.denied'); equal(e.message, '`refused.test` is not among the hosts this app may call. add it to `bailiwick.toml`'); },
  async 'a refusal stands where the app asked'() { const e = await (async function asking() { await later(1); return fetch('https://refused.test/').catch((x) => x); })(); ok(/asking \(fetch\.js:\d+:\d+\)/.test(e.stack), e.stack); ok(!Object.keys(e).includes('stack')); },
  async 'the redirect mode is told to the host'() { const seen = await (await fetch(`${ECHO}/`, { redirect: 'manual' })).json(); equal(seen.headers['bailiwick-redirect'], 'manual'); },
  async 'what is no address'() { await rejects(TypeError, fetch('/x')); await rejects(TypeError, fetch('ftp://a.test/')); await rejects(TypeError, fetch('https://u:p@a.test/')); await rejects(TypeError, fetch(`${ECHO}/`, { body: 'x' })); },
  async 'a body that was read is refused'() { const r = new Request(`${ECHO}/`, { method: 'POST', body: 'x' }); await r.text(); await rejects(TypeError, fetch(r)); },
};
export default app(tests);
