// What `task` is outside a sandbox: the function itself, so that code of tasks can be tested. Inside a sandbox
// the engine brings its own; the two have the same surface.

import { Envelope, TaskError, promised } from "./envelope.js";

export { TaskError };

/** What a tool chose to tell of its failure. */
export class ToolError extends Error {
  get name() {
    return "ToolError";
  }
}

/** Outside a sandbox there are no tools: each call says so. */
export const tools = new Proxy(Object.freeze(Object.create(null)), {
  get(_, name) {
    if (typeof name !== "string" || name === "then") return undefined;
    return async () => {
      throw new Error(`there is no tool "${name}" outside of a sandbox: tools are given to a run`);
    };
  },
});

const AsyncFunction = (async () => {}).constructor;

export function task(options, fn) {
  if (typeof options !== "object" || options === null) throw new TypeError("task(options, fn): options is an object");
  const { name } = options;
  if (typeof name !== "string" || !name) throw new TypeError("task({ name }, fn): a task needs a name");
  if (typeof fn !== "function") throw new TypeError(`task({ name: "${name}" }, fn): fn is a function`);

  const run = async (args) => {
    const started = performance.now();
    try {
      return returned(name, await fn(...args), started);
    } catch (error) {
      return failed(name, error, started);
    }
  };
  const start = (...args) => promised(run(args), name);
  const blocking = (...args) => {
    const started = performance.now();
    try {
      return returned(name, fn(...args), started);
    } catch (error) {
      return failed(name, error, started);
    }
  };
  const call = fn instanceof AsyncFunction ? (...args) => start(...args) : blocking;
  Object.defineProperty(call, "name", { value: name });
  return Object.assign(call, { start, map: (items) => promised(Promise.all(Array.from(items, (item) => start(item))), name) });
}

function returned(name, result, started) {
  return new Envelope({ success: true, result: result ?? null, error: null, execution: execution(name, started) });
}

function failed(name, error, started) {
  const message = error instanceof TaskError ? error.message : String(error);
  const info = { error_type: "task_error", message, traceback: error?.stack ?? null };
  return new Envelope({ success: false, result: null, error: info, execution: execution(name, started) });
}

function execution(name, started) {
  return { task_name: name, duration_ms: Math.round(performance.now() - started), retries: 0, fuel_consumed: 0 };
}
