// Hashing and compression, done by the host.

import * as host from "capsule:runtime/codec@1.0.0";
import { needHost } from "./fresh.js";

/** What the host answered to `call`, as bytes; throws an `Error` with the host's reason as `code`. */
function answer(call) {
  needHost("hashing or compression");
  try {
    return Uint8Array.fromBase64(call());
  } catch (error) {
    if (!error?.payload?.reason) throw error;
    throw Object.assign(new Error(error.payload.message), { reason: error.payload.reason });
  }
}

export function digest(algorithm, bytes) {
  return answer(() => host.digest(algorithm, bytes.toBase64()));
}

export function hmac(algorithm, key, bytes) {
  return answer(() => host.hmac(algorithm, key.toBase64(), bytes.toBase64()));
}

export function compress(format, bytes, level = 6) {
  return answer(() => host.compress(format, level, bytes.toBase64()));
}

export function decompress(format, bytes, limit = 64 * 1024 * 1024) {
  return answer(() => host.decompress(format, limit, bytes.toBase64()));
}
