// The event loop: promise jobs, timers, immediates, and work that the host does.

import { sleep } from "capsule:runtime/clock@1.0.0";
import { waitAny } from "capsule:runtime/pending@1.0.0";
import { current, enter, within } from "./context.js";
import { now } from "./fresh.js";
import { turn } from "./language.js";
import { checkMemory } from "./reserve.js";

const NANOSECONDS = 1e6; // in a millisecond
const LONGEST_DELAY = 2 ** 31 - 1;
const GLANCE = 1; // milliseconds between two looks at what the host has ended

const NativePromise = Promise;
const { withResolvers } = Promise;
const { apply } = Reflect;

const timers = new Map();
let immediates = [];
const awaited = new Map();
let sequence = 0;
let failures = [];
let glanced = 0;

/** Counts the timers that a snapshot holds from now on: it had another clock. */
export function restartTimers() {
  for (const timer of timers.values()) timer.schedule();
}

/** A promise that can't settle any more: nothing is left that could settle it. */
export class NeverSettled extends Error {
  get name() {
    return "NeverSettled";
  }
}

/** Takes an error that no code is there to catch: the task fails with it. */
export function uncaught(error) {
  failures.push({ error });
}

let returned = () => {};

/** Sets what looks at the values that callbacks return: promises, perhaps, that nobody awaits. */
export function setRejectionHandler(handler) {
  returned = handler;
}

/** Waits, without blocking other code, until the host has ended the work behind `handle`. */
export function ended(handle) {
  const { promise, resolve } = withResolvers.call(NativePromise);
  awaited.set(handle, resolve);
  return promise;
}

/** Runs the loop until `promise` has settled, and gives what it settled with. */
export async function settle(promise, what) {
  checkMemory();
  let outcome;
  observe(promise, (settled) => (outcome = settled));
  for (;;) {
    checkMemory();
    await turn();
    enter(null);
    if (failures.length) {
      const [{ error }] = failures;
      failures = [];
      throw error;
    }
    if (outcome) {
      if (outcome.failed) throw outcome.error;
      return outcome.value;
    }
    if (fireTimer() || fireImmediate()) glance();
    else wait(what);
  }
}

// Not by `then`: a program may have replaced it.
async function observe(promise, take) {
  try {
    take({ value: await promise });
  } catch (error) {
    take({ error, failed: true });
  }
}

function wait(what) {
  const next = earliest(false);
  if (!awaited.size && !earliest(true) && !immediates.length) {
    throw new NeverSettled(
      `${what} waits for a promise that nothing can settle any more: no timer, request or task is left`,
    );
  }
  const left = next ? Math.max(0, next.due - now()) : null;
  if (!awaited.size) {
    sleep(Math.ceil(left * NANOSECONDS));
    return;
  }
  collect(waitAny(left === null ? null : Math.ceil(left * NANOSECONDS)));
}

function earliest(onlyReferenced) {
  let found;
  for (const timer of timers.values()) {
    if (onlyReferenced && !timer.referenced) continue;
    if (!found || timer.due < found.due || (timer.due === found.due && timer.order < found.order)) found = timer;
  }
  return found;
}

function fireTimer() {
  if (!timers.size) return false;
  const timer = earliest(false);
  if (timer.due > now()) return false;
  if (timer.repeat) timer.schedule();
  else timers.delete(timer.id);
  guard(timer.callback, timer.args, timer.context, timer);
  return true;
}

function fireImmediate() {
  if (!immediates.length) return false;
  const batch = immediates;
  immediates = [];
  // Promise jobs run between two immediates, as in Node: the rest of the batch waits for its turn.
  const immediate = batch.shift();
  immediates = batch.concat(immediates);
  if (!immediate.cleared) guard(immediate.callback, immediate.args, immediate.context, immediate);
  return true;
}

// A loop that never gets to wait must still learn what the host has ended.
function glance() {
  if (!awaited.size || now() - glanced < GLANCE) return;
  glanced = now();
  collect(waitAny(0));
}

function collect(handles) {
  for (const handle of handles) {
    const resolve = awaited.get(handle);
    awaited.delete(handle);
    resolve?.();
  }
}

function guard(callback, args, context, receiver) {
  try {
    within(context, () => returned(apply(callback, receiver, args)));
  } catch (error) {
    uncaught(error);
  }
}

function checked(callback) {
  if (typeof callback === "function") return callback;
  const error = new TypeError(`The "callback" argument must be of type function. Received ${typeof callback}`);
  error.code = "ERR_INVALID_ARG_TYPE";
  throw error;
}

class Timeout {
  constructor(callback, delay, args, repeat) {
    this.id = ++sequence;
    this.callback = checked(callback);
    this.args = args;
    this.delay = delay >= 1 && delay <= LONGEST_DELAY ? Math.trunc(delay) : 1;
    this.repeat = repeat;
    this.context = current();
    this.referenced = true;
    this.cleared = false;
    this.schedule();
  }
  schedule() {
    this.order = ++sequence;
    this.due = now() + this.delay;
    timers.set(this.id, this);
  }
  ref() {
    this.referenced = true;
    return this;
  }
  unref() {
    this.referenced = false;
    return this;
  }
  hasRef() {
    return this.referenced;
  }
  refresh() {
    if (!this.cleared) this.schedule();
    return this;
  }
  close() {
    this.cleared = true;
    timers.delete(this.id);
    return this;
  }
  [Symbol.toPrimitive]() {
    return this.id;
  }
  [Symbol.dispose]() {
    this.close();
  }
}

class Immediate {
  constructor(callback, args) {
    this.callback = checked(callback);
    this.args = args;
    this.context = current();
    this.cleared = false;
    immediates.push(this);
  }
  ref() {
    return this;
  }
  unref() {
    return this;
  }
  hasRef() {
    return !this.cleared;
  }
  [Symbol.dispose]() {
    this.cleared = true;
  }
}

export function setTimeout(callback, delay, ...args) {
  return new Timeout(callback, delay, args, false);
}

export function setInterval(callback, delay, ...args) {
  return new Timeout(callback, delay, args, true);
}

export function setImmediate(callback, ...args) {
  return new Immediate(callback, args);
}

export function clearTimeout(timer) {
  const found = timer instanceof Timeout ? timer : timers.get(typeof timer === "object" ? timer?.id : Number(timer));
  found?.close();
}

export function clearImmediate(immediate) {
  if (immediate instanceof Immediate) immediate.cleared = true;
}

const enqueue = globalThis.queueMicrotask;

export function queueMicrotask(callback) {
  checked(callback);
  const context = current();
  enqueue(() => guard(callback, [], context));
}

export function nextTick(callback, ...args) {
  checked(callback);
  const context = current();
  enqueue(() => guard(callback, args, context));
}

Object.assign(globalThis, {
  setTimeout,
  setInterval,
  setImmediate,
  clearTimeout,
  clearInterval: clearTimeout,
  clearImmediate,
  queueMicrotask,
  reportError: uncaught,
});
