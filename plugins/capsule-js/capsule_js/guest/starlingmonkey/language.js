// What is SpiderMonkey's own.

import { header, isHidden } from "../stack.js";

/** What `process.versions` says. */
export const VERSIONS = { "componentize-js": "0.23.0" };

/** What gives an evaluated text its name in stacks. */
export const SOURCE_NAME = "\n//# sourceURL=<input>";

const wait = globalThis.setTimeout;
const NativePromise = Promise;

/**
 * Ends when no promise job is left to run: the border between two macrotasks.
 *
 * The engine has an event loop of its own, which runs all promise jobs before it looks at its timers. It never has to
 * wait in this one: it would do so in WASI, where no deadline reaches it.
 */
export function turn() {
  return new NativePromise((resolve) => wait(resolve, 0));
}

// `name@file:line:column`, with `async*` in front where the frame waits for the one above.
const FRAME = /^(async\*)?(.*?)@(.*):(\d+):(\d+)$/;
// Evaluated text has the name of what it was evaluated by; the program's own is named by `SOURCE_NAME`.
const EVALUATED = / > (?:eval|Function)$/;

// What programs know from V8. Frames of the engine itself are left out.
class CallSite {
  #frame;
  constructor(frame) {
    this.#frame = frame;
  }
  getFileName() {
    return this.#frame.source;
  }
  getScriptNameOrSourceURL() {
    return this.#frame.source;
  }
  getLineNumber() {
    return Number(this.#frame.line);
  }
  getColumnNumber() {
    return Number(this.#frame.column);
  }
  getFunctionName() {
    return isHidden(this.#frame.name) ? null : this.#frame.name;
  }
  isAsync() {
    return this.#frame.waits;
  }
  isEval() {
    return this.#frame.source === "<eval>";
  }
  toString() {
    const { source, line, column, waits } = this.#frame;
    const name = this.getFunctionName();
    const place = `${source}:${line}:${column}`;
    return `${waits ? "async " : ""}${name === null ? place : `${name} (${place})`}`;
  }
}

for (const name of ["getThis", "getFunction", "getTypeName", "getMethodName", "getEvalOrigin"]) CallSite.prototype[name] = () => null;
for (const name of ["isNative", "isToplevel", "isConstructor", "isPromiseAll"]) CallSite.prototype[name] = () => false;

function callSites(stack) {
  const sites = [];
  for (const text of stack.split("\n")) {
    const [, waits, name, file, line, column] = FRAME.exec(text) ?? [];
    const source = file === "<input>" ? file : EVALUATED.test(file) ? "<eval>" : null;
    if (source) sites.push(new CallSite({ source, line, column, name, waits: Boolean(waits) }));
  }
  return sites;
}

function formatted(error, stack) {
  const sites = callSites(stack);
  if (typeof Error.prepareStackTrace === "function") return Error.prepareStackTrace(error, sites);
  let first = "";
  try {
    first = header(error);
  } catch {
    // An error that can't say its name still has places.
  }
  return first + sites.map((site) => `\n    at ${site}`).join("");
}

const { get, set } = Object.getOwnPropertyDescriptor(Error.prototype, "stack");
Object.defineProperty(Error.prototype, "stack", {
  configurable: true,
  get() {
    const stack = get.call(this);
    return typeof stack === "string" ? formatted(this, stack) : stack;
  },
  set,
});

const capture = Error.captureStackTrace;
Error.captureStackTrace = function captureStackTrace(target, above) {
  capture(target, above);
  const { value, get: read } = Object.getOwnPropertyDescriptor(target, "stack") ?? {};
  const stack = value ?? read?.call(target);
  if (typeof stack !== "string") return;
  Object.defineProperty(target, "stack", { value: formatted(target, stack), writable: true, configurable: true });
};

/** The limit that the language says was reached by throwing `thrown`: an error type, or null. */
export function limit(thrown) {
  if (thrown === "out of memory") return "out_of_memory";
  if (typeof thrown !== "object" || thrown?.constructor?.name !== "InternalError") return null;
  if (thrown.message === "too much recursion") return "stack_overflow";
  return /^(?:out of memory|allocation size overflow)$/.test(thrown.message) ? "out_of_memory" : null;
}
