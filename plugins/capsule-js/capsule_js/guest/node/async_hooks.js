// async_hooks: stores that go along with the work that a program schedules. No hooks: the engines have none.

import { carry, current, enter, within } from "../context.js";
import { validateFunction, validateString } from "./validators.js";

let resources = 1; // the first is the program itself

export class AsyncLocalStorage {
  #enabled = true;
  #default;
  #name;
  constructor({ defaultValue, name = "" } = {}) {
    carry();
    this.#default = defaultValue;
    this.#name = `${name}`;
  }
  get name() {
    return this.#name;
  }
  getStore() {
    const context = current();
    return this.#enabled && context?.has(this) ? context.get(this) : this.#default;
  }
  #with(store) {
    this.#enabled = true;
    return new Map(current()).set(this, store);
  }
  run(store, callback, ...args) {
    return this.#during(this.#with(store), callback, args);
  }
  exit(callback, ...args) {
    return this.#during(this.#without(), callback, args);
  }
  #without() {
    const context = new Map(current());
    context.delete(this);
    return context;
  }
  // What the callback did to other storages stays.
  #during(context, callback, args) {
    const had = current()?.has(this);
    const before = current()?.get(this);
    enter(context);
    try {
      return callback(...args);
    } finally {
      enter(had ? new Map(current()).set(this, before) : this.#without());
    }
  }
  enterWith(store) {
    enter(this.#with(store));
  }
  disable() {
    this.#enabled = false;
  }
  static bind(fn) {
    return AsyncResource.bind(fn);
  }
  static snapshot() {
    return AsyncLocalStorage.bind((callback, ...args) => callback(...args));
  }
}

export class AsyncResource {
  #context = current();
  #id;
  #trigger;
  constructor(type, options = {}) {
    validateString(type, "type");
    this.#id = ++resources;
    this.#trigger = (typeof options === "number" ? options : options?.triggerAsyncId) ?? 1;
  }
  runInAsyncScope(fn, self, ...args) {
    return within(this.#context, fn, self, args);
  }
  bind(fn, self) {
    validateFunction(fn, "fn");
    const resource = this;
    const bound =
      self === undefined
        ? function (...args) {
            return resource.runInAsyncScope(fn, this, ...args);
          }
        : (...args) => resource.runInAsyncScope(fn, self, ...args);
    return Object.defineProperty(bound, "length", { configurable: true, enumerable: false, value: fn.length, writable: false });
  }
  emitDestroy() {
    return this;
  }
  asyncId() {
    return this.#id;
  }
  triggerAsyncId() {
    return this.#trigger;
  }
  static bind(fn, type, self) {
    validateFunction(fn, "fn");
    return new AsyncResource(type || fn.name || "bound-anonymous-fn").bind(fn, self);
  }
}

const hook = {
  enable() {
    return this;
  },
  disable() {
    return this;
  },
};

export default {
  AsyncLocalStorage,
  AsyncResource,
  asyncWrapProviders: Object.freeze({ __proto__: null }),
  createHook: () => Object.create(hook),
  executionAsyncId: () => 1,
  executionAsyncResource: () => ({}),
  triggerAsyncId: () => 0,
};
