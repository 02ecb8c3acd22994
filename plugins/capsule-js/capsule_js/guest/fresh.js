// What the engine's snapshot would freeze is made fresh in each sandbox, before any code of the user's runs.

import { getRandomU64 } from "wasi:random/random@0.2.12";

let woken = false;
let origin = 0;
const ticks = performance.now.bind(performance);
let [a, b, c, d] = [1, 2, 3, 4];

/** Called before anything else in a sandbox, once. */
export function wake() {
  woken = true;
  origin = ticks();
  performance.timeOrigin = Date.now();
  // A u64 arrives as a double, or as a BigInt: 32 of its bits are good for sure.
  [a, b, c, d] = Array.from({ length: 4 }, () => Math.floor(Number(getRandomU64()) / 2 ** 32) | 0);
  for (let round = 0; round < 12; round++) random();
}

// sfc32: the engine's own generator can't be seeded again.
function random() {
  const t = (((a + b) | 0) + d) | 0;
  d = (d + 1) | 0;
  a = b ^ (b >>> 9);
  b = (c + (c << 3)) | 0;
  c = (c << 21) | (c >>> 11);
  c = (c + t) | 0;
  return t >>> 0;
}

Math.random = {
  random() {
    return (random() * 2 ** 21 + (random() >>> 11)) / 2 ** 53;
  },
}.random;

/** Whether this is a sandbox, and not the making of a snapshot. */
export const isAwake = () => woken;

/** Throws while a snapshot is made: the host can't be asked for anything then. */
export function needHost(what) {
  if (!woken) throw new Error(`${what} is not available while a snapshot is made: use it inside a task`);
}

/** Milliseconds since the sandbox woke; none have passed before. */
export function now() {
  return woken ? ticks() - origin : 0;
}
