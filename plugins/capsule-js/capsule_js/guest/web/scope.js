// The global object's other names, and what says where the program runs.

globalThis.self = globalThis;
globalThis.global = globalThis;
globalThis.navigator = Object.freeze({
  userAgent: "capsule",
  hardwareConcurrency: 1,
  language: "en-US",
  languages: Object.freeze(["en-US"]),
  onLine: true,
  platform: "wasm32-wasi",
});
