// timers/promises.

import * as timers from "../loop.js";

function abortable(signal, start, stop) {
  if (signal?.aborted) return Promise.reject(abortError(signal));
  const { promise, resolve, reject } = Promise.withResolvers();
  const abort = () => {
    stop(timer);
    reject(abortError(signal));
  };
  const timer = start(() => {
    signal?.removeEventListener("abort", abort);
    resolve();
  });
  signal?.addEventListener("abort", abort, { once: true });
  return promise;
}

function abortError(signal) {
  return Object.assign(new Error("The operation was aborted", { cause: signal.reason }), { name: "AbortError", code: "ABORT_ERR" });
}

async function setTimeout(delay, value, { signal } = {}) {
  await abortable(signal, (done) => timers.setTimeout(done, delay), timers.clearTimeout);
  return value;
}

async function setImmediate(value, { signal } = {}) {
  await abortable(signal, (done) => timers.setImmediate(done), timers.clearImmediate);
  return value;
}

async function* setInterval(delay, value, options) {
  for (;;) yield await setTimeout(delay, value, options);
}

const scheduler = { wait: (delay, options) => setTimeout(delay, undefined, options), yield: () => setImmediate() };

export default { scheduler, setImmediate, setInterval, setTimeout };
