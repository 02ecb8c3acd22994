// Intl, the sane part: American English and UTC. The real thing needs 20 MB of data in every engine.
//
// Other locales are accepted and answered in English; another time zone than UTC is an error, since a wrong
// hour is worse than none.

import { DATE_FIELDS, DEFAULT_DATE, DEFAULT_TIME, DateTimeFormat, TIME_FIELDS } from "./intl_date.js";
import { NumberFormat } from "./intl_number.js";
import { LOCALE, Service, canonical } from "./intl_service.js";

class Locale {
  constructor(tag) {
    const [language, region] = String(tag).split("-");
    Object.assign(this, { baseName: String(tag), language, region });
  }
  maximize() {
    return this;
  }
  minimize() {
    return this;
  }
  toString() {
    return this.baseName;
  }
}

class PluralRules extends Service {
  select(value) {
    const number = Math.abs(Number(value));
    if (this.options.type !== "ordinal") return number === 1 ? "one" : "other";
    const [last, teens] = [number % 10, number % 100];
    if (teens > 10 && teens < 14) return "other";
    return { 1: "one", 2: "two", 3: "few" }[last] ?? "other";
  }
  resolvedOptions() {
    return { locale: LOCALE, type: "cardinal", pluralCategories: ["one", "other"], ...this.options };
  }
}

class Collator extends Service {
  constructor(locales, options) {
    super(locales, options);
    this.compare = this.compare.bind(this);
  }
  compare(one, other) {
    const { numeric, sensitivity = "variant", caseFirst } = this.options;
    const [left, right] = [String(one), String(other)];
    const order = compareKeys(base(left), base(right), numeric);
    if (order || sensitivity === "base") return order;
    const accents = compareKeys(left.normalize("NFD").toLowerCase(), right.normalize("NFD").toLowerCase(), numeric);
    if (accents || sensitivity === "accent") return sensitivity === "case" ? 0 : accents;
    // Small letters first, as CLDR has it for English.
    const cases = left < right ? 1 : left > right ? -1 : 0;
    return caseFirst === "upper" ? -cases : cases;
  }
}

const base = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

// Punctuation comes before digits, digits before letters.
const rank = (character) => (/\p{L}/u.test(character) ? 2 : /\p{N}/u.test(character) ? 1 : 0);

function compareKeys(left, right, numeric) {
  const [one, other] = [left, right].map((text) => text.match(numeric ? /\d+|[^]/gu : /[^]/gu) ?? []);
  for (let index = 0; index < Math.min(one.length, other.length); index++) {
    const [a, b] = [one[index], other[index]];
    if (a === b) continue;
    if (numeric && /^\d/.test(a) && /^\d/.test(b)) {
      if (Number(a) !== Number(b)) return Number(a) < Number(b) ? -1 : 1;
      continue;
    }
    const order = rank(a[0]) - rank(b[0]);
    return order ? Math.sign(order) : a < b ? -1 : 1;
  }
  return Math.sign(one.length - other.length);
}

class ListFormat extends Service {
  format(list) {
    const items = Array.from(list);
    const { type = "conjunction", style = "long" } = this.options;
    const word = type === "unit" ? "" : type === "disjunction" ? "or " : style === "long" ? "and " : "& ";
    if (items.length < 2) return items.join("");
    if (items.length === 2) return type === "unit" ? items.join(", ") : items.join(` ${word}`);
    return `${items.slice(0, -1).join(", ")}, ${word}${items.at(-1)}`;
  }
}

class RelativeTimeFormat extends Service {
  format(value, unit) {
    const name = String(unit).replace(/s$/, "");
    const number = Number(value);
    if (this.options.numeric === "auto") {
      const words = { day: ["yesterday", "today", "tomorrow"] }[name] ?? [`last ${name}`, `this ${name}`, `next ${name}`];
      if (Math.abs(number) <= 1 && Number.isInteger(number) && (DAYLIKE.has(name) || number === 0)) {
        return name === "second" ? "now" : words[number + 1];
      }
    }
    const amount = `${new NumberFormat().format(Math.abs(number))} ${name}${Math.abs(number) === 1 ? "" : "s"}`;
    return number < 0 || Object.is(number, -0) ? `${amount} ago` : `in ${amount}`;
  }
}

