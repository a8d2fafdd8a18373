//! `FormData`, `Blob` and `File`, from the wording of XHR, File API and RFC 7578.
import { app, bytes, equal, ok, read, rejects, same, throws } from './support/harness.js';

const body = (text, type) => new Response(text, { headers: { 'content-type': type } });
const MULTIPART = 'preamble\r\n--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n2\r\n--X\r\ncontent-disposition: form-data; name="f \\"; filename="p%22q.txt"\r\nContent-Type: text/plain\r\n\r\n\r\n--X\r\nContent-Disposition: form-data; name=b\r\n\r\né\r\n--X--\r\nepilogue';
export const tests = {
  async 'urlencoded'() { const f = await body('a=1&b=%C3%A9+x&a=2', 'application/x-www-form-urlencoded; charset=utf-8').formData(); same(f.getAll('a'), ['1', '2']); equal(f.get('b'), 'é x'); },
  async 'multipart'() { const f = await body(MULTIPART, 'multipart/form-data; boundary=X').formData(); equal(f.get('a'), '1\r\n2'); equal(f.get('b'), 'é'); const file = f.get('f \\'); ok(file instanceof File); equal(file.name, 'p"q.txt'); equal(file.type, 'text/plain'); equal(file.size, 0); },
  async 'a quoted boundary'() { const f = await body('--a b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n--a b--', 'multipart/form-data; boundary="a b"').formData(); equal(f.get('x'), 'y'); },
  async 'malformed forms are refused'() { for (const text of ['', '--X', '--X\r\n\r\nx\r\n--X--', '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\nx', '--X\r\nContent-Disposition: form-data\r\n\r\nx\r\n--X--']) await rejects(TypeError, body(text, 'multipart/form-data; boundary=X').formData()); await rejects(TypeError, body('a=1', 'text/plain').formData()); await rejects(TypeError, body('x', 'multipart/form-data').formData()); },
  async 'an empty form'() { equal([...await body('--X--', 'multipart/form-data; boundary=X').formData()].length, 0); equal([...await body('', 'application/x-www-form-urlencoded').formData()].length, 0); },
  async 'there and back'() {
    const f = new FormData(); f.append('t"\n', 'a\nb'); f.append('f', new Blob([bytes(0, 13, 10, 255)], { type: 'a/b' }), 'n.bin'); f.append('u', new File(['é'], 'ü.txt'));
    const r = new Response(f); ok(r.headers.get('content-type').startsWith('multipart/form-data; boundary=')); const g = await r.formData();
    equal(g.get('t"\r\n'), 'a\r\nb'); same([...await g.get('f').bytes()], [0, 13, 10, 255]); equal(g.get('f').type, 'a/b'); equal(g.get('u').name, 'ü.txt'); equal(g.get('u').type, 'application/octet-stream');
  },
  'append, set, get, has, delete'() { const f = new FormData(); f.append('a', 1); f.append('a', '2'); f.append('b', '3'); f.set('a', 'x'); same([...f], [['a', 'x'], ['b', '3']]); ok(f.has('b')); f.delete('b'); equal(f.get('b'), null); same(f.getAll('b'), []); same([...f.keys()], ['a']); },
  'a blob becomes a file'() { const f = new FormData(); f.append('a', new Blob(['x'])); ok(f.get('a') instanceof File); equal(f.get('a').name, 'blob'); f.set('a', new File([], 'old'), 'new'); equal(f.get('a').name, 'new'); throws(TypeError, () => f.append('a', 'x', 'name')); },
  async 'Blob'() { const b = new Blob(['aé', bytes(98), new Blob(['c'])], { type: 'Text/Plain' }); equal(b.size, 5); equal(b.type, 'text/plain'); equal(await b.text(), 'aébc'); equal((await b.arrayBuffer()).byteLength, 5); same([...await b.slice(-2).bytes()], [98, 99]); equal(await b.slice(3, 4, 'x/y').text(), 'b'); equal(b.slice(0, 1, 'x/y').type, 'x/y'); equal((await read(b.stream())).length, 1); },
  'odd blobs'() { equal(new Blob().size, 0); equal(new Blob([], { type: 'é' }).type, ''); throws(TypeError, () => new Blob('x')); throws(TypeError, () => new File(['x'])); equal(new File([], 'n', { lastModified: 5 }).lastModified, 5); },
};
export default app(tests);
