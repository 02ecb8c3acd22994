// EventTarget, Event and the abort API.

import { Event, EventTarget, setErrorHandler } from "event-target-shim";
import { setTimeout, uncaught } from "../loop.js";

setErrorHandler(uncaught);

class CustomEvent extends Event {
  #detail;
  constructor(type, init = {}) {
    super(type, init);
    this.#detail = init.detail ?? null;
  }
  get detail() {
    return this.#detail;
  }
}

class MessageEvent extends Event {
  constructor(type, init = {}) {
    super(type, init);
    Object.assign(this, { data: null, origin: "", lastEventId: "", source: null, ports: [] }, init);
  }
}

const INSIDE = Symbol("inside");

class AbortSignal extends EventTarget {
  #reason;
  #aborted = false;
  #handler = null;

  constructor(key) {
    if (key !== INSIDE) throw new TypeError("Illegal constructor");
    super();
  }
  get aborted() {
    return this.#aborted;
  }
  get reason() {
    return this.#reason;
  }
  get onabort() {
    return this.#handler;
  }
  set onabort(handler) {
    if (this.#handler) this.removeEventListener("abort", this.#handler);
    this.#handler = typeof handler === "function" ? handler : null;
    if (this.#handler) this.addEventListener("abort", this.#handler);
  }
  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }
  static abortWith(signal, reason) {
    if (signal.#aborted) return;
    signal.#aborted = true;
    signal.#reason = reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;
    signal.dispatchEvent(new Event("abort"));
  }
  static abort(reason) {
    const signal = new AbortSignal(INSIDE);
    abort(signal, reason);
    return signal;
  }
  static timeout(milliseconds) {
    const signal = new AbortSignal(INSIDE);
    const expire = () => abort(signal, new DOMException("The operation was aborted due to timeout", "TimeoutError"));
    setTimeout(expire, milliseconds).unref();
    return signal;
  }
  static any(signals) {
    const result = new AbortSignal(INSIDE);
    for (const signal of signals) {
      if (signal.aborted) {
        abort(result, signal.reason);
        break;
      }
      signal.addEventListener("abort", () => abort(result, signal.reason), { once: true });
    }
    return result;
  }
}

// Only the controller may abort: the way in is not left on the class.
const abort = AbortSignal.abortWith;
delete AbortSignal.abortWith;

class AbortController {
  #signal = new AbortSignal(INSIDE);
  get signal() {
    return this.#signal;
  }
  abort(reason) {
    abort(this.#signal, reason);
  }
}

for (const made of [AbortSignal, AbortController, CustomEvent, MessageEvent]) {
  Object.defineProperty(made.prototype, Symbol.toStringTag, { value: made.name, configurable: true });
}
Object.assign(globalThis, { Event, EventTarget, CustomEvent, MessageEvent, AbortSignal, AbortController });
