// events: the well-known package, and what Node has added since.

import EventEmitter from "events/events.js";

const { once } = EventEmitter;

EventEmitter.errorMonitor = Symbol("events.errorMonitor");
EventEmitter.captureRejectionSymbol = Symbol.for("nodejs.rejection");
EventEmitter.captureRejections = false;

EventEmitter.getEventListeners = (target, type) => (target instanceof EventEmitter ? target.listeners(type) : []);

EventEmitter.setMaxListeners = (count = EventEmitter.defaultMaxListeners, ...targets) => {
  if (!targets.length) EventEmitter.defaultMaxListeners = count;
  for (const target of targets) target.setMaxListeners?.(count);
};

EventEmitter.once = (target, type, { signal } = {}) => {
  if (!signal) return once(target, type);
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers();
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return Promise.race([once(target, type), promise]);
};

EventEmitter.on = async function* (target, type, { signal } = {}) {
  const queue = [];
  let wake;
  let failure;
  const push = (...args) => {
    queue.push(args);
    wake?.();
  };
  const fail = (error) => {
    failure = { error };
    wake?.();
  };
  const abort = () => fail(signal.reason);
  target.on(type, push);
  if (type !== "error") target.on("error", fail);
  signal?.addEventListener("abort", abort);
  try {
    signal?.throwIfAborted();
    for (;;) {
      while (queue.length) yield queue.shift();
      if (failure) throw failure.error;
      await new Promise((resolve) => (wake = resolve));
    }
  } finally {
    target.off(type, push);
    target.off("error", fail);
    signal?.removeEventListener("abort", abort);
  }
};

class EventEmitterAsyncResource extends EventEmitter {
  emitDestroy() {}
}
EventEmitter.EventEmitterAsyncResource = EventEmitterAsyncResource;
EventEmitter.default = EventEmitter;

export { EventEmitter };
export default EventEmitter;
