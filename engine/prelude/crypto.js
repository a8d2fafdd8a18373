//! `crypto` (Web Cryptography): randomness from the host, refused while the app loads.
const QUOTA = 65536;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const WHOLE_NUMBERS = new Set(['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'BigInt64Array', 'BigUint64Array']);
const CRYPTO_KEY = Symbol('crypto');

class Crypto {
  constructor(key) { if (key !== CRYPTO_KEY) throw new TypeError('Illegal constructor'); }
  get subtle() { return subtle; }
  getRandomValues(array) {
    if (!isView(array) || !WHOLE_NUMBERS.has(array[Symbol.toStringTag])) throw new DOMException('getRandomValues needs an array of whole numbers', 'TypeMismatchError');
    if (array.byteLength > QUOTA) throw new DOMException(`getRandomValues gives at most ${QUOTA} bytes at a time`, 'QuotaExceededError');
    bytesOf(array).set(native.randomBytes(array.byteLength));
    return array;
  }
  randomUUID() {
    const b = native.randomBytes(16);
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    let text = '';
    for (let at = 0; at < 16; at += 1) text += (at === 4 || at === 6 || at === 8 || at === 10 ? '-' : '') + HEX[b[at]];
    return text;
  }
}
