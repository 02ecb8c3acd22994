// RegExp with `\p{...}`: the engine is built without Unicode data. The bundler makes literals that need it into calls.

import properties from "./properties.js";

const LAST = 0x10ffff;
const ESCAPE = /^\\([pP])\{([\w=]+)\}/;
const LONG = [
  [/^(?:General_Category|gc)=/, ""],
  [/^Script=/, "sc="],
  [/^Script_Extensions=/, "scx="],
];

const ranges = new Map();

// The content of a character class for a property, or for what is outside of it; null for an unknown one.
function content(name, outside) {
  const known = properties.names[LONG.reduce((text, [long, short]) => text.replace(long, short), name)];
  if (known === undefined) return null;
  const key = `${outside ? "^" : ""}${known}`;
  if (!ranges.has(key)) ranges.set(key, classOf(properties.runs[known].split(" "), outside));
  return ranges.get(key);
}

const hex = (point) => `\\u{${point.toString(16)}}`;

function classOf(lengths, outside) {
  let text = "";
  let at = 0;
  let inside = outside;
  const add = (end) => {
    if (inside && end > at) text += `${hex(at)}-${hex(end - 1)}`;
    at = end;
    inside = !inside;
  };
  for (const length of lengths) add(at + parseInt(length, 36));
  if (inside) add(LAST + 1);
  return text;
}

function translate(pattern, sets) {
  let text = "";
  let depth = 0;
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === "\\") {
      const [whole, kind, name] = ESCAPE.exec(pattern.slice(at, at + 64)) ?? [];
      const found = whole ? content(name, kind === "P") : null;
      if (found !== null) text += depth && !sets ? found : `[${found}]`;
      else text += whole ?? pattern.slice(at, at + 2);
      at += whole ? whole.length - 1 : 1;
      continue;
    }
    if (character === "[" && (sets || !depth)) depth++;
    else if (character === "]" && depth) depth--;
    text += character;
  }
  return text;
}

const { RegExp } = globalThis;

function made(pattern, flags) {
  const given = pattern instanceof RegExp ? pattern : null;
  const text = given ? given.source : pattern;
  const how = flags ?? given?.flags ?? "";
  if (typeof text !== "string" || !/[uv]/.test(how) || !/\\[pP]\{/.test(text)) return [pattern, flags];
  return [translate(text, how.includes("v")), how];
}

globalThis.RegExp = new Proxy(RegExp, {
  apply(target, self, [pattern, flags]) {
    if (pattern instanceof RegExp && flags === undefined) return pattern;
    return new target(...made(pattern, flags));
  },
  construct: (target, [pattern, flags], newTarget) => Reflect.construct(target, made(pattern, flags), newTarget),
});
Object.defineProperty(RegExp.prototype, "constructor", { value: globalThis.RegExp, writable: true, configurable: true });
