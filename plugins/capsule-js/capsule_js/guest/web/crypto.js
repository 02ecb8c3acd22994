// Web Crypto: random values, digests and HMAC. Ciphers and signatures are not there.

import { digest, hmac } from "../codec.js";
import { MOST, equal, randomBytes } from "../random.js";

const HASHES = { "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512" };
const BLOCKS = { "SHA-1": 64, "SHA-256": 64, "SHA-384": 128, "SHA-512": 128 };

function unsupported(what) {
  return new DOMException(`${what} is not available in a capsule sandbox`, "NotSupportedError");
}

function hash(algorithm) {
  const name = String(algorithm?.name ?? algorithm).toUpperCase();
  if (!Object.hasOwn(HASHES, name)) throw unsupported(`the hash ${name}`);
  return name;
}

function bytesOf(data) {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new Uint8Array(data);
}

const SECRETS = new WeakMap();

class CryptoKey {
  constructor(type, algorithm, extractable, usages) {
    Object.assign(this, { type, algorithm, extractable, usages });
  }
}

function secret(key, usage) {
  if (!SECRETS.has(key)) throw new TypeError("not a CryptoKey");
  if (!key.usages.includes(usage)) throw new DOMException(`the key is not for "${usage}"`, "InvalidAccessError");
  return SECRETS.get(key);
}

function makeKey(bytes, algorithm, extractable, usages) {
  const name = hash(algorithm.hash);
  const key = new CryptoKey("secret", { name: "HMAC", hash: { name }, length: bytes.length * 8 }, extractable, usages);
  SECRETS.set(key, bytes);
  return key;
}

class SubtleCrypto {
  async digest(algorithm, data) {
    return digest(HASHES[hash(algorithm)], bytesOf(data)).buffer;
  }
  async importKey(format, data, algorithm, extractable, usages) {
    if (String(algorithm?.name ?? algorithm).toUpperCase() !== "HMAC") throw unsupported(`importKey for ${algorithm?.name ?? algorithm}`);
    if (format === "raw") return makeKey(bytesOf(data).slice(), algorithm, extractable, [...usages]);
    if (format === "jwk") {
      return makeKey(Uint8Array.fromBase64(data.k, { alphabet: "base64url" }), algorithm, extractable, [...usages]);
    }
    throw unsupported(`the key format ${format}`);
  }
  async exportKey(format, key) {
    if (!key.extractable) throw new DOMException("the key is not extractable", "InvalidAccessError");
    if (format === "raw") return SECRETS.get(key).slice().buffer;
    if (format !== "jwk") throw unsupported(`the key format ${format}`);
    const k = SECRETS.get(key).toBase64({ alphabet: "base64url", omitPadding: true });
    return { kty: "oct", k, alg: `HS${key.algorithm.hash.name.slice(4)}`, key_ops: key.usages, ext: true };
  }
  async generateKey(algorithm, extractable, usages) {
    if (String(algorithm?.name).toUpperCase() !== "HMAC") throw unsupported(`generateKey for ${algorithm?.name ?? algorithm}`);
    const length = algorithm.length ? Math.ceil(algorithm.length / 8) : BLOCKS[hash(algorithm.hash)];
    return makeKey(randomBytes(length), algorithm, extractable, [...usages]);
  }
  async sign(_algorithm, key, data) {
    return hmac(HASHES[key.algorithm.hash.name], secret(key, "sign"), bytesOf(data)).buffer;
  }
  async verify(_algorithm, key, signature, data) {
    const made = hmac(HASHES[key.algorithm.hash.name], secret(key, "verify"), bytesOf(data));
    return equal(made, bytesOf(signature));
  }
}

for (const name of ["encrypt", "decrypt", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"]) {
  SubtleCrypto.prototype[name] = async () => {
    throw unsupported(`crypto.subtle.${name}`);
  };
}

class Crypto {
  subtle = new SubtleCrypto();
  getRandomValues(array) {
    if (!ArrayBuffer.isView(array) || array instanceof DataView || /Float/.test(array.constructor.name)) {
      throw new DOMException("getRandomValues fills an integer array", "TypeMismatchError");
    }
    if (array.byteLength > MOST) throw new DOMException(`more than ${MOST} bytes`, "QuotaExceededError");
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(randomBytes(array.byteLength));
    return array;
  }
  randomUUID() {
    const bytes = randomBytes(16);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    return bytes.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }
}

export const crypto = new Crypto();
Object.assign(globalThis, { Crypto, CryptoKey, SubtleCrypto });
Object.defineProperty(globalThis, "crypto", { value: crypto, configurable: true, enumerable: true, writable: true });
