// What `AsyncLocalStorage` holds, carried along with the work that a program schedules.
//
// The engines have no hook on promises, and a function that waits can't be told when it goes on. But `await` and `then`
// of a promise ask it for its `constructor` just before they register what shall happen. So that is a getter here: it
// registers first, by the promise's own `then`, what puts the context back. The jobs of one promise run in the order in
// which they were registered, one right after the other, whatever else is waiting. Nothing takes a job longer by it.
//
// What is awaited and is no promise has no constructor that is asked: the bundler makes `await x` to
// `await __capsule_held(x)` in programs that name `async_hooks`.

const NativePromise = Promise;
const { prototype } = Promise;
const nativeThen = prototype.then;
const { apply, getPrototypeOf } = Reflect;
const { defineProperty, hasOwn } = Object;
const enqueue = globalThis.queueMicrotask;

let context = null; // a Map from storage to store, never changed; null is an empty one
let carrying = false;
let watching = false;

/** The context of the code that runs. */
export const current = () => context;

/** Makes another context the current one, and gives the one that was. */
export function enter(next) {
  const before = context;
  context = next;
  return before;
}

/** Calls a function in a context. */
export function within(next, callback, receiver, args = []) {
  const before = enter(next);
  try {
    return apply(callback, receiver, args);
  } finally {
    context = before;
  }
}

/** Begins to carry contexts along with promises, which costs each `await` something. */
export function carry() {
  if (carrying) return;
  carrying = true;
  defineProperty(prototype, "constructor", {
    configurable: true,
    get() {
      if (!watching && this !== prototype) watch(this);
      return NativePromise;
    },
    set(value) {
      defineProperty(this, "constructor", { value, writable: true, enumerable: true, configurable: true });
    },
  });
  const { then } = {
    then(fulfilled, rejected) {
      return apply(nativeThen, this, isPlain(this) ? [fulfilled, rejected] : [bound(fulfilled), bound(rejected)]);
    },
  };
  defineProperty(prototype, "then", { value: then, writable: true, configurable: true });
}

function watch(promise) {
  const mine = context;
  const restore = () => void (context = mine);
  watching = true; // it will ask for the constructor, too
  try {
    apply(nativeThen, promise, [restore, restore]);
  } catch {
    // Something that only inherits from promises.
  } finally {
    watching = false;
  }
}

// A class of promises of its own has a constructor of its own.
const isPlain = (value) => typeof value === "object" && value !== null && getPrototypeOf(value) === prototype && !hasOwn(value, "constructor");

function bound(callback) {
  if (typeof callback !== "function") return callback;
  const mine = context;
  return (value) => within(mine, callback, undefined, [value]);
}

const resolved = (value) => new NativePromise((resolve) => resolve(value));

/** A promise for `await`, of what `value` is. */
function held(value) {
  if (!carrying || isPlain(value)) return value;
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return resolved(value);
  let then;
  try {
    ({ then } = value);
  } catch (error) {
    return new NativePromise((_, reject) => reject(error));
  }
  if (typeof then !== "function") return resolved(value);
  // As `await` does it: `then` is called a job later.
  return new NativePromise((resolve, reject) => {
    const mine = context;
    enqueue(() => {
      try {
        within(mine, then, value, [resolve, reject]);
      } catch (error) {
        reject(error);
      }
    });
  });
}

Object.defineProperty(globalThis, "__capsule_held", { value: held });
