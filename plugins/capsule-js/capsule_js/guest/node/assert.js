// assert.

import { inspect } from "node-inspect-extracted";
import { deepEqual as compare } from "./deep_equal.js";

class AssertionError extends Error {
  constructor({ message, actual, expected, operator }) {
    super(message ?? `${inspect(actual)} ${operator} ${inspect(expected)}`);
    this.generatedMessage = message === undefined;
    this.code = "ERR_ASSERTION";
    Object.assign(this, { actual, expected, operator });
  }
  get name() {
    return "AssertionError";
  }
}

function fail(message = "Failed") {
  if (message instanceof Error) throw message;
  throw new AssertionError({ message, operator: "fail" });
}

function check(good, message, actual, expected, operator, sentence) {
  if (good) return;
  if (message instanceof Error) throw message;
  const text = message ?? `${sentence}:\n\n${inspect(actual)}\n\nshould ${operator}\n\n${inspect(expected)}\n`;
  const error = new AssertionError({ message: text, actual, expected, operator });
  error.generatedMessage = message === undefined;
  throw error;
}

function ok(value, message) {
  if (value) return;
  if (message instanceof Error) throw message;
  const text = message ?? "The expression evaluated to a falsy value";
  throw new AssertionError({ message: text, actual: value, expected: true, operator: "==" });
}

function matches(error, expected) {
  if (expected === undefined) return true;
  if (expected instanceof RegExp) return expected.test(String(error));
  if (typeof expected === "function") {
    if (expected.prototype !== undefined && error instanceof expected) return true;
    if (Error.isPrototypeOf(expected) || expected === Error) return false;
    return expected.call({}, error) === true;
  }
  return Object.keys(expected).every((key) =>
    expected[key] instanceof RegExp && typeof error[key] === "string"
      ? expected[key].test(error[key])
      : compare(error[key], expected[key], true),
  );
}

function judge(thrown, expected, message, operator) {
  if (typeof expected === "string") [expected, message] = [undefined, expected];
  if (!thrown) {
    const kind = operator === "rejects" ? "rejection" : "exception";
    throw new AssertionError({ message: message ?? `Missing expected ${kind}.`, expected, operator });
  }
  if (matches(thrown.error, expected)) return;
  if (typeof expected !== "object" || expected instanceof RegExp) {
    if (!(expected instanceof RegExp) && typeof expected === "function") throw thrown.error;
  }
  check(false, message, thrown.error, expected, operator, "The error did not match");
}

function caught(fn) {
  try {
    fn();
    return null;
  } catch (error) {
    return { error };
  }
}

async function rejected(promiseOrFunction) {
  try {
    await (typeof promiseOrFunction === "function" ? promiseOrFunction() : promiseOrFunction);
    return null;
  } catch (error) {
    return { error };
  }
}

function unwanted(thrown, message, operator) {
  if (!thrown) return;
  const text = typeof message === "string" ? message : `Got unwanted exception.\nActual message: "${thrown.error?.message}"`;
  throw new AssertionError({ message: text, actual: thrown.error, operator });
}

const loose = (one, other) => one == other || (Number.isNaN(one) && Number.isNaN(other));

const assert = Object.assign((value, message) => ok(value, message), {
  AssertionError,
  ok,
  fail,
  equal: (a, b, m) => check(loose(a, b), m, a, b, "loosely equal", "Expected values to be loosely equal"),
  notEqual: (a, b, m) => check(!loose(a, b), m, a, b, "not loosely equal", "Expected values to be loosely unequal"),
  strictEqual: (a, b, m) => check(Object.is(a, b), m, a, b, "strictly equal", "Expected values to be strictly equal"),
  notStrictEqual: (a, b, m) => check(!Object.is(a, b), m, a, b, "not strictly equal", "Expected values to be strictly unequal"),
  deepEqual: (a, b, m) => check(compare(a, b, false), m, a, b, "loosely deep-equal", "Expected values to be loosely deep-equal"),
  notDeepEqual: (a, b, m) => check(!compare(a, b, false), m, a, b, "not loosely deep-equal", "Expected values to differ"),
  deepStrictEqual: (a, b, m) => check(compare(a, b, true), m, a, b, "strictly deep-equal", "Expected values to be strictly deep-equal"),
  notDeepStrictEqual: (a, b, m) => check(!compare(a, b, true), m, a, b, "not strictly deep-equal", "Expected values to differ"),
  match: (text, pattern, m) => check(pattern.test(text), m, text, pattern, "match", "The input did not match"),
  doesNotMatch: (text, pattern, m) => check(!pattern.test(text), m, text, pattern, "not match", "The input matched"),
  throws: (fn, expected, message) => judge(caught(fn), expected, message, "throws"),
  rejects: async (promise, expected, message) => judge(await rejected(promise), expected, message, "rejects"),
  doesNotThrow: (fn, expected, message) => unwanted(caught(fn), message ?? expected, "doesNotThrow"),
  doesNotReject: async (promise, expected, message) => unwanted(await rejected(promise), message ?? expected, "doesNotReject"),
  ifError(value) {
    if (value !== null && value !== undefined) throw value;
  },
});

const strict = Object.assign((value, message) => ok(value, message), assert, {
  equal: assert.strictEqual,
  notEqual: assert.notStrictEqual,
  deepEqual: assert.deepStrictEqual,
  notDeepEqual: assert.notDeepStrictEqual,
});
strict.strict = strict;
assert.strict = strict;

export { AssertionError, strict };
export default assert;
