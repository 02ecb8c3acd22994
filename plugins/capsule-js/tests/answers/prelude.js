// What comes before each table of answers, in Node and in the sandbox: `answer` prints what a call gives or throws.
const fs = require("node:fs");
const util = require("node:util");
const ROOT = process.env.ROOT;

function show(value) {
  return util.inspect(value, { depth: 4, breakLength: Infinity }).replaceAll(ROOT, "ROOT");
}

async function answer(label, value, work) {
  const name = value === "" ? label : `${label} ${show(value)}`;
  let said;
  try {
    said = show(await work());
  } catch (error) {
    // The language's own errors have words of each engine's.
    const text = error?.code === undefined ? "" : ` ${error.code} ${error.message}`;
    said = error instanceof Error ? `throws ${error.name}${text}`.replaceAll(ROOT, "ROOT") : `throws ${show(error)}`;
  }
  console.log(`${name}: ${said}`);
}
