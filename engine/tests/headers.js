//! `Headers`, from the wording of WHATWG Fetch.
import { app, equal, ok, same, throws } from './support/harness.js';

export const tests = {
  'names are compared without case'() { const h = new Headers({ 'Content-Type': 'a' }); equal(h.get('content-TYPE'), 'a'); ok(h.has('CONTENT-type')); },
  'get gives null for what is not there'() { equal(new Headers().get('x'), null); },
  'append combines with a comma and a space'() { const h = new Headers([['a', '1']]); h.append('A', '2'); equal(h.get('a'), '1, 2'); },
  'set replaces all'() { const h = new Headers([['a', '1'], ['a', '2'], ['b', '3']]); h.set('a', '4'); equal(h.get('a'), '4'); equal([...h].length, 2); },
  'delete removes all'() { const h = new Headers([['a', '1'], ['a', '2']]); h.delete('A'); ok(!h.has('a')); },
  'iteration is sorted and lower case'() { same([...new Headers({ B: '2', a: '1', C: '3' })], [['a', '1'], ['b', '2'], ['c', '3']]); },
  'keys, values and entries'() { const h = new Headers({ b: '2', a: '1' }); same([...h.keys()], ['a', 'b']); same([...h.values()], ['1', '2']); same([...h.entries()], [...h]); },
  'forEach gives value, name, object'() { const seen = []; const h = new Headers({ a: '1' }); h.forEach((v, k, o) => seen.push([v, k, o === h])); same(seen, [['1', 'a', true]]); },
  'set-cookie is not combined'() {
    const h = new Headers(); h.append('Set-Cookie', 'a=1'); h.append('set-cookie', 'b=2');
    same(h.getSetCookie(), ['a=1', 'b=2']); same([...h], [['set-cookie', 'a=1'], ['set-cookie', 'b=2']]); equal(h.get('set-cookie'), 'a=1, b=2');
  },
  'values are trimmed of HTTP whitespace'() { equal(new Headers({ a: ' \t x y \r\n' }).get('a'), 'x y'); },
  'a name that is no token is refused'() { for (const name of ['', 'a b', 'a:', 'é', 'a\n']) throws(TypeError, () => new Headers().append(name, '1')); },
  'line breaks inside a value are refused'() { for (const value of ['a\r\nb: c', 'a\nb', 'a\rb', 'a\0b']) throws(TypeError, () => new Headers().set('a', value)); },
  'a value above U+00FF is refused'() { throws(TypeError, () => new Headers({ a: '\u0100' })); equal(new Headers({ a: '\xe9' }).get('a'), '\xe9'); },
  'made of a record, pairs or headers'() { const h = new Headers([['a', '1']]); equal(new Headers(h).get('a'), '1'); throws(TypeError, () => new Headers([['a']])); throws(TypeError, () => new Headers('a')); throws(TypeError, () => new Headers(null)); },
  'a copy is independent'() { const a = new Headers({ x: '1' }), b = new Headers(a); b.set('x', '2'); equal(a.get('x'), '1'); },
  'its name is Headers'() { equal(Object.prototype.toString.call(new Headers()), '[object Headers]'); },
  'iteration is live'() { const h = new Headers([['a', '1'], ['c', '3']]), seen = []; for (const [name] of h) { seen.push(name); if (name === 'a') h.append('b', '2'); if (name === 'b') h.delete('c'); } same(seen, ['a', 'b']); },
  'an iterator is what the standards say'() { const i = new Headers({ a: '1' }).entries(); equal(Object.prototype.toString.call(i), '[object Headers Iterator]'); equal(i[Symbol.iterator](), i); same(i.next(), { value: ['a', '1'], done: false }); same(i.next(), { done: true }); same(i.next(), { done: true }); equal(i.return, undefined); throws(TypeError, () => Headers.prototype.entries.call({})); throws(TypeError, () => i.next.call({})); same([...new Headers({ b: '', a: '' }).keys().map((name) => name)], ['a', 'b']); },
  'members are enumerable, the interface is not'() { const members = Object.keys(Headers.prototype); for (const name of ['append', 'get', 'getSetCookie', 'forEach', 'entries']) ok(members.includes(name), name); ok(Object.keys(Response.prototype).includes('status')); ok(!Object.keys(globalThis).includes('Headers')); ok(!members.includes('constructor')); },
  'a sorted list is sorted anew after a change'() { const h = new Headers({ b: '2' }); same([...h.keys()], ['b']); h.append('a', '1'); same([...h.keys()], ['a', 'b']); h.set('b', '3'); same([...h.values()], ['1', '3']); h.delete('a'); same([...h.keys()], ['b']); },
  'arguments are required'() { throws(TypeError, () => new Headers().append('a')); throws(TypeError, () => new Headers().get()); },
};
export default app(tests);
