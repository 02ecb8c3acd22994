// Promises that a program drops. The bundler appends `?.[__capsule_floating]?.()` to calls that stand alone as a
// statement: of a promise, it makes a rejection fail the task.

import { setRejectionHandler, uncaught } from "./loop.js";
import { header } from "./stack.js";

const FLOATING = Symbol("capsule.floating");
const NativePromise = Promise;
const AsyncFunction = (async () => {}).constructor;

/** A promise was rejected that nobody waits for. */
export class UnhandledRejection extends Error {
  constructor(reason) {
    super(`a promise that nothing awaits was rejected: ${text(reason)}`, { cause: reason });
    // Where this was found out says nothing; the cause has the place.
    this.stack = "";
  }
  get name() {
    return "UnhandledRejection";
  }
}

function text(reason) {
  try {
    return reason instanceof Error ? header(reason) : String(reason);
  } catch {
    return "an error that can't be shown";
  }
}

let listener = null;

/** Takes a function that may deal with a rejection: it says whether it did. `process` has one. */
export function onRejection(handles) {
  listener = handles;
}

async function watch(promise) {
  try {
    await promise;
  } catch (reason) {
    if (!listener?.(reason, promise)) uncaught(new UnhandledRejection(reason));
  }
}

Object.defineProperty(Promise.prototype, FLOATING, {
  value() {
    watch(this);
  },
});
Object.defineProperty(globalThis, "__capsule_floating", { value: FLOATING });

// What timers and listeners return, nobody awaits.
setRejectionHandler((value) => {
  if (value instanceof NativePromise) watch(value);
});

const forEach = Array.prototype.forEach;

Object.defineProperty(Array.prototype, "forEach", {
  value: {
    forEach(callback, receiver) {
      if (!(callback instanceof AsyncFunction)) return forEach.call(this, callback, receiver);
      return forEach.call(this, (...args) => void watch(callback.apply(receiver, args)));
    },
  }.forEach,
  writable: true,
  configurable: true,
});
