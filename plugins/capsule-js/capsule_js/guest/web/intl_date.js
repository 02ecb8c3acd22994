// Intl.DateTimeFormat, for UTC.

import { LOCALE, Service } from "./intl_service.js";

const MONTHS = "January February March April May June July August September October November December".split(" ");
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

const STYLES = {
  date: {
    full: { weekday: "long", year: "numeric", month: "long", day: "numeric" },
    long: { year: "numeric", month: "long", day: "numeric" },
    medium: { year: "numeric", month: "short", day: "numeric" },
    short: { year: "2-digit", month: "numeric", day: "numeric" },
  },
  time: {
    full: { hour: "numeric", minute: "2-digit", second: "2-digit", timeZoneName: "long" },
    long: { hour: "numeric", minute: "2-digit", second: "2-digit", timeZoneName: "short" },
    medium: { hour: "numeric", minute: "2-digit", second: "2-digit" },
    short: { hour: "numeric", minute: "2-digit" },
  },
};
export const DATE_FIELDS = ["weekday", "era", "year", "month", "day"];
export const TIME_FIELDS = ["hour", "minute", "second", "fractionalSecondDigits", "dayPeriod"];
export const DEFAULT_DATE = { year: "numeric", month: "numeric", day: "numeric" };
export const DEFAULT_TIME = { hour: "numeric", minute: "2-digit", second: "2-digit" };

const two = (number) => String(number).padStart(2, "0");

export class DateTimeFormat extends Service {
  constructor(locales, options, defaults = "date") {
    super(locales, options);
    const { timeZone = "UTC", dateStyle, timeStyle } = this.options;
    if (!/^(?:utc|gmt|etc\/(?:utc|gmt)|[+-]00:?00)$/i.test(timeZone)) {
      throw new RangeError(`Invalid time zone specified: ${timeZone} (a capsule sandbox knows UTC only)`);
    }
    this.timeZone = "UTC";
    this.fields = { ...(dateStyle ? STYLES.date[dateStyle] : {}), ...(timeStyle ? STYLES.time[timeStyle] : {}) };
    for (const name of [...DATE_FIELDS, ...TIME_FIELDS, "timeZoneName"]) {
      if (this.options[name] !== undefined) this.fields[name] = this.options[name];
    }
    const given = (names) => names.some((name) => this.fields[name] !== undefined);
    if (!given(DATE_FIELDS) && !given(TIME_FIELDS)) {
      if (defaults !== "time") Object.assign(this.fields, DEFAULT_DATE);
      if (defaults !== "date") Object.assign(this.fields, DEFAULT_TIME);
    }
    const { hour12, hourCycle } = this.options;
    this.twelve = hour12 ?? (hourCycle ? hourCycle.startsWith("h1") : true);
    this.joint = dateStyle === "full" || dateStyle === "long" ? " at " : ", ";
    this.format = this.format.bind(this);
  }
  formatToParts(value) {
    const date = value === undefined ? new Date() : new Date(value);
    if (Number.isNaN(date.getTime())) throw new RangeError("Invalid time value");
    const day = this.#date(date);
    const time = this.#time(date);
    return day.length && time.length ? [...day, { type: "literal", value: this.joint }, ...time] : [...day, ...time];
  }
  format(value) {
    return this.formatToParts(value).map((part) => part.value).join("");
  }
  formatRange(start, end) {
    return `${this.format(start)} – ${this.format(end)}`;
  }
  #date(date) {
    const { weekday, era, year, month, day } = this.fields;
    const parts = [];
    const add = (type, value, before) => {
      if (parts.length) parts.push({ type: "literal", value: before });
      parts.push({ type, value });
    };
    const named = month === "long" || month === "short" || month === "narrow";
    if (weekday) add("weekday", cut(DAYS[date.getUTCDay()], weekday), "");
    if (month) {
      const number = date.getUTCMonth();
      add("month", named ? cut(MONTHS[number], month) : month === "2-digit" ? two(number + 1) : String(number + 1), ", ");
    }
    if (day) add("day", day === "2-digit" ? two(date.getUTCDate()) : String(date.getUTCDate()), named ? " " : month ? "/" : " ");
    if (year) {
      const number = date.getUTCFullYear();
      const shown = era && number < 1 ? 1 - number : number;
      const before = named ? (day ? ", " : " ") : month || day ? "/" : ", ";
      add("year", year === "2-digit" ? two(Math.abs(shown) % 100) : String(shown), before);
    }
    if (era) add("era", { long: date.getUTCFullYear() < 1 ? "Before Christ" : "Anno Domini" }[era] ?? (date.getUTCFullYear() < 1 ? "BC" : "AD"), " ");
    return parts;
  }
  #time(date) {
    const { hour, minute, second, fractionalSecondDigits: digits, timeZoneName } = this.fields;
    const parts = [];
    const add = (type, value, before) => {
      if (parts.length) parts.push({ type: "literal", value: before });
      parts.push({ type, value });
    };
    const hours = date.getUTCHours();
    if (hour) {
      const shown = this.twelve ? hours % 12 || 12 : hours;
      add("hour", hour === "2-digit" || !this.twelve ? two(shown) : String(shown), "");
    }
    if (minute) add("minute", hour || minute === "2-digit" ? two(date.getUTCMinutes()) : String(date.getUTCMinutes()), ":");
    if (second) add("second", minute || second === "2-digit" ? two(date.getUTCSeconds()) : String(date.getUTCSeconds()), ":");
    if (digits) add("fractionalSecond", String(date.getUTCMilliseconds()).padStart(3, "0").slice(0, digits), ".");
    if (hour && this.twelve) add("dayPeriod", hours < 12 ? "AM" : "PM", " ");
    if (timeZoneName) add("timeZoneName", timeZoneName === "long" ? "Coordinated Universal Time" : "UTC", " ");
    return parts;
  }
  resolvedOptions() {
    return { locale: LOCALE, calendar: "gregory", numberingSystem: "latn", timeZone: this.timeZone, ...this.fields };
  }
}

function cut(name, length) {
  return length === "long" ? name : length === "narrow" ? name[0] : name.slice(0, 3);
}
