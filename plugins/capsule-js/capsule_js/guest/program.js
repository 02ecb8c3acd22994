// Loads the user's program and calls its tasks.

import { enter } from "./context.js";
import { entry } from "./entries.js";
import { describe } from "./failure.js";
import { wrap } from "./frames.js";
import { settle } from "./loop.js";
import { checkMemory } from "./reserve.js";
import { registry } from "./sdk.js";

const evaluate = globalThis.eval;
const { parse, stringify } = JSON;

/** Evaluates the bundle and waits for its top level. Throws what it throws. */
export async function load(require) {
  await settle(start(require), "the program's top level");
}

/** Evaluates the bundle while a snapshot is made: there is no event loop, promises alone have to do. */
export async function preload(require) {
  await start(require);
}

function start(require) {
  const bundle = entry("bundle");
  if (bundle === null) throw new Error("the artifact holds no bundle");
  return evaluate(wrap(bundle))(require, "/app/main.js", "/app");
}

/** Runs one call and gives the contract's JSON. Never throws. */
export async function run(call) {
  let parsed;
  try {
    parsed = parse(call);
  } catch (error) {
    // Python writes NaN and infinities as names, which JSON hasn't.
    return failed({ error_type: "invalid_call", message: `the arguments are not JSON: ${error.message}`, traceback: null });
  }
  const { task: name, args = [], kwargs = {} } = parsed;
  const found = registry.get(name);
  if (!found) {
    const known = [...registry.keys()].sort().join(", ") || "none";
    return failed({
      error_type: "invalid_call",
      message: `no task named "${name}"; the program's tasks are: ${known}`,
      traceback: null,
    });
  }
  try {
    const given = Object.keys(kwargs).length ? [...args, kwargs] : args;
    const result = await settle(invoke(found, given), `the task "${name}"`);
    return `{"result":${encode(result)}}`;
  } catch (error) {
    return failed(describe(error));
  }
}

async function invoke({ fn, context }, args) {
  try {
    enter(context);
    // Awaited here, since returning a promise would call its `then`, which a program may have replaced.
    return await fn(...args);
  } catch (error) {
    // Without memory, not even the promise could be rejected.
    checkMemory();
    throw error;
  }
}

function failed(error) {
  return stringify({ error });
}

function encode(result) {
  try {
    return stringify(result) ?? "null";
  } catch (error) {
    const obstacle = findObstacle(result, "result", []);
    if (!obstacle) throw error;
    throw new TypeError(`the task's result is not JSON: ${obstacle}`);
  }
}

function findObstacle(value, path, above) {
  if (typeof value === "bigint") return `${path} is a BigInt; return Number(value) or String(value)`;
  if (typeof value !== "object" || value === null) return null;
  const circle = above.findIndex(([other]) => other === value);
  if (circle >= 0) return `${path} refers back to ${above[circle][1]}`;
  if (typeof value.toJSON === "function") return null;
  const here = [...above, [value, path]];
  for (const key of Object.keys(value)) {
    const step = Array.isArray(value) ? `[${key}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    const found = findObstacle(value[key], path + step, here);
    if (found) return found;
  }
  return null;
}
