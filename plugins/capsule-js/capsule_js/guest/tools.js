// Host tools: functions of the program that started the run, as in `await tools.search({ query: "x" })`.

import { outcome, start } from "capsule:runtime/tasks@1.0.0";
import { text } from "./border.js";
import { DENIED } from "./failure.js";
import { needHost } from "./fresh.js";
import { ended } from "./loop.js";
import { flush } from "./output.js";

const PREFIX = "\0tool:";

/** What a tool chose to tell of its failure. */
export class ToolError extends Error {
  get name() {
    return "ToolError";
  }
}

/** One object stands for arguments by name; anything else is taken by place. */
function encode(name, args) {
  const named = args.length === 1 && isPlain(args[0]);
  try {
    return JSON.stringify(named ? { args: [], kwargs: args[0] } : { args, kwargs: {} });
  } catch (error) {
    throw new TypeError(`the arguments of the tool "${name}" are not JSON: ${error.message}`, { cause: error });
  }
}

function isPlain(value) {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function denied(message) {
  return Object.assign(new Error(message), { code: "EACCES", [DENIED]: true });
}

async function call(name, args) {
  needHost(`the tool "${name}"`);
  flush();
  let handle;
  try {
    handle = start(text(PREFIX + name), encode(name, args));
  } catch (error) {
    if (!error?.payload?.reason) throw error;
    const { reason, message } = error.payload;
    throw reason === "unknown-task" ? denied(message) : new ToolError(message);
  }
  await ended(handle);
  const { success, result, error } = JSON.parse(outcome(handle));
  if (success) return result;
  if (error.error_type === "invalid_call") throw new TypeError(error.message);
  throw error.error_type === "permission_denied" ? denied(error.message) : new ToolError(error.message);
}

const known = new Map();

/** Every name is a tool: whether there is one is for the host to say, when it is called. */
export const tools = new Proxy(Object.freeze(Object.create(null)), {
  get(_, name) {
    // Not a thenable, so that it can be returned from async functions.
    if (typeof name !== "string" || name === "then") return undefined;
    if (!known.has(name)) known.set(name, Object.defineProperty((...args) => call(name, args), "name", { value: name }));
    return known.get(name);
  },
});
