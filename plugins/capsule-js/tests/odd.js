// Calls every function that a program finds with odd values, and counts the calls.
const { task } = require("@capsule-run/sdk");
const builtins = globalThis.__capsule_builtins;
const WEB = ["Headers", "Request", "Response", "fetch", "URL", "URLSearchParams", "TextEncoder", "TextDecoder", "Blob", "File", "FormData",
  "ReadableStream", "WritableStream", "TransformStream", "CompressionStream", "DecompressionStream", "AbortController", "AbortSignal", "Event",
  "EventTarget", "CustomEvent", "MessageChannel", "structuredClone", "queueMicrotask", "setTimeout", "setInterval", "setImmediate", "clearTimeout",
  "clearInterval", "clearImmediate", "performance", "console", "crypto", "atob", "btoa", "reportError", "DOMException"];
// What ends the sandbox, as it should, or waits.
const LEFT_OUT = /^(exit|abort|reallyExit|kill|exitProcess|wait|test|run|debugPort|pause|trace|profile|dir|log|info|warn|error|debug|group|table|dirxml|assert|emitWarning|chdir|setInterval|scheduler|regexp)$/;
const file = "/output/odd";
const odd = (fs) => {
  const fd = fs.openSync(file, "w+");
  return [undefined, null, 0, -0, -1, 1, 1.5, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32 + 1, 2 ** 53, 2 ** 63, 2 ** 64, 1e300, -1e300, 5n, -5n, 2n ** 70n,
    "", "x", "\ud800", "a\udfff.txt", "/output/\udead", "\0", "utf8", "\u0000".repeat(100), "sha256", "gzip", file, fd, {}, [], [undefined], [1e300], { length: -1 }, { length: 2 ** 53 },
    { toString: null }, { valueOf() { throw new Error("no"); } }, { get level() { return 1e300; } }, { maxOutputLength: -1e300, level: "9", position: -7, offset: 2 ** 60 },
    { signal: 5 }, { encoding: "\ud800" }, { path: "\ud800", hostname: "\ud800", method: "\ud800" }, Object.create(null), new Proxy({}, { get() { throw new Error("no"); } }),
    Symbol("s"), true, () => { throw new Error("called"); }, (error) => error, class {}, new Date(NaN), new Uint8Array(3), new ArrayBuffer(0), new DataView(new ArrayBuffer(1)),
    Buffer.alloc(0), new Float64Array(2), /x/g, Promise.resolve(1), { then: 5 }, { then() { throw new Error("no"); } }, globalThis];
};

let seed = 7;
const pick = (values) => {
  seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
  return values[(seed >> 8) % values.length];
};

function* functions() {
  const seen = new Set();
  const within = function* (path, holder, depth) {
    for (const name of Object.getOwnPropertyNames(holder)) {
      if (LEFT_OUT.test(name)) continue;
      let value;
      try { value = holder[name]; } catch { continue; }
      if ((typeof value !== "function" && typeof value !== "object") || value === null || seen.has(value)) continue;
      seen.add(value);
      if (typeof value === "function") yield [`${path}.${name}`, value, holder];
      if (depth < 2) yield* within(`${path}.${name}`, value, depth + 1);
    }
  };
  for (const name of Object.keys(builtins)) {
    if (!name.startsWith("@") && name !== "process") yield* within(name, builtins[name], 0);
  }
  yield* within("process", Object.assign(Object.create(null), builtins.process), 1);
  for (const name of WEB) {
    if (typeof globalThis[name] === "function" && !LEFT_OUT.test(name)) yield [name, globalThis[name], undefined];
    if (globalThis[name] && globalThis[name] !== console) yield* within(name, globalThis[name], 1);
  }
}

task({ name: "main" }, async (part, parts, rounds) => {
  const fs = require("node:fs");
  const values = odd(fs);
  let calls = 0;
  const settle = (made) => {
    calls += 1;
    if (typeof made !== "object" || made === null) return;
    try {
      if (typeof made.on === "function") made.on("error", () => {});
      if (typeof made.then === "function" && made instanceof Promise) made.then(() => {}, () => {});
      if (typeof made.destroy === "function") made.destroy();
    } catch {}
  };
  builtins.process.on("unhandledRejection", () => {});
  const all = [...functions()];
  for (let index = part; index < all.length; index += parts) {
    const [path, called, holder] = all[index];
    globalThis.last = path;
    const attempt = (...args) => {
      try { settle(Reflect.apply(called, holder, args)); } catch {}
      if (/^[A-Z]/.test(called.name)) try { settle(Reflect.construct(called, args)); } catch {}
    };
    attempt();
    for (const value of values) attempt(value);
    for (let round = 0; round < rounds; round++) attempt(pick(values), pick(values), pick(values), pick(values));
  }
  const text = "\ud800";
  process.stdout.write(`${text}\n`);
  console.log(text);
  for (const value of values) {
    for (const work of [
      () => fs.readSync(fs.openSync(file, "r"), Buffer.alloc(4), 0, 4, value),
      () => fs.ftruncateSync(fs.openSync(file, "r+"), value), () => fs.symlinkSync(value, "/output/link"), () => fs.utimesSync(file, value, value),
      () => require("zlib").inflateSync(Buffer.from("eJwDAAAAAAE=", "base64"), { maxOutputLength: value }), () => require("zlib").gzipSync("x", { level: value }),
      () => require("crypto").createHmac("sha256", Buffer.alloc(200)).update("x").digest(value), () => crypto.getRandomValues(value), () => setTimeout(() => {}, value).unref(),
      () => task({ name: value }, () => 1)(value),
    ]) {
      calls += 1;
      try { work(); } catch {}
    }
  }
  return calls;
});
