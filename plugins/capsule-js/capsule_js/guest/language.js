// What is QuickJS's own. `starlingmonkey/language.js` stands in for it in the other engine.

import { entry } from "./entries.js";
import { wasExhausted } from "./reserve.js";
import { header, isHidden } from "./stack.js";

const NativePromise = Promise;
const makeFuture = wit.Future;
const { U32 } = wit.Future;

/** What `process.versions` says. */
export const VERSIONS = { quickjs: "ng" };

/** What gives an evaluated text its name in stacks: here it is `<input>` without it. */
export const SOURCE_NAME = "";

/**
 * Ends when no promise job is left to run: the border between two macrotasks.
 *
 * QuickJS runs promise jobs when a lifted async export waits. Reading a component-model future that this guest itself
 * completes is such a wait, and it ends only once no promise job is left.
 */
export async function turn() {
  const { readable, writable } = makeFuture(U32);
  const read = readable.read();
  // `await` asks for it: a program may have replaced the one of all promises.
  Object.defineProperty(read, "constructor", { value: NativePromise });
  writable.write(0);
  await read;
}

// Stacks have the form that programs know from V8. Frames of the engine itself are left out. What stands above an
// evaluation that the program asked for lies in the text that it evaluated, not in the bundle.
function prepareStackTrace(error, sites) {
  let frames = [];
  let evaluated = null;
  for (const site of sites) {
    // Where a text that is parsed at run time (`JSON.parse`, `eval`, `new Function`) is wrong is no place in the bundle,
    // though the site looks like one. It alone is in no function.
    if (site.getFileName() !== "<input>" || site.getFunction() === null) continue;
    const name = site.getFunctionName();
    const place = `<input>:${site.getLineNumber()}:${site.getColumnNumber()}`;
    if (name === "<eval>") {
      evaluated = `\n    at ${place}`;
      continue;
    }
    if (evaluated) {
      frames = [...frames, evaluated].map((frame) => frame.replace("<input>:", "<eval>:"));
      evaluated = null;
    }
    frames.push(isHidden(name) ? `\n    at ${place}` : `\n    at ${name} (${place})`);
  }
  try {
    return header(error) + frames.join("");
  } catch {
    return frames.join("");
  }
}

Error.prepareStackTrace = prepareStackTrace;

// Without memory for an error object, QuickJS throws null. A program that says `throw null` or rejects with
// null itself looks the same from here; its text tells.
const THROWS_NULL = /throw\s*\(?null|reject\(\s*(?:null|undefined)?\s*\)/;

/** The limit that the language says was reached by throwing `thrown`: an error type, or null. */
export function limit(thrown) {
  if (thrown === null) return wasExhausted() || !THROWS_NULL.test(entry("bundle") ?? "") ? "out_of_memory" : null;
  if (typeof thrown !== "object" || thrown.constructor?.name !== "InternalError") return null;
  // The second is what becomes of the first when there is no memory for its text.
  const said = thrown.message === "out of memory" || thrown.message === "Invalid error message";
  return said ? "out_of_memory" : null;
}
