// String.prototype.normalize: the engine is built without Unicode data.

import normalization from "./normalization.js";

const [S, L, V, T, VOWELS, TAILS] = [0xac00, 0x1100, 0x1161, 0x11a7, 21, 28]; // Hangul, which is computed
const SYLLABLES = 19 * VOWELS * TAILS;
const FORMS = ["NFC", "NFD", "NFKC", "NFKD"];

let canonical;
let compatible;
let pairs;
let ranks;

function read() {
  const table = JSON.parse(normalization);
  ({ canonical, compatible } = table);
  pairs = new Map(table.pairs);
  ranks = new Map(table.marks.flatMap((marks, index) => marks.map((mark) => [mark, index + 1])));
}

const rank = (character) => ranks.get(character) ?? 0;

function decomposed(character, compatibly) {
  const syllable = character.codePointAt(0) - S;
  if (syllable >= 0 && syllable < SYLLABLES) {
    const lead = L + Math.floor(syllable / (VOWELS * TAILS));
    const vowel = V + Math.floor((syllable % (VOWELS * TAILS)) / TAILS);
    const tail = T + (syllable % TAILS);
    return String.fromCodePoint(lead, vowel, ...(tail > T ? [tail] : []));
  }
  return (compatibly && compatible[character]) || canonical[character] || character;
}

// Marks behind a character come in the order of their ranks.
function ordered(characters) {
  for (let start = 0; start < characters.length; ) {
    let end = start + 1;
    if (rank(characters[start])) {
      while (end < characters.length && rank(characters[end])) end++;
      const run = characters.slice(start, end).sort((one, other) => rank(one) - rank(other));
      characters.splice(start, end - start, ...run);
    }
    start = end;
  }
  return characters;
}

function pair(one, other) {
  const [first, second] = [one.codePointAt(0), other.codePointAt(0)];
  if (first >= L && first < L + 19 && second >= V && second < V + VOWELS) {
    return String.fromCodePoint(S + ((first - L) * VOWELS + second - V) * TAILS);
  }
  if (first >= S && first < S + SYLLABLES && (first - S) % TAILS === 0 && second > T && second < T + TAILS) {
    return String.fromCodePoint(first + second - T);
  }
  return pairs.get(one + other);
}

function composed(characters) {
  const result = [];
  let starter = -1;
  let last = 0; // the rank of what stands between the starter and here
  for (const character of characters) {
    const own = rank(character);
    const blocked = starter < result.length - 1 && last >= own;
    const whole = starter >= 0 && !blocked ? pair(result[starter], character) : undefined;
    if (whole !== undefined) {
      result[starter] = whole;
      continue;
    }
    result.push(character);
    last = own;
    if (own === 0) starter = result.length - 1;
  }
  return result;
}

String.prototype.normalize ??= {
  normalize(form = "NFC") {
    const text = String(this);
    if (!FORMS.includes(String(form))) throw new RangeError(`The normalization form should be one of ${FORMS.join(", ")}.`);
    if (!/[^\0-\x7f]/.test(text)) return text;
    if (!ranks) read();
    const parts = ordered(Array.from(text, (character) => [...decomposed(character, form.includes("K"))]).flat());
    return (form.endsWith("C") ? composed(parts) : parts).join("");
  },
}.normalize;
