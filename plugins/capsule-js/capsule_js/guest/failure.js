// Thrown values, as the contract's error objects.

import { SubTask, TaskError } from "@capsule-run/sdk/envelope.js";
import { frames } from "./frames.js";
import { limit } from "./language.js";
import { checkMemory, useReserve, wasExhausted } from "./reserve.js";

const LONGEST = 64 * 1024;
const DEPTH = 8;
const OUT_OF_MEMORY = "InternalError: out of memory";

/** An error that the policy caused; lets the outcome say so. */
export const DENIED = Symbol.for("capsule.denied");

/**
 * A thrown value as `{error_type, message, traceback}`, and `own` where a failed sub-task is part of it: the stack
 * without that task's. Never throws.
 */
export function describe(thrown, kind) {
  checkMemory();
  useReserve();
  try {
    const described = {
      error_type: kind ?? classify(thrown),
      message: shorten(message(thrown)),
      traceback: shorten(traceback(thrown)),
    };
    if (causes(thrown).some((error) => error instanceof SubTask)) described.own = shorten(traceback(thrown, true));
    return described;
  } catch (error) {
    if (wasExhausted() || outOfMemory(error)) return { error_type: kind ?? "out_of_memory", message: OUT_OF_MEMORY, traceback: null };
    return { error_type: kind ?? "task_error", message: "an error that can't be shown", traceback: null };
  }
}

function classify(thrown) {
  const reached = limit(thrown);
  if (reached) return reached;
  return causes(thrown).some((error) => error[DENIED]) ? "permission_denied" : "task_error";
}

function outOfMemory(thrown) {
  return limit(thrown) === "out_of_memory";
}

function isObject(value) {
  return typeof value === "object" && value !== null;
}

function message(thrown) {
  if (outOfMemory(thrown)) return OUT_OF_MEMORY;
  if (!isObject(thrown)) return `${show(thrown)} was thrown: not an Error, so it has no stack`;
  if (!(thrown instanceof Error) && thrown.message === undefined) return `${show(thrown)} was thrown`;
  if (thrown instanceof TaskError) return thrown.message;
  const name = String(thrown.name ?? "Error");
  return thrown.message ? `${name}: ${thrown.message}` : name;
}

function show(value) {
  if (typeof value === "string") return JSON.stringify(value);
  if (!isObject(value)) return String(value);
  try {
    return JSON.stringify(value) ?? Object.prototype.toString.call(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

function causes(thrown) {
  const chain = [];
  for (let error = thrown; isObject(error) && chain.length < DEPTH; error = error.cause) chain.push(error);
  return chain;
}

function traceback(thrown, own = false) {
  if (!isObject(thrown)) return null;
  const parts = [];
  for (const error of causes(thrown)) {
    if (own && error instanceof SubTask) break;
    const head = `${parts.length ? "caused by: " : ""}${message(error)}`;
    const places = typeof error.stack === "string" ? frames(error.stack) : "";
    parts.push(places ? `${head}\n${places}` : head);
    for (const one of Array.isArray(error.errors) ? error.errors.slice(0, DEPTH) : []) parts.push(`  - ${message(one)}`);
  }
  return parts.join("\n");
}

function shorten(text) {
  if (text === null || text.length <= LONGEST) return text;
  return `${text.slice(0, LONGEST / 2)}\n[...]\n${text.slice(-LONGEST / 2)}`;
}
