// Random bytes, and comparing secrets.

import { getRandomBytes } from "wasi:random/random@0.2.12";
import { needHost } from "./fresh.js";

/** Bytes of one `getRandomValues`, as the standard has it. */
export const MOST = 65536;

/** `count` bytes of the host's random source. */
export function randomBytes(count) {
  needHost("a random value");
  const bytes = new Uint8Array(count);
  for (let at = 0; at < bytes.length; at += MOST) {
    const piece = getRandomBytes(Math.min(MOST, bytes.length - at));
    bytes.set(piece, at);
  }
  return bytes;
}

/** Whether two byte arrays are equal, in time that depends on their lengths alone. */
export function equal(one, other) {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let index = 0; index < one.length; index++) difference |= one[index] ^ other[index];
  return difference === 0;
}
