//! `TextEncoder`, `TextDecoder` and their streams (WHATWG Encoding): UTF-8, UTF-16LE, Latin-1 (windows-1252 is refused, not guessed).
class TextEncoder {
  get encoding() { return 'utf-8'; }
  encode(text = '') { return utf8(text); }
  encodeInto(text, into) {
    if (!(into instanceof Uint8Array)) throw new TypeError('encodeInto needs a Uint8Array');
    let read = 0, written = 0;
    for (const character of usv(text)) {
      const code = character.codePointAt(0);
      const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
      if (written + size > into.length) break;
      if (size === 1) into[written] = code; else into.set(native.encode(character), written);
      written += size;
      read += character.length;
    }
    return { read, written };
  }
}
expose('TextEncoder', TextEncoder);

const ENCODINGS = new Map([
  ...['utf-8', 'utf8', 'unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'x-unicode20utf8'].map((label) => [label, 'utf-8']),
  ...['utf-16le', 'utf-16', 'ucs-2', 'unicode', 'csunicode', 'iso-10646-ucs-2', 'unicodefeff'].map((label) => [label, 'utf-16le']),
  ...['iso-8859-1', 'latin1', 'l1', 'ascii', 'us-ascii', 'windows-1252', 'cp1252'].map((label) => [label, 'windows-1252']),
]);
/** Bytes 0x80 to 0x9f of windows-1252, which is what the standard means by Latin-1. */
const WINDOWS_1252 = '\u20AC\x81\u201A\u0192\u201E\u2026\u2020\u2021\u02C6\u2030\u0160\u2039\u0152\x8D\u017D\x8F\x90\u2018\u2019\u201C\u201D\u2022\u2013\u2014\u02DC\u2122\u0161\u203A\u0153\x9D\u017E\u0178';

/** How many bytes at the end begin a character that is not complete. */
const unfinishedUtf8 = (bytes) => {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back];
    if (byte >= 0xc2 && byte <= 0xf4) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? back : 0;
    if (byte < 0x80 || byte > 0xbf) return 0;
  }
  return 0;
};

const decodeUtf16 = (bytes, fatal) => {
  let text = '';
  for (let at = 0; at + 1 < bytes.length; at += 2) text += String.fromCharCode(bytes[at] | (bytes[at + 1] << 8));
  if (bytes.length % 2) text += '\uFFFD';
  if (fatal && (bytes.length % 2 || !text.isWellFormed())) throw new TypeError('the bytes are not valid UTF-16');
  return text.toWellFormed();
};
const unfinishedUtf16 = (bytes) => {
  const odd = bytes.length % 2, high = bytes[bytes.length - odd - 1];
  return odd + (bytes.length >= 2 + odd && high >= 0xd8 && high <= 0xdb ? 2 : 0);
};
const decodeWindows1252 = (bytes) => {
  let text = '';
  for (const byte of bytes) text += byte >= 0x80 && byte < 0xa0 ? WINDOWS_1252[byte - 0x80] : String.fromCharCode(byte);
  return text;
};

const DECODERS = {
  __proto__: null,
  'utf-8': { decode: native.decode, unfinished: unfinishedUtf8 },
  'utf-16le': { decode: decodeUtf16, unfinished: unfinishedUtf16 },
  'windows-1252': { decode: decodeWindows1252, unfinished: () => 0 },
};

class TextDecoder {
  #encoding; #fatal; #ignoreBom; #rest = null; #begun = false;
  constructor(label = 'utf-8', options = {}) {
    this.#encoding = ENCODINGS.get(String(label).trim().toLowerCase());
    if (!this.#encoding) throw new RangeError(`\`${label}\` is not an encoding that is known here`);
    this.#fatal = !!options?.fatal;
    this.#ignoreBom = !!options?.ignoreBOM;
  }
  get encoding() { return this.#encoding; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#ignoreBom; }
  decode(input = undefined, options = {}) {
    let bytes = input === undefined ? new Uint8Array() : bytesOf(input);
    if (!bytes) throw new TypeError('decode needs a buffer or a view');
    const { decode, unfinished } = DECODERS[this.#encoding];
    const more = !!options?.stream, first = !this.#begun;
    if (this.#rest) { bytes = joinBytes([this.#rest, bytes]); this.#rest = null; }
    if (more) {
      const keep = unfinished(bytes);
      if (keep) { this.#rest = bytes.slice(bytes.length - keep); bytes = bytes.subarray(0, bytes.length - keep); }
    }
    if (!more) this.#begun = false; else if (bytes.length) this.#begun = true;
    const text = bytes.length ? decode(bytes, this.#fatal) : '';
    return first && !this.#ignoreBom && text.charCodeAt(0) === 0xfeff && this.#encoding !== 'windows-1252' ? text.slice(1) : text;
  }
}
expose('TextDecoder', TextDecoder);

class TextDecoderStream {
  #decoder; #stream;
  constructor(label = 'utf-8', options = {}) {
    const decoder = this.#decoder = new TextDecoder(label, options);
    const put = (controller, text) => { if (text) controller.enqueue(text); };
    this.#stream = new TransformStream({
      transform(chunk, controller) { put(controller, decoder.decode(chunk, { stream: true })); },
      flush(controller) { put(controller, decoder.decode()); },
    });
  }
  get encoding() { return this.#decoder.encoding; }
  get fatal() { return this.#decoder.fatal; }
  get ignoreBOM() { return this.#decoder.ignoreBOM; }
  get readable() { return this.#stream.readable; }
  get writable() { return this.#stream.writable; }
}
expose('TextDecoderStream', TextDecoderStream);

class TextEncoderStream {
  #stream;
  constructor() {
    let high = '';
    this.#stream = new TransformStream({
      transform(chunk, controller) {
        let text = high + String(chunk);
        high = '';
        const last = text.charCodeAt(text.length - 1);
        if (last >= 0xd800 && last <= 0xdbff) { high = text.slice(-1); text = text.slice(0, -1); }
        if (text) controller.enqueue(utf8(text));
      },
      flush(controller) { if (high) controller.enqueue(utf8(high)); },
    });
  }
  get encoding() { return 'utf-8'; }
  get readable() { return this.#stream.readable; }
  get writable() { return this.#stream.writable; }
}
expose('TextEncoderStream', TextEncoderStream);
