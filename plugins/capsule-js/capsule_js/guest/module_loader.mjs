// What an `import()` meets that reaches the engine: one in a text that a program evaluates.
//
// componentize-qjs asks its host for modules while it makes a component. In the component that it gives, a small one
// stands in for that host, and all that this does is to trap: the whole sandbox would end with `import("x")`. Here its
// core module is exchanged for one that answers with an error, so that the promise is rejected.

const REFUSAL = "programs are bundled before they run, so an evaluated text can't import; require() gives it Node's built-ins";

const RESOLVE = "cm32p2|local:init/module-loader|resolve";
const CORE_MODULE = 1; // ids of sections in a component
const COMPONENT = 4;
const PREAMBLE = 8; // bytes

// Where the answer lies in the module's memory: `result<string, string>` as the canonical ABI has it, and its text.
const ANSWER = 8;
const TEXT = 32;

/** The component with a loader that refuses. Throws when it is not made as this expects. */
export function refuseModules(component) {
  let found = 0;
  const replaced = inSections(component, (id, content) => {
    if (id !== COMPONENT || !holds(content, RESOLVE)) return content;
    return inSections(content, (inner, module) => {
      if (inner !== CORE_MODULE || !holds(module, RESOLVE)) return module;
      found += 1;
      return refusing();
    });
  });
  if (found !== 1) throw new Error(`componentize-qjs has ${found} module loaders where one was expected`);
  return replaced;
}

function inSections(binary, change) {
  const parts = [binary.subarray(0, PREAMBLE)];
  for (let at = PREAMBLE; at < binary.length; ) {
    const id = binary[at];
    const [size, start] = readNumber(binary, at + 1);
    parts.push(section(id, change(id, binary.subarray(start, start + size))));
    at = start + size;
  }
  return Buffer.concat(parts);
}

const holds = (binary, text) => Buffer.from(binary.buffer, binary.byteOffset, binary.length).includes(text);

function readNumber(binary, at) {
  let number = 0;
  for (let shift = 0; ; shift += 7, at++) {
    number += (binary[at] & 0x7f) * 2 ** shift;
    if (binary[at] < 0x80) return [number, at + 1];
  }
}

function number(value) {
  const bytes = [];
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
  return Buffer.from([...bytes, value]);
}

const section = (id, content) => Buffer.concat([Buffer.from([id]), number(content.length), content]);
const vector = (items) => Buffer.concat([number(items.length), ...items]);
const bytes = (content) => Buffer.concat([number(content.length), content]);
const name = (text) => bytes(Buffer.from(text));

function refusing() {
  const I32 = 0x7f;
  const type = (parameters, results) => Buffer.from([0x60, parameters, ...Array(parameters).fill(I32), results, ...Array(results).fill(I32)]);
  const [FOUR_TO_ONE, ONE_TO_NONE, TWO_TO_ONE, NOTHING] = [0, 1, 2, 3];
  const functions = [
    [RESOLVE, FOUR_TO_ONE, [0x41, ANSWER]], // i32.const
    [`${RESOLVE}_post`, ONE_TO_NONE, []],
    ["cm32p2|local:init/module-loader|load", TWO_TO_ONE, [0x41, ANSWER]],
    ["cm32p2|local:init/module-loader|load_post", ONE_TO_NONE, []],
    // Room for the argument's text: memory.grow((size + 65535) >> 16) << 16. One loader serves one sandbox.
    ["cm32p2_realloc", FOUR_TO_ONE, [0x20, 3, 0x41, 0xff, 0xff, 0x03, 0x6a, 0x41, 16, 0x76, 0x40, 0, 0x41, 16, 0x74]],
    ["cm32p2_initialize", NOTHING, []],
  ];
  const text = Buffer.from(REFUSAL);
  const memory = Buffer.alloc(TEXT - ANSWER);
  memory.writeUInt32LE(1, 0); // the case `err`
  memory.writeUInt32LE(TEXT, 4);
  memory.writeUInt32LE(text.length, 8);
  const exported = functions.map(([label], index) => Buffer.concat([name(label), Buffer.from([0, index])]));
  exported.push(Buffer.concat([name("cm32p2_memory"), Buffer.from([2, 0])]));
  return Buffer.concat([
    Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
    section(1, vector([type(4, 1), type(1, 0), type(2, 1), type(0, 0)])),
    section(3, vector(functions.map(([, signature]) => Buffer.from([signature])))),
    section(5, vector([Buffer.from([0, 1])])),
    section(7, vector(exported)),
    section(10, vector(functions.map(([, , body]) => bytes(Buffer.from([0, ...body, 0x0b]))))),
    section(11, vector([Buffer.concat([Buffer.from([0, 0x41, ANSWER, 0x0b]), bytes(Buffer.concat([memory, text]))])])),
  ]);
}
