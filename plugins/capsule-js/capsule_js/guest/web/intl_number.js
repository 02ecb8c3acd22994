// Intl.NumberFormat.

import { Service } from "./intl_service.js";

const CURRENCIES = { USD: "$", EUR: "€", GBP: "£", JPY: "¥", INR: "₹", CNY: "CN¥", KRW: "₩", BRL: "R$" };
const COMPACT = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];
const UNITS = { kilometer: "km", meter: "m", centimeter: "cm", kilogram: "kg", gram: "g", celsius: "°C", percent: "%", byte: "byte", kilobyte: "kB", megabyte: "MB", gigabyte: "GB", second: "sec", minute: "min", hour: "hr", day: "day", liter: "L" };

function fixed(value, least, most) {
  // Through the exponent, so that 1.005 is rounded as it is written.
  const rounded = Math.abs(value) < 1e20 ? Number(`${Math.round(Number(`${value}e${most}`))}e-${most}`) : value;
  const text = (Number.isNaN(rounded) ? value : rounded).toFixed(most);
  if (most === least) return text;
  const [whole, fraction = ""] = text.split(".");
  const kept = fraction.replace(/0+$/, "").padEnd(least, "0");
  return kept ? `${whole}.${kept}` : whole;
}

export class NumberFormat extends Service {
  constructor(locales, options) {
    super(locales, options);
    const { style = "decimal", currency, notation } = this.options;
    if (style === "currency" && !currency) throw new TypeError("Currency code is required with currency style.");
    const yen = currency === "JPY" || currency === "KRW";
    const most = style === "currency" ? (yen ? 0 : 2) : style === "percent" || notation === "compact" ? 0 : 3;
    this.least = this.options.minimumFractionDigits ?? (style === "currency" ? Math.min(most, this.options.maximumFractionDigits ?? most) : 0);
    this.most = this.options.maximumFractionDigits ?? Math.max(most, this.least);
    if (!(this.least <= this.most && this.most <= 100)) throw new RangeError("maximumFractionDigits value is out of range.");
    this.format = this.format.bind(this);
  }
  format(value) {
    const { style = "decimal", currency, currencyDisplay, unit, unitDisplay, notation, signDisplay } = this.options;
    const number = typeof value === "bigint" ? value : Number(value);
    const negative = number < 0 || Object.is(number, -0);
    let text = this.#digits(negative ? -number : number, style, notation);
    if (style === "percent") text += "%";
    if (style === "currency") {
      const symbol = currencyDisplay === "code" ? `${currency}\u00a0` : (CURRENCIES[currency] ?? `${currency}\u00a0`);
      text = currencyDisplay === "name" ? `${text} ${currency}` : symbol + text;
    }
    if (style === "unit") text += unitDisplay === "long" ? ` ${unit}${text === "1" ? "" : "s"}` : unit === "percent" || unit === "celsius" ? UNITS[unit] : ` ${UNITS[unit] ?? unit}`;
    if (negative && (number !== 0 || text !== "0") && signDisplay !== "never") return `-${text}`;
    return signDisplay === "always" || (signDisplay === "exceptZero" && number > 0) ? `+${text}` : text;
  }
  #digits(number, style, notation) {
    if (typeof number === "bigint") return this.#group(String(number));
    if (Number.isNaN(number)) return "NaN";
    if (number === Infinity) return "∞";
    const scaled = style === "percent" ? number * 100 : number;
    const { maximumSignificantDigits: significant, minimumSignificantDigits: least } = this.options;
    if (significant || least) {
      const text = Number(scaled.toPrecision(significant ?? 21)).toPrecision(least ?? 1);
      const plain = Number(text) === Number(scaled.toPrecision(significant ?? 21)) ? text : String(Number(scaled.toPrecision(significant ?? 21)));
      return this.#group(plain.includes("e") ? String(Number(plain)) : plain);
    }
    if (notation === "compact") {
      const [size, letter] = COMPACT.find(([limit]) => scaled >= limit) ?? [1, ""];
      const small = scaled / size;
      const most = this.options.maximumFractionDigits ?? (small < 100 && small !== Math.round(small) ? (small < 10 ? 1 : 0) : 0);
      return fixed(small, 0, most) + letter;
    }
    return this.#group(fixed(scaled, this.least, this.most));
  }
  #group(text) {
    const [whole, fraction] = text.split(".");
    const padded = whole.padStart(this.options.minimumIntegerDigits ?? 1, "0");
    const grouped = this.options.useGrouping === false ? padded : padded.replace(/\B(?=(\d{3})+$)/g, ",");
    return fraction === undefined ? grouped : `${grouped}.${fraction}`;
  }
  formatToParts(value) {
    const parts = this.format(value).match(/\d+|./gs) ?? [];
    let fraction = false;
    return parts.map((text) => {
      if (/\d/.test(text)) return { type: fraction ? "fraction" : "integer", value: text };
      if (text === ".") fraction = true;
      const type = { ",": "group", ".": "decimal", "-": "minusSign", "+": "plusSign", "%": "percentSign" }[text];
      return { type: type ?? (this.options.style === "currency" ? "currency" : "literal"), value: text };
    });
  }
  resolvedOptions() {
    return { ...super.resolvedOptions(), style: this.options.style ?? "decimal", minimumFractionDigits: this.least, maximumFractionDigits: this.most };
  }
}
