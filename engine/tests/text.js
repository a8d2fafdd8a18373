//! `TextEncoder`, `TextDecoder`, their streams, `atob` and `btoa`, from WHATWG Encoding and HTML.
import { app, bytes, equal, ok, read, same, throws } from './support/harness.js';

export const tests = {
  'encode'() { same([...new TextEncoder().encode('aé€😀')], [97, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80]); equal(new TextEncoder().encode().length, 0); equal(new TextEncoder().encoding, 'utf-8'); },
  'encode keeps NUL and replaces lone surrogates'() { same([...new TextEncoder().encode('\0')], [0]); same([...new TextEncoder().encode('\ud800')], [0xef, 0xbf, 0xbd]); },
  'encodeInto stops before what does not fit'() { const b = new Uint8Array(4); same(new TextEncoder().encodeInto('aé€', b), { read: 2, written: 3 }); same([...b], [97, 0xc3, 0xa9, 0]); same(new TextEncoder().encodeInto('😀', new Uint8Array(3)), { read: 0, written: 0 }); },
  'decode'() { const d = new TextDecoder(); equal(d.decode(bytes(0xe2, 0x82, 0xac)), '€'); equal(d.decode(), ''); equal(d.decode(bytes(97, 98).buffer), 'ab'); equal(d.decode(new DataView(bytes(97, 98).buffer, 1)), 'b'); equal(d.encoding, 'utf-8'); },
  'decode replaces each invalid part'() { equal(new TextDecoder().decode(bytes(97, 0xff, 98)), 'a\ufffdb'); equal(new TextDecoder().decode(bytes(0xe2, 0x82)), '\ufffd'); equal(new TextDecoder().decode(bytes(0xf0, 0x80, 0x80)), '\ufffd\ufffd\ufffd'); equal(new TextDecoder().decode(bytes(0xed, 0xa0, 0x80)), '\ufffd\ufffd\ufffd'); },
  'fatal throws'() { const d = new TextDecoder('utf-8', { fatal: true }); ok(d.fatal); throws(TypeError, () => d.decode(bytes(0xff))); equal(d.decode(bytes(97)), 'a'); },
  'the byte order mark'() { equal(new TextDecoder().decode(bytes(0xef, 0xbb, 0xbf, 97)), 'a'); equal(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes(0xef, 0xbb, 0xbf, 97)), '\ufeffa'); equal(new TextDecoder().decode(bytes(97, 0xef, 0xbb, 0xbf)), 'a\ufeff'); },
  'in pieces'() {
    const d = new TextDecoder(); let text = '';
    for (const byte of new TextEncoder().encode('aé€😀')) text += d.decode(bytes(byte), { stream: true });
    equal(text + d.decode(), 'aé€😀'); equal(d.decode(bytes(0xe2), { stream: true }), ''); equal(d.decode(), '\ufffd'); equal(d.decode(bytes(97)), 'a');
  },
  'a mark in pieces'() { const d = new TextDecoder(); equal(d.decode(bytes(0xef, 0xbb), { stream: true }) + d.decode(bytes(0xbf, 97), { stream: true }) + d.decode(), 'a'); },
  'labels'() { equal(new TextDecoder(' UTF8 ').encoding, 'utf-8'); equal(new TextDecoder('latin1').encoding, 'windows-1252'); equal(new TextDecoder('utf-16').encoding, 'utf-16le'); throws(RangeError, () => new TextDecoder('nonsense')); },
  'UTF-16 and windows-1252'() { equal(new TextDecoder('utf-16le').decode(bytes(0x3d, 0xd8, 0, 0xde)), '😀'); equal(new TextDecoder('latin1').decode(bytes(0xe9, 0x80)), 'é€'); },
  async 'TextDecoderStream'() { const s = new ReadableStream({ start(c) { c.enqueue(bytes(0xe2, 0x82)); c.enqueue(bytes(0xac, 97)); c.close(); } }); equal((await read(s.pipeThrough(new TextDecoderStream()))).join(''), '€a'); },
  async 'TextEncoderStream joins surrogates'() { const s = ReadableStream.from(['\ud83d', '\ude00']); const all = await read(s.pipeThrough(new TextEncoderStream())); same(all.flatMap((c) => [...c]), [0xf0, 0x9f, 0x98, 0x80]); },
  'atob and btoa'() { equal(btoa('a\xff'), 'Yf8='); equal(atob('Y f 8'), 'a\xff'); throws('InvalidCharacterError', () => btoa('€')); throws('InvalidCharacterError', () => atob('*')); },
};
export default app(tests);
