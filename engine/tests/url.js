//! `URL` and `URLSearchParams`, from the wording of WHATWG URL.
import { app, equal, ok, same, throws } from './support/harness.js';

export const tests = {
  'all parts'() {
    const u = new URL('https://us%20er:pa%3Ass@EXAMPLE.com:8080/a/./b/../c%20d?x=1&y=2#frag');
    same([u.href, u.origin, u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash],
      ['https://us%20er:pa%3Ass@example.com:8080/a/c%20d?x=1&y=2#frag', 'https://example.com:8080', 'https:', 'us%20er', 'pa%3Ass', 'example.com:8080', 'example.com', '8080', '/a/c%20d', '?x=1&y=2', '#frag']);
  },
  'a default port is left out'() { equal(new URL('https://a.test:443/').host, 'a.test'); equal(new URL('http://a.test:80').port, ''); equal(new URL('http://a.test:80').href, 'http://a.test/'); },
  'relative to a base'() { equal(new URL('../x?y', 'https://a.test/b/c/d').href, 'https://a.test/b/x?y'); equal(new URL('//b.test', 'https://a.test').href, 'https://b.test/'); equal(new URL('#h', 'https://a.test/p?q').href, 'https://a.test/p?q#h'); },
  'what is none is refused'() { for (const bad of ['', '/x', 'http://', 'http://a b/', 'https://a.test:99999', 'http://[::1']) throws(TypeError, () => new URL(bad)); },
  'canParse and parse'() { ok(URL.canParse('a:b')); ok(!URL.canParse('x')); ok(URL.canParse('x', 'http://a')); equal(URL.parse('x'), null); equal(URL.parse('http://a').href, 'http://a/'); },
  'hosts are normalised'() { equal(new URL('http://0x7f.1/').hostname, '127.0.0.1'); equal(new URL('http://[0:0::1]/').host, '[::1]'); equal(new URL('http://ＧＯ.com/').host, 'go.com'); },
  'names beyond ASCII become punycode'() { equal(new URL('https://münchen.test/').hostname, 'xn--mnchen-3ya.test'); },
  'opaque paths'() { const u = new URL('mailto:a@b.test'); equal(u.pathname, 'a@b.test'); equal(u.origin, 'null'); equal(u.host, ''); equal(u.username, ''); },
  'backslashes and tabs'() { equal(new URL('http:\\\\a.test\\b').href, 'http://a.test/b'); equal(new URL('ht\ntp://a.test/\tb').href, 'http://a.test/b'); },
  'setters'() {
    const u = new URL('https://a.test/p?q#h');
    u.pathname = '/x y'; u.search = 'a=b c'; u.hash = 'z'; u.port = '81'; u.hostname = 'b.test'; u.protocol = 'http'; u.username = 'm@'; u.password = 'n';
    equal(u.href, 'http://m%40:n@b.test:81/x%20y?a=b%20c#z');
    u.search = ''; u.hash = ''; u.port = ''; u.username = ''; u.password = '';
    equal(u.href, 'http://b.test/x%20y');
    u.host = 'c.test:82'; equal(u.host, 'c.test:82');
  },
  'setters ignore what does not fit'() { const u = new URL('https://a.test/'); u.protocol = 'mailto'; u.port = 'x'; u.host = ''; equal(u.href, 'https://a.test/'); throws(TypeError, () => { u.href = 'x'; }); },
  'an empty query and fragment'() { const u = new URL('https://a.test/?#'); equal(u.search, ''); equal(u.hash, ''); equal(u.href, 'https://a.test/?#'); },
  'searchParams is live, both ways'() {
    const u = new URL('https://a.test/?a=1'), p = u.searchParams;
    p.append('b', 'x y'); equal(u.search, '?a=1&b=x+y');
    u.search = '?c=3'; equal(p.get('c'), '3'); equal(p.get('a'), null); equal(u.searchParams, p);
    u.href = 'https://a.test/?d=4'; equal(p.get('d'), '4');
    p.delete('d'); equal(u.href, 'https://a.test/');
  },
  'toString and toJSON'() { const u = new URL('http://a'); equal(`${u}`, 'http://a/'); equal(JSON.stringify({ u }), '{"u":"http://a/"}'); },
  'params of a string, pairs, a record, params'() {
    equal(new URLSearchParams('?a=1&b=%20+&c').toString(), 'a=1&b=++&c='); equal(new URLSearchParams([['a', '1'], ['a', '2']]).getAll('a').join(), '1,2');
    equal(new URLSearchParams({ a: 'é' }).toString(), 'a=%C3%A9'); const p = new URLSearchParams('a=1'), q = new URLSearchParams(p); q.set('a', '2'); equal(p.get('a'), '1'); throws(TypeError, () => new URLSearchParams([['a']]));
  },
  'set keeps the first place'() { const p = new URLSearchParams('a=1&b=2&a=3'); p.set('a', '4'); equal(p.toString(), 'a=4&b=2'); },
  'has and delete with a value'() { const p = new URLSearchParams('a=1&a=2'); ok(p.has('a', '2')); ok(!p.has('a', '3')); p.delete('a', '1'); equal(p.toString(), 'a=2'); equal(p.size, 1); },
  'sort is stable'() { const p = new URLSearchParams('z=b&a=b&z=a&a=a'); p.sort(); equal(p.toString(), 'a=b&a=a&z=b&z=a'); },
  'iteration'() { const p = new URLSearchParams('a=1&b=2'); same([...p], [['a', '1'], ['b', '2']]); same([...p.keys()], ['a', 'b']); const seen = []; p.forEach((v, k) => seen.push(k + v)); same(seen, ['a1', 'b2']); },
  'what is encoded'() { equal(new URLSearchParams([['a', '&=+ %*-._~']]).toString(), 'a=%26%3D%2B+%25*-._%7E'); equal(new URLSearchParams('a=%ff').get('a'), '\ufffd'); },
  'lone surrogates are replaced'() { equal(new URLSearchParams([['a', '\ud800']]).toString(), 'a=%EF%BF%BD'); },
};
export default app(tests);