const DAYLIKE = new Set(["day", "week", "month", "quarter", "year"]);
const GRAPHEME = /\r\n|\p{RI}\p{RI}|\P{M}[\p{M}\u{fe0f}\u{1f3fb}-\u{1f3ff}]*(?:\u200d\P{M}[\p{M}\u{fe0f}\u{1f3fb}-\u{1f3ff}]*)*|[^]/gu;
const WORD = /[\p{L}\p{M}]+(?:['’][\p{L}\p{M}]+)*|\p{N}+(?:[.,]\p{N}+)*|[^]/gu;
const SENTENCE = /[^.!?]*[.!?]+\s*|[^.!?]+$/g;

class Segmenter extends Service {
  segment(input) {
    const { granularity = "grapheme" } = this.options;
    const pattern = { grapheme: GRAPHEME, word: WORD, sentence: SENTENCE }[granularity];
    const pieces = [...input.matchAll(pattern)].map(({ 0: segment, index }) => ({
      segment,
      index,
      input,
      ...(granularity === "word" ? { isWordLike: /[\p{L}\p{N}]/u.test(segment) } : {}),
    }));
    const containing = (at = 0) => pieces.findLast(({ index }) => index <= at);
    return { [Symbol.iterator]: () => pieces.values(), containing };
  }
}

class DisplayNames extends Service {
  of(code) {
    return String(code);
  }
}

const services = { Collator, DateTimeFormat, DisplayNames, ListFormat, Locale, NumberFormat, PluralRules, RelativeTimeFormat, Segmenter };

// The standard lets some of them be called without `new`.
function callable(made) {
  return new Proxy(made, { apply: (target, _self, args) => new target(...args) });
}

globalThis.Intl = {
  ...services,
  Collator: callable(Collator),
  DateTimeFormat: callable(DateTimeFormat),
  NumberFormat: callable(NumberFormat),
  getCanonicalLocales: canonical,
  supportedValuesOf: (key) => (key === "timeZone" ? ["UTC"] : []),
};
Object.defineProperty(Intl, Symbol.toStringTag, { value: "Intl", configurable: true });

function define(target, name, value) {
  Object.defineProperty(target, name, { value, writable: true, configurable: true });
}

const numbers = { toLocaleString(locales, options) { return new NumberFormat(locales, options).format(this); } };
define(Number.prototype, "toLocaleString", numbers.toLocaleString);
define(BigInt.prototype, "toLocaleString", numbers.toLocaleString);

for (const [name, defaults] of [["toLocaleString", "both"], ["toLocaleDateString", "date"], ["toLocaleTimeString", "time"]]) {
  define(Date.prototype, name, {
    [name](locales, options) {
      if (Number.isNaN(this.getTime())) return "Invalid Date";
      const wanted = { ...options };
      if (defaults === "date" && TIME_FIELDS.some((field) => field in wanted) && !DATE_FIELDS.some((field) => field in wanted)) {
        Object.assign(wanted, DEFAULT_DATE);
      }
      if (defaults === "time" && DATE_FIELDS.some((field) => field in wanted) && !TIME_FIELDS.some((field) => field in wanted)) {
        Object.assign(wanted, DEFAULT_TIME);
      }
      return new DateTimeFormat(locales, wanted, defaults).format(this);
    },
  }[name]);
}

const plainCompare = new Collator();
define(String.prototype, "localeCompare", {
  localeCompare(other, locales, options) {
    return (options ? new Collator(locales, options) : plainCompare).compare(String(this), String(other));
  },
}.localeCompare);
