// Source maps made quick to look things up in: the format is in README.md. Runs in Node, at build time.

const DIGITS = new Map([..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].map((c, i) => [c, i]));

/** The frame table (text) of a source map, version 3, without sections. Throws for anything else. */
export function frameTable({ version, sources, mappings }) {
  if (version !== 3 || !Array.isArray(sources) || typeof mappings !== "string") {
    throw new TypeError("not a source map of version 3");
  }
  let source = 0;
  let line = 0;
  let column = 0;
  const lines = mappings.split(";").map((text) => {
    let generated = 0;
    const segments = [];
    for (const segment of text.split(",")) {
      const numbers = decode(segment);
      if (!numbers.length) continue;
      generated += numbers[0];
      if (numbers.length < 4) continue;
      source += numbers[1];
      line += numbers[2];
      column += numbers[3];
      segments.push([generated, source, line, column].map((number) => number.toString(36)).join(","));
    }
    return segments.join(";");
  });
  return [JSON.stringify(sources), ...lines].join("\n");
}

function decode(segment) {
  const numbers = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = DIGITS.get(character);
    if (digit === undefined) throw new TypeError(`not a digit of a source map: ${character}`);
    value += (digit & 31) * 2 ** shift;
    if (digit & 32) {
      shift += 5;
    } else {
      numbers.push(value % 2 ? -Math.floor(value / 2) : value / 2);
      value = shift = 0;
    }
  }
  return numbers;
}
