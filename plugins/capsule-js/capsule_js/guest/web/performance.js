// performance, counted from the sandbox's start.

import { now } from "../fresh.js";

const entries = [];

class PerformanceEntry {
  constructor(name, entryType, startTime, duration, detail = null) {
    Object.assign(this, { name, entryType, startTime, duration, detail });
  }
  toJSON() {
    return { ...this };
  }
}

function mark(name, { startTime = now(), detail } = {}) {
  const entry = new PerformanceEntry(String(name), "mark", startTime, 0, detail);
  entries.push(entry);
  return entry;
}

function timeOf(place, otherwise) {
  if (place === undefined) return otherwise;
  if (typeof place === "number") return place;
  const found = entries.findLast((entry) => entry.entryType === "mark" && entry.name === place);
  if (!found) throw new DOMException(`no performance mark "${place}"`, "SyntaxError");
  return found.startTime;
}

function measure(name, start, end) {
  const options = typeof start === "object" && start !== null ? start : { start, end };
  const from = timeOf(options.start, 0);
  const to = options.duration === undefined ? timeOf(options.end, now()) : from + options.duration;
  const entry = new PerformanceEntry(String(name), "measure", from, to - from, options.detail);
  entries.push(entry);
  return entry;
}

function clear(type, name) {
  for (let index = entries.length - 1; index >= 0; index--) {
    const entry = entries[index];
    if (entry.entryType === type && (name === undefined || entry.name === name)) entries.splice(index, 1);
  }
}

export const performance = {
  now,
  timeOrigin: 0,
  mark,
  measure,
  clearMarks: (name) => clear("mark", name),
  clearMeasures: (name) => clear("measure", name),
  getEntries: () => [...entries],
  getEntriesByName: (name, type) => entries.filter((entry) => entry.name === name && (!type || entry.entryType === type)),
  getEntriesByType: (type) => entries.filter((entry) => entry.entryType === type),
  timerify: (fn) => fn,
  eventLoopUtilization: () => ({ idle: 0, active: 0, utilization: 0 }),
  toJSON() {
    return { timeOrigin: this.timeOrigin };
  },
};

globalThis.performance = performance;
Object.assign(globalThis, { PerformanceEntry });
