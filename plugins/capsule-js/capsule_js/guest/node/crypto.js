// crypto: hashes, HMAC and random values. Hashing is the host's work.

import * as codec from "../codec.js";
import { equal, randomBytes as random } from "../random.js";
import { crypto as webcrypto } from "../web/crypto.js";
import { nextTick } from "../loop.js";
import stream from "./stream.js";
import { unavailable } from "./unavailable.js";

const HASHES = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512-256", "sha3-256", "sha3-384", "sha3-512", "ripemd160"];
const ALIASES = { "rsa-md5": "md5", "rsa-sha1": "sha1", "rsa-sha256": "sha256", "rsa-sha512": "sha512", rmd160: "ripemd160" };

function known(algorithm) {
  const lower = String(algorithm).toLowerCase();
  const name = ALIASES[lower] ?? lower.replace(/^sha-(\d)/, "sha$1").replace("sha512/256", "sha512-256");
  if (HASHES.includes(name)) return name;
  throw Object.assign(new Error("Digest method not supported"), { code: "ERR_CRYPTO_INVALID_DIGEST" });
}

function bytesOf(data, encoding) {
  if (typeof data === "string") return Buffer.from(data, encoding);
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return Buffer.from(data);
  if (data?.[SECRET]) return data[SECRET];
  throw Object.assign(new TypeError("The data is a string, a Buffer, a TypedArray or a DataView"), { code: "ERR_INVALID_ARG_TYPE" });
}

function encoded(bytes, encoding) {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return encoding && encoding !== "buffer" ? buffer.toString(encoding) : buffer;
}

// The pieces are joined and hashed at the end: the host's function takes whole texts.
class Digest extends stream.Transform {
  #finish;
  #pieces = [];
  #done = false;
  constructor(finish, pieces = []) {
    super();
    this.#finish = finish;
    this.#pieces = pieces;
  }
  update(data, encoding) {
    if (this.#done) throw Object.assign(new Error("Digest already called"), { code: "ERR_CRYPTO_HASH_FINALIZED" });
    this.#pieces.push(Buffer.from(bytesOf(data, encoding)));
    return this;
  }
  digest(encoding) {
    if (this.#done) throw Object.assign(new Error("Digest already called"), { code: "ERR_CRYPTO_HASH_FINALIZED" });
    this.#done = true;
    return encoded(this.#finish(Buffer.concat(this.#pieces)), encoding);
  }
  copy() {
    return new Digest(this.#finish, [...this.#pieces]);
  }
  _transform(chunk, encoding, done) {
    this.update(chunk, encoding);
    done();
  }
  _flush(done) {
    this.push(this.digest());
    done();
  }
}

function createHash(algorithm) {
  const name = known(algorithm);
  return new Digest((bytes) => codec.digest(name, bytes));
}

function createHmac(algorithm, key) {
  const name = known(algorithm);
  const secret = bytesOf(key);
  return new Digest((bytes) => codec.hmac(name, secret, bytes));
}

const SECRET = Symbol("secret");

class KeyObject {
  constructor(secret) {
    this[SECRET] = secret;
  }
  get type() {
    return "secret";
  }
  get symmetricKeySize() {
    return this[SECRET].length;
  }
  export(options) {
    if (options?.format !== "jwk") return Buffer.from(this[SECRET]);
    return { kty: "oct", k: this[SECRET].toString("base64url") };
  }
  equals(other) {
    return this[SECRET].length === other[SECRET]?.length && equal(this[SECRET], other[SECRET]);
  }
}

function createSecretKey(key, encoding) {
  return new KeyObject(Buffer.from(bytesOf(key, encoding)));
}

function later(work, callback) {
  let result;
  try {
    result = work();
  } catch (error) {
    nextTick(callback, error);
    return;
  }
  nextTick(callback, null, result);
}

function randomBytes(size, callback) {
  const make = () => encoded(random(size));
  return callback ? later(make, callback) : make();
}

function randomFillSync(buffer, offset = 0, size = buffer.byteLength - offset) {
  const view = new Uint8Array(buffer.buffer ?? buffer, (buffer.byteOffset ?? 0) + offset, size);
  view.set(random(size));
  return buffer;
}

function randomFill(buffer, ...rest) {
  const callback = rest.pop();
  later(() => randomFillSync(buffer, ...rest), callback);
}

function randomInt(min, max, callback) {
  if (max === undefined || typeof max === "function") [min, max, callback] = [0, min, max];
  const range = max - min;
  if (!(range > 0 && range <= 2 ** 48)) throw new RangeError(`The range of randomInt is from 1 to 2 ** 48, not ${range}`);
  const make = () => {
    const limit = 2 ** 48 - (2 ** 48 % range);
    for (;;) {
      const value = random(6).reduce((number, byte) => number * 256 + byte, 0);
      if (value < limit) return min + (value % range);
    }
  };
  return callback ? later(make, callback) : make();
}

function timingSafeEqual(one, other) {
  const [left, right] = [bytesOf(one), bytesOf(other)];
  if (left.length === right.length) return equal(left, right);
  throw Object.assign(new RangeError("Input buffers must have the same byte length"), { code: "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH" });
}

const missing = unavailable("crypto", "the engine hashes and makes random values; it has no ciphers, keys or key derivation", [
  "createCipheriv", "createDecipheriv", "createDiffieHellman", "createECDH", "createPrivateKey", "createPublicKey",
  "createSign", "createVerify", "generateKeyPair", "generateKeyPairSync", "hkdf", "hkdfSync", "pbkdf2", "pbkdf2Sync",
  "privateDecrypt", "privateEncrypt", "publicDecrypt", "publicEncrypt", "scrypt", "scryptSync", "sign", "verify",
]);

export default {
  ...missing,
  Hash: Digest,
  Hmac: Digest,
  KeyObject,
  constants: {},
  createHash,
  createHmac,
  createSecretKey,
  getCiphers: () => [],
  getCurves: () => [],
  getHashes: () => [...HASHES],
  getRandomValues: (array) => webcrypto.getRandomValues(array),
  hash: (algorithm, data, encoding = "hex") => createHash(algorithm).update(data).digest(encoding),
  randomBytes,
  randomFill,
  randomFillSync,
  randomInt,
  randomUUID: () => webcrypto.randomUUID(),
  subtle: webcrypto.subtle,
  timingSafeEqual,
  webcrypto,
};
