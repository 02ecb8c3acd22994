// MessageChannel: two ports within the sandbox.

import { setImmediate } from "../loop.js";

class MessagePort extends EventTarget {
  #other = null;
  #handler = null;
  static join(one, other) {
    one.#other = other;
    other.#other = one;
  }
  get onmessage() {
    return this.#handler;
  }
  set onmessage(handler) {
    if (this.#handler) this.removeEventListener("message", this.#handler);
    this.#handler = handler;
    if (handler) this.addEventListener("message", handler);
  }
  postMessage(message) {
    const data = structuredClone(message);
    const target = this.#other;
    setImmediate(() => target?.dispatchEvent(new MessageEvent("message", { data })));
  }
  on(type, listener) {
    this.addEventListener(type, ({ data }) => listener(data));
    return this;
  }
  start() {}
  close() {
    this.#other = null;
  }
  ref() {}
  unref() {}
}

const { join } = MessagePort;
delete MessagePort.join;

class MessageChannel {
  port1 = new MessagePort();
  port2 = new MessagePort();
  constructor() {
    join(this.port1, this.port2);
  }
}

Object.assign(globalThis, { MessageChannel, MessagePort });
