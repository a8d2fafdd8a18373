//! `crypto`, from the wording of Web Cryptography; vectors from FIPS 180 and RFC 4231.
import { app, bytes, equal, ok, rejects, same, throws } from './support/harness.js';

const text = (value) => new TextEncoder().encode(value);
const hex = (buffer) => Array.from(new Uint8Array(buffer), (b) => b.toString(16).padStart(2, '0')).join('');
const hmac = (hash, key, usages = ['sign', 'verify'], extractable = true) => crypto.subtle.importKey('raw', key, { name: 'HMAC', hash }, extractable, usages);
export const tests = {
  'getRandomValues fills and returns its array'() { const a = new Uint8Array(64); equal(crypto.getRandomValues(a), a); ok(a.some((b) => b !== 0)); const b = new Uint32Array(4); crypto.getRandomValues(b); ok(b.some((x) => x > 255)); },
  'getRandomValues refuses'() { throws('TypeMismatchError', () => crypto.getRandomValues(new Float32Array(1))); throws('TypeMismatchError', () => crypto.getRandomValues(new DataView(new ArrayBuffer(1)))); throws('QuotaExceededError', () => crypto.getRandomValues(new Uint8Array(65537))); },
  'randomUUID'() { const a = crypto.randomUUID(); ok(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(a), a); ok(a !== crypto.randomUUID()); },
  'Math.random'() { const all = Array.from({ length: 100 }, Math.random); ok(all.every((x) => x >= 0 && x < 1)); equal(new Set(all).size, 100); },
  async 'digests'() {
    const of = async (name) => hex(await crypto.subtle.digest(name, text('abc')));
    equal(await of('SHA-1'), 'a9993e364706816aba3e25717850c26c9cd0d89d');
    equal(await of('sha-256'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    equal(await of({ name: 'SHA-384' }), 'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7');
    equal(await of('SHA-512'), 'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f');
  },
  async 'digest of a view, and of nothing known'() { equal(hex(await crypto.subtle.digest('SHA-256', text('xabcx').subarray(1, 4))).slice(0, 8), 'ba7816bf'); await rejects('NotSupportedError', crypto.subtle.digest('MD5', bytes())); await rejects(TypeError, crypto.subtle.digest('SHA-1', 'abc')); },
  async 'HMAC, RFC 4231'() {
    equal(hex(await crypto.subtle.sign('HMAC', await hmac('SHA-256', text('Jefe')), text('what do ya want for nothing?'))), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
    equal(hex(await crypto.subtle.sign('HMAC', await hmac({ name: 'SHA-512' }, new Uint8Array(20).fill(0x0b)), text('Hi There'))).slice(0, 32), '87aa7cdea5ef619d4ff0b4241a1d6cb0');
    equal(hex(await crypto.subtle.sign({ name: 'HMAC' }, await hmac('SHA-256', new Uint8Array(131).fill(0xaa)), text('Test Using Larger Than Block-Size Key - Hash Key First'))), '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54');
  },
  async 'verify'() { const key = await hmac('SHA-256', text('k')), good = await crypto.subtle.sign('HMAC', key, text('m')); equal(await crypto.subtle.verify('HMAC', key, good, text('m')), true); equal(await crypto.subtle.verify('HMAC', key, good, text('n')), false); equal(await crypto.subtle.verify('HMAC', key, good.slice(1), text('m')), false); },
  async 'usages and extractability hold'() { const key = await hmac('SHA-256', text('k'), ['verify'], false); await rejects('InvalidAccessError', crypto.subtle.sign('HMAC', key, bytes())); await rejects('InvalidAccessError', crypto.subtle.exportKey('raw', key)); same(key.usages, ['verify']); equal(key.extractable, false); equal(key.type, 'secret'); same(key.algorithm, { name: 'HMAC', hash: { name: 'SHA-256' }, length: 8 }); },
  async 'bad keys are refused'() { await rejects('SyntaxError', hmac('SHA-256', text('k'), [])); await rejects('SyntaxError', hmac('SHA-256', text('k'), ['encrypt'])); await rejects('DataError', hmac('SHA-256', bytes())); await rejects('NotSupportedError', crypto.subtle.importKey('raw', bytes(1), 'AES-GCM', true, ['encrypt'])); },
  async 'JWK, there and back'() { const key = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign', 'verify']), jwk = await crypto.subtle.exportKey('jwk', key); equal(jwk.kty, 'oct'); equal(jwk.alg, 'HS256'); const again = await crypto.subtle.importKey('jwk', jwk, { name: 'HMAC', hash: 'SHA-256' }, true, ['sign']); equal(hex(await crypto.subtle.exportKey('raw', again)), hex(await crypto.subtle.exportKey('raw', key))); equal((await crypto.subtle.exportKey('raw', key)).byteLength, 64); },
};
export default app(tests);
