// The guest half of @capsule-run/sdk: declares tasks, and calls them as sub-tasks.

import { Envelope, TaskError, promised } from "@capsule-run/sdk/envelope.js";
import { outcome, start as startTask } from "capsule:runtime/tasks@1.0.0";
import { text } from "./border.js";
import { current } from "./context.js";
import { position } from "./frames.js";
import { needHost } from "./fresh.js";
import { ended } from "./loop.js";
import OPTIONS from "./options.json";
import { flush } from "./output.js";

const AsyncFunction = (async () => {}).constructor;

export const registry = new Map();

/** Declares a task. The function it returns starts the task in a sandbox of its own. */
export function task(options, fn) {
  if (typeof options !== "object" || options === null) throw new TypeError("task(options, fn): options is an object");
  const { name } = options;
  if (typeof name !== "string" || !name) throw new TypeError("task({ name }, fn): a task needs a name");
  if (typeof fn !== "function") throw new TypeError(`task({ name: "${name}" }, fn): fn is a function`);
  if (registry.has(name)) throw new Error(`two tasks are named "${name}"`);
  registry.set(name, { fn, options, context: current(), stack: new Error().stack });

  const start = (...args) => promised(concurrent(name, args), name);
  const call = fn instanceof AsyncFunction ? (...args) => start(...args) : (...args) => blocking(name, args);
  Object.defineProperty(call, "name", { value: name });
  return Object.assign(call, { start, map: (items) => promised(Promise.all(Array.from(items, (item) => start(item))), name) });
}

export { Envelope, TaskError };
export { ToolError, tools } from "./tools.js";

function begin(name, args) {
  needHost(`the task "${name}"`);
  flush();
  return startTask(text(name), `{"args":${encode(name, args)},"kwargs":{}}`);
}

function encode(name, args) {
  try {
    return JSON.stringify(args);
  } catch (error) {
    throw new TypeError(`the arguments of task "${name}" are not JSON: ${error.message}`, { cause: error });
  }
}

function blocking(name, args) {
  let handle;
  try {
    handle = begin(name, args);
  } catch (error) {
    return refused(name, error);
  }
  return taken(handle);
}

async function concurrent(name, args) {
  let handle;
  try {
    handle = begin(name, args);
  } catch (error) {
    return refused(name, error);
  }
  await ended(handle);
  return taken(handle);
}

function taken(handle) {
  return new Envelope(JSON.parse(outcome(handle)));
}

const REFUSALS = {
  "unknown-task": "invalid_call",
  "bad-arguments": "invalid_call",
  "not-running": "invalid_call",
  "depth-limit": "limit_exceeded",
  "task-limit": "limit_exceeded",
};

function refused(name, error) {
  if (!error?.payload?.reason) throw error;
  const { reason, message } = error.payload;
  return new Envelope({
    success: false,
    result: null,
    error: { error_type: REFUSALS[reason] ?? "invalid_call", message, traceback: null },
    execution: { task_name: name, duration_ms: 0, retries: 0, fuel_consumed: 0 },
  });
}

/** The registered tasks, as the contract's `declared` gives them. */
export function declared() {
  return [...registry].map(([name, { options, stack }]) => {
    const known = {};
    for (const [option, snake] of Object.entries(OPTIONS)) {
      if (options[option] !== undefined) known[snake] = plain(options[option]);
    }
    for (const option of Object.keys(options)) {
      if (option !== "name" && !(option in OPTIONS)) known[option] = plain(options[option]);
    }
    return { name, options: known, ...caller(stack) };
  });
}

function caller(stack) {
  const match = /<input>:(\d+):(\d+)/.exec(stack);
  if (!match) return { file: null, line: null };
  const { file, line } = position(Number(match[1]), Number(match[2]));
  return file === "bundle" ? { file: null, line: null } : { file, line };
}

// The host reports an option that can't be used by name, and shows this text as its value.
function plain(value) {
  try {
    return JSON.parse(JSON.stringify(value) ?? JSON.stringify(String(value)));
  } catch {
    return String(value);
  }
}
