//! `crypto.subtle` (Web Cryptography): digests (SHA-1, SHA-2) and HMAC. Everything else is refused by name; keys never leave unless extractable.
const notSupported = (what) => new DOMException(`${what} is not supported here: there are digest (SHA-1, SHA-256, SHA-384, SHA-512) and HMAC`, 'NotSupportedError');
const BLOCK_BYTES = { __proto__: null, 'SHA-1': 64, 'SHA-256': 64, 'SHA-384': 128, 'SHA-512': 128 };
const ALGORITHM_OF_JWK = { __proto__: null, 'SHA-1': 'HS1', 'SHA-256': 'HS256', 'SHA-384': 'HS384', 'SHA-512': 'HS512' };

const algorithmName = (algorithm) => String(typeof algorithm === 'object' && algorithm !== null ? algorithm.name : algorithm).toUpperCase();
const hashName = (hash) => { const name = algorithmName(hash); if (!BLOCK_BYTES[name]) throw notSupported(`\`${name}\``); return name; };
const hmacOnly = (algorithm) => { const name = algorithmName(algorithm); if (name !== 'HMAC') throw notSupported(`\`${name}\``); };
const bytesFrom = (data) => { const bytes = bytesOf(data); if (!bytes) throw new TypeError('the data is a buffer or a view'); return bytes; };

const toBase64Url = (bytes) => bytes.toBase64 ? bytes.toBase64({ alphabet: 'base64url', omitPadding: true }) : globalThis.btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const fromBase64Url = (text) => {
  const plain = globalThis.atob(String(text).replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
};

let keyParts, makeKey;
class CryptoKey {
  #parts;
  constructor(key, parts) { if (key !== CRYPTO_KEY) throw new TypeError('Illegal constructor'); this.#parts = parts; }
  get type() { return 'secret'; }
  get extractable() { return this.#parts.extractable; }
  get algorithm() { return { name: 'HMAC', hash: { name: this.#parts.hash }, length: this.#parts.secret.byteLength * 8 }; }
  get usages() { return [...this.#parts.usages]; }
  static {
    keyParts = (key) => key.#parts;
    makeKey = (parts) => new CryptoKey(CRYPTO_KEY, parts);
  }
}
expose('CryptoKey', CryptoKey);

const usagesOf = (usages) => {
  const list = [...usages].map(String);
  for (const usage of list) if (usage !== 'sign' && usage !== 'verify') throw new DOMException(`an HMAC key cannot be used to \`${usage}\``, 'SyntaxError');
  if (list.length === 0) throw new DOMException('a secret key needs a usage: `sign`, `verify` or both', 'SyntaxError');
  return [...new Set(list)];
};
const usable = (key, usage) => {
  if (!(key instanceof CryptoKey)) throw new TypeError('the key is a CryptoKey');
  const parts = keyParts(key);
  if (!parts.usages.includes(usage)) throw new DOMException(`the key may not be used to ${usage}`, 'InvalidAccessError');
  return parts;
};
const secretOf = (format, data, hash) => {
  if (format === 'raw') return bytesFrom(data).slice();
  if (format !== 'jwk') throw notSupported(`the format \`${format}\``);
  if (data?.kty !== 'oct' || typeof data.k !== 'string') throw new DOMException('an HMAC key as JWK has kty `oct` and k', 'DataError');
  if (data.alg !== undefined && data.alg !== ALGORITHM_OF_JWK[hash]) throw new DOMException('the JWK is for another algorithm', 'DataError');
  try { return fromBase64Url(data.k); } catch { throw new DOMException('k is not base64url', 'DataError'); }
};

class SubtleCrypto {
  constructor(key) { if (key !== CRYPTO_KEY) throw new TypeError('Illegal constructor'); }
  async digest(algorithm, data) { return native.digest(hashName(algorithm), bytesFrom(data)).buffer; }
  async importKey(format, data, algorithm, extractable, usages) {
    hmacOnly(algorithm);
    const hash = hashName(algorithm.hash), secret = secretOf(String(format), data, hash);
    if (secret.byteLength === 0) throw new DOMException('an HMAC key is not empty', 'DataError');
    return makeKey({ hash, secret, extractable: !!extractable, usages: usagesOf(usages) });
  }
  async generateKey(algorithm, extractable, usages) {
    hmacOnly(algorithm);
    const hash = hashName(algorithm.hash), length = algorithm.length === undefined ? BLOCK_BYTES[hash] : Math.ceil(Number(algorithm.length) / 8);
    if (!(length > 0)) throw new DOMException('an HMAC key is not empty', 'OperationError');
    return makeKey({ hash, secret: native.randomBytes(length), extractable: !!extractable, usages: usagesOf(usages) });
  }
  async exportKey(format, key) {
    if (!(key instanceof CryptoKey)) throw new TypeError('the key is a CryptoKey');
    const { hash, secret, extractable, usages } = keyParts(key);
    if (!extractable) throw new DOMException('the key is not extractable', 'InvalidAccessError');
    if (format === 'raw') return secret.slice().buffer;
    if (format === 'jwk') return { kty: 'oct', k: toBase64Url(secret), alg: ALGORITHM_OF_JWK[hash], key_ops: [...usages], ext: true };
    throw notSupported(`the format \`${format}\``);
  }
  async sign(algorithm, key, data) {
    hmacOnly(algorithm);
    const { hash, secret } = usable(key, 'sign');
    return native.hmacSign(hash, secret, bytesFrom(data)).buffer;
  }
  async verify(algorithm, key, signature, data) {
    hmacOnly(algorithm);
    const { hash, secret } = usable(key, 'verify');
    return native.hmacVerify(hash, secret, bytesFrom(signature), bytesFrom(data));
  }
}
for (const name of ['encrypt', 'decrypt', 'deriveBits', 'deriveKey', 'wrapKey', 'unwrapKey']) hide(SubtleCrypto.prototype, name, async () => { throw notSupported(`\`${name}\``); });
expose('SubtleCrypto', SubtleCrypto);
const subtle = new SubtleCrypto(CRYPTO_KEY);
expose('Crypto', Crypto);
expose('crypto', new Crypto(CRYPTO_KEY));
