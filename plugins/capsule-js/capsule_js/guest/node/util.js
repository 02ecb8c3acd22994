// util.

import inspection from "node-inspect-extracted";
import { nextTick } from "../loop.js";
import { stderr } from "../output.js";
import { deepEqual } from "./deep_equal.js";
import process from "./process.js";
import types from "./util_types.js";

const { format, formatWithOptions, inspect, stripVTControlCharacters } = inspection;
const CUSTOM = Symbol.for("nodejs.util.promisify.custom");

export function promisify(original) {
  if (typeof original !== "function") throw new TypeError('The "original" argument must be of type function');
  if (original[CUSTOM]) return original[CUSTOM];
  function promised(...args) {
    return new Promise((resolve, reject) => {
      original.call(this, ...args, (error, value) => (error ? reject(error) : resolve(value)));
    });
  }
  Object.setPrototypeOf(promised, Object.getPrototypeOf(original));
  return Object.defineProperties(promised, Object.getOwnPropertyDescriptors(original));
}
promisify.custom = CUSTOM;

export function callbackify(original) {
  return function (...args) {
    const callback = args.pop();
    original.apply(this, args).then(
      (value) => nextTick(callback, null, value),
      (error) => nextTick(callback, error ?? new Error("a promise was rejected with a falsy value", { cause: error })),
    );
  };
}

export function inherits(constructor, parent) {
  Object.defineProperty(constructor, "super_", { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(constructor.prototype, parent.prototype);
}

export function deprecate(fn, message, code) {
  let warned = false;
  return function (...args) {
    if (!warned) {
      warned = true;
      process.emitWarning(`${code ? `[${code}] ` : ""}DeprecationWarning: ${message}`);
    }
    return new.target ? Reflect.construct(fn, args, new.target) : fn.apply(this, args);
  };
}

export function debuglog(section) {
  const enabled = () => new RegExp(`\\b${section}\\b`, "i").test(process.env.NODE_DEBUG ?? "");
  const log = (...args) => {
    if (enabled()) stderr.write(`${section.toUpperCase()} 1: ${format(...args)}\n`);
  };
  return Object.defineProperty(log, "enabled", { get: enabled });
}

const isDeepStrictEqual = (one, other) => deepEqual(one, other, true);

function styleText(styles, text) {
  const codes = [styles].flat().map((style) => inspect.colors[style] ?? [0, 0]);
  return codes.reduce((styled, [on, off]) => `\u001b[${on}m${styled}\u001b[${off}m`, text);
}

function aborted(signal) {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

const primitive = (value) => value === null || (typeof value !== "object" && typeof value !== "function");
const { TextDecoder, TextEncoder } = globalThis;

const util = {
  TextDecoder,
  TextEncoder,
  aborted,
  callbackify,
  debug: debuglog,
  debuglog,
  deprecate,
  format,
  formatWithOptions,
  inherits,
  inspect,
  isArray: Array.isArray,
  isBoolean: (value) => typeof value === "boolean",
  isBuffer: (value) => Buffer.isBuffer(value),
  isDate: types.isDate,
  isDeepStrictEqual,
  isError: types.isNativeError,
  isFunction: (value) => typeof value === "function",
  isNull: (value) => value === null,
  isNullOrUndefined: (value) => value === null || value === undefined,
  isNumber: (value) => typeof value === "number",
  isObject: (value) => typeof value === "object" && value !== null,
  isPrimitive: primitive,
  isRegExp: types.isRegExp,
  isString: (value) => typeof value === "string",
  isSymbol: (value) => typeof value === "symbol",
  isUndefined: (value) => value === undefined,
  log: (...args) => console.log(...args),
  promisify,
  stripVTControlCharacters,
  styleText,
  toUSVString: (text) => String(text).toWellFormed(),
  types,
};

export { format, formatWithOptions, inspect, isDeepStrictEqual, stripVTControlCharacters, types };
export default util;
