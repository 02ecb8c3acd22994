// The Unicode data of `properties.js` and `normalization.js`, asked of this Node.

const CATEGORIES = `
  L Letter, LC Cased_Letter, Lu Uppercase_Letter, Ll Lowercase_Letter, Lt Titlecase_Letter, Lm Modifier_Letter,
  Lo Other_Letter, M Mark, Mn Nonspacing_Mark, Mc Spacing_Mark, Me Enclosing_Mark, N Number, Nd Decimal_Number,
  Nl Letter_Number, No Other_Number, P Punctuation, Pc Connector_Punctuation, Pd Dash_Punctuation, Ps Open_Punctuation,
  Pe Close_Punctuation, Pi Initial_Punctuation, Pf Final_Punctuation, Po Other_Punctuation, S Symbol, Sm Math_Symbol,
  Sc Currency_Symbol, Sk Modifier_Symbol, So Other_Symbol, Z Separator, Zs Space_Separator, Zl Line_Separator,
  Zp Paragraph_Separator, C Other, Cc Control, Cf Format, Co Private_Use, Cs Surrogate, Cn Unassigned`;
const BINARY = `
  Any, Assigned, ASCII, Alpha Alphabetic, Upper Uppercase, Lower Lowercase, space White_Space, Dash, Hex Hex_Digit,
  IDS ID_Start, IDC ID_Continue, XIDS XID_Start, XIDC XID_Continue, Emoji, EPres Emoji_Presentation,
  EMod Emoji_Modifier, EBase Emoji_Modifier_Base, EComp Emoji_Component, ExtPict Extended_Pictographic,
  RI Regional_Indicator, VS Variation_Selector, Ideo Ideographic, DI Default_Ignorable_Code_Point, Dia Diacritic`;
const SCRIPTS = `
  Arab Arabic, Armn Armenian, Beng Bengali, Bopo Bopomofo, Zyyy Common, Cyrl Cyrillic, Deva Devanagari, Ethi Ethiopic,
  Geor Georgian, Grek Greek, Gujr Gujarati, Guru Gurmukhi, Hani Han, Hang Hangul, Hebr Hebrew, Hira Hiragana,
  Zinh Inherited, Knda Kannada, Kana Katakana, Khmr Khmer, Laoo Lao, Latn Latin, Mlym Malayalam, Mong Mongolian,
  Mymr Myanmar, Sinh Sinhala, Taml Tamil, Telu Telugu, Thai, Tibt Tibetan`;
const LAST = 0x10ffff;

const names = (list) => list.split(",").map((entry) => entry.trim().split(" "));

// The lengths of the runs of code points that are out, in, out, ... in base 36.
function runs(property) {
  const expression = new RegExp(`^\\p{${property}}$`, "u");
  const lengths = [];
  let inside = false;
  let start = 0;
  for (let point = 0; point <= LAST; point++) {
    if (expression.test(String.fromCodePoint(point)) === inside) continue;
    lengths.push((point - start).toString(36));
    start = point;
    inside = !inside;
  }
  if (inside) lengths.push((LAST + 1 - start).toString(36));
  return lengths.join(" ");
}

/** `runs` has properties by name, `names` the names of their aliases: scripts with `sc=` or `scx=` in front. */
export function properties() {
  const table = { runs: {}, names: {} };
  const add = (prefix, list) => {
    for (const aliases of names(list)) {
      const name = `${prefix}${aliases[0]}`;
      table.runs[name] = runs(name);
      for (const alias of aliases) table.names[`${prefix}${alias}`] = name;
    }
  };
  add("", CATEGORIES);
  add("", BINARY);
  add("sc=", SCRIPTS);
  add("scx=", SCRIPTS);
  return table;
}

const HANGUL = [0xac00, 0xd7a3];

// Marks that other marks change places with, in groups of equal rank. One of the two stands at each end of the ranks.
function marks() {
  const swaps = (one, other) => (one + other).normalize("NFD") === (other + one).normalize("NFD");
  const all = [];
  for (let point = 0; point <= LAST; point++) {
    const mark = String.fromCodePoint(point);
    if (!/^\p{M}$/u.test(mark) || mark.normalize("NFD") !== mark) continue;
    if (["\u0334", "\u0345"].some((end) => mark !== end && swaps(mark, end)) || mark === "\u0334" || mark === "\u0345") all.push(mark);
  }
  const before = (one, other) => (one !== other && swaps(one, other) ? ((one + other).normalize("NFD") === one + other ? -1 : 1) : 0);
  const groups = [];
  for (const mark of all.sort(before)) {
    if (groups.length && before(groups.at(-1)[0], mark) === 0) groups.at(-1).push(mark);
    else groups.push([mark]);
  }
  return groups;
}

/** `pairs` are of two characters and the one that they compose to, `marks` are in the order of their ranks. */
export function normalization() {
  const found = { canonical: {}, compatible: {}, marks: marks(), pairs: [] };
  for (let point = 0; point <= LAST; point++) {
    if (point >= HANGUL[0] && point <= HANGUL[1]) continue;
    const character = String.fromCodePoint(point);
    const canonical = character.normalize("NFD");
    const compatible = character.normalize("NFKD");
    if (canonical !== character) found.canonical[character] = canonical;
    if (compatible !== canonical) found.compatible[character] = compatible;
    if (canonical === character || character.normalize("NFC") !== character) continue;
    const parts = [...canonical];
    const last = parts.pop();
    found.pairs.push([parts.join("").normalize("NFC") + last, character]);
  }
  return found;
}
