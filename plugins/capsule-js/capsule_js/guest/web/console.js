// console: levels, formatting, groups, counters and timers.

import { formatWithOptions, inspect } from "node-inspect-extracted";
import { frames, readable } from "../frames.js";
import { now } from "../fresh.js";
import { stderr, stdout } from "../output.js";

const counts = new Map();
const started = new Map();
let indent = "";

// Formatting costs twenty times the printing: text that needs none goes past it.
function format(values) {
  if (values.length === 1 && typeof values[0] === "string") return values[0];
  return formatWithOptions({}, ...values);
}

function print(output, values) {
  let text = readable(format(values));
  if (indent) text = indent + text.replaceAll("\n", `\n${indent}`);
  output.write(`${text}\n`);
}

function cell(value) {
  return typeof value === "object" && value !== null ? inspect(value, { depth: 0 }) : inspect(value);
}

function tabulate(data, columns) {
  const rows = data instanceof Map ? [...data] : Object.entries(data);
  const names = columns ?? [...new Set(rows.flatMap(([, row]) => (row && typeof row === "object" ? Object.keys(row) : [])))];
  const plain = rows.some(([, row]) => row === null || typeof row !== "object");
  const head = ["(index)", ...names, ...(plain ? ["Values"] : [])];
  const body = rows.map(([key, row]) => {
    const fields = names.map((name) => (row && typeof row === "object" && Object.hasOwn(row, name) ? cell(row[name]) : ""));
    return [String(key), ...fields, ...(plain ? [row === null || typeof row !== "object" ? cell(row) : ""] : [])];
  });
  const widths = head.map((name, at) => Math.max(name.length, ...body.map((row) => row[at].length)) + 2);
  const rule = (left, middle, right) => left + widths.map((width) => "─".repeat(width)).join(middle) + right;
  const line = (cells) => `│${cells.map((text, at) => ` ${text.padEnd(widths[at] - 1)}`).join("│")}│`;
  return [rule("┌", "┬", "┐"), line(head), rule("├", "┼", "┤"), ...body.map(line), rule("└", "┴", "┘")].join("\n");
}

function elapsed(label) {
  return `${label}: ${(now() - started.get(label)).toFixed(3)}ms`;
}

export const console = {
  log: (...values) => print(stdout, values),
  info: (...values) => print(stdout, values),
  debug: (...values) => print(stdout, values),
  error: (...values) => print(stderr, values),
  warn: (...values) => print(stderr, values),
  dir: (value, options) => stdout.write(`${indent}${inspect(value, { customInspect: false, ...options })}\n`),
  dirxml: (...values) => print(stdout, values),
  trace(...values) {
    const places = frames(new Error().stack);
    print(stderr, [`Trace: ${format(values)}${places ? `\n${places}` : ""}`]);
  },
  assert(condition, ...values) {
    if (condition) return;
    if (typeof values[0] === "string") values[0] = `Assertion failed: ${values[0]}`;
    else values.unshift("Assertion failed");
    print(stderr, values);
  },
  count(label = "default") {
    counts.set(label, (counts.get(label) ?? 0) + 1);
    print(stdout, [`${label}: ${counts.get(label)}`]);
  },
  countReset: (label = "default") => void counts.delete(label),
  group(...values) {
    if (values.length) print(stdout, values);
    indent += "  ";
  },
  groupEnd() {
    indent = indent.slice(2);
  },
  table(data, columns) {
    if (typeof data !== "object" || data === null) print(stdout, [data]);
    else print(stdout, [tabulate(data, columns)]);
  },
  time: (label = "default") => void started.set(label, now()),
  timeLog(label = "default", ...values) {
    if (started.has(label)) print(stdout, [elapsed(label), ...values]);
  },
  timeEnd(label = "default") {
    if (started.has(label)) print(stdout, [elapsed(label)]);
    started.delete(label);
  },
  profile() {},
  profileEnd() {},
  timeStamp() {},
};
console.groupCollapsed = console.group;

globalThis.console = console;
