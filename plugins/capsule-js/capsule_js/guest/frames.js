// Places in the program, as the user knows them.
//
// The engine's errors name places in the evaluated text, as `<input>:line:column`. That stays so in `error.stack`:
// most errors are caught and never shown, and looking places up costs. What is shown is mapped: tracebacks, and
// whatever the console prints.

import { entry } from "./entries.js";
import { SOURCE_NAME } from "./language.js";

const WRAPPER = '(async (require, __filename, __dirname) => { "use strict"; ';
const FRAME = /^\s*at (?:async )?(?:(.*) \()?(<input>|<eval>):(\d+):(\d+)\)?$/;
const PLACE = /<input>:(\d+):(\d+)/g;

/** The text to evaluate for a bundle. */
export function wrap(bundle) {
  return `${WRAPPER}${bundle}\n})${SOURCE_NAME}`;
}

let table;
let sources;

/** Where `line`:`column` (from 1) of the evaluated text comes from: `{file, line, column}`. */
export function position(line, column) {
  const generated = line === 1 ? column - WRAPPER.length : column;
  table ??= (entry("frames") ?? "").split("\n");
  const segments = table[line];
  if (segments) {
    try {
      sources ??= JSON.parse(table[0]);
    } catch {
      sources = [];
    }
    let found;
    for (const segment of segments.split(";")) {
      const [start, source, sourceLine, sourceColumn] = segment.split(",").map((number) => parseInt(number, 36));
      if (start > generated - 1) break;
      found = { file: sources?.[source], line: sourceLine + 1, column: sourceColumn + 1 };
    }
    if (found?.file) return found;
  }
  return { file: "bundle", line, column: generated };
}

function show(line, column) {
  const place = position(Number(line), Number(column));
  return `${place.file}:${place.line}:${place.column}`;
}

/** A text with all places in the program replaced by the user's own. */
export function readable(text) {
  return text.includes("<input>:") ? text.replace(PLACE, (_, line, column) => show(line, column)) : text;
}

/** The frames of a stack, without its first lines, with the user's own places. */
export function frames(stack) {
  return readable(
    String(stack)
      .split("\n")
      .filter((line) => FRAME.test(line))
      .join("\n"),
  );
}
