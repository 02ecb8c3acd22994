// The table of what programs get for `require(name)`.

import "./buffer.js";
import process from "./process.js";
import "../web/channel.js";
import { Envelope, TaskError, ToolError, task, tools } from "../sdk.js";
import { console } from "../web/console.js";
import assert from "./assert.js";
import asyncHooks from "./async_hooks.js";
import buffer from "./buffer.js";
import crypto from "./crypto.js";
import events from "./events.js";
import fs from "./fs.js";
import http from "./http.js";
import https from "./https.js";
import { importMeta } from "./import_meta.js";
import os from "./os.js";
import path from "./path.js";
import punycode from "./punycode.js";
import querystring from "./querystring.js";
import readline from "./readline.js";
import readlinePromises from "./readline_promises.js";
import * as small from "./small.js";
import stream from "./stream.js";
import consumers from "./stream_consumers.js";
import streamWeb from "./stream_web.js";
import stringDecoder from "./string_decoder.js";
import timers from "./timers.js";
import timersPromises from "./timers_promises.js";
import url from "./url.js";
import util from "./util.js";
import types from "./util_types.js";
import zlib from "./zlib.js";

class Console {
  constructor() {
    return Object.create(console);
  }
}

const table = {
  "@capsule-run/sdk": { Envelope, TaskError, ToolError, task, tools },
  "@capsule-run/sdk/runner": small.runner,
  assert,
  "assert/strict": assert.strict,
  async_hooks: asyncHooks,
  buffer,
  child_process: small.childProcess,
  cluster: small.cluster,
  console: Object.assign(console, { Console }),
  constants: small.constants,
  crypto,
  dgram: small.dgram,
  diagnostics_channel: small.diagnosticsChannel,
  dns: small.dns,
  "dns/promises": small.dnsPromises,
  domain: small.domain,
  events,
  fs,
  "fs/promises": fs.promises,
  http,
  http2: small.http2,
  https,
  inspector: small.inspector,
  "inspector/promises": small.inspector,
  net: small.net,
  os,
  path,
  "path/posix": path.posix,
  "path/win32": path.win32,
  perf_hooks: small.perfHooks,
  process,
  punycode,
  querystring,
  readline,
  "readline/promises": readlinePromises,
  repl: small.repl,
  stream,
  "stream/consumers": consumers,
  "stream/promises": stream.promises,
  "stream/web": streamWeb,
  string_decoder: stringDecoder,
  sys: util,
  timers,
  "timers/promises": timersPromises,
  tls: small.tls,
  trace_events: small.traceEvents,
  tty: small.tty,
  url,
  util,
  "util/types": types,
  v8: small.v8,
  vm: small.vm,
  wasi: small.wasi,
  worker_threads: small.workerThreads,
  zlib,
};

table.module = {
  builtinModules: Object.keys(table).filter((name) => !name.startsWith("@")),
  createRequire: () => require,
  isBuiltin: (specifier) => Object.hasOwn(table, String(specifier).replace(/^node:/, "")),
};

Object.defineProperty(globalThis, "__capsule_builtins", { value: table });
Object.defineProperty(globalThis, "__capsule_import_meta", { value: importMeta(table.module.isBuiltin) });

const unknownBuiltin = (name) => Object.assign(new Error(`No such built-in module: ${name}`), { code: "ERR_UNKNOWN_BUILTIN_MODULE" });

/** The `require` of bundles: what the bundler could not resolve beforehand. */
export function require(specifier) {
  const name = String(specifier).replace(/^node:/, "");
  if (Object.hasOwn(table, name)) return table[name];
  if (String(specifier).startsWith("node:")) throw unknownBuiltin(specifier);
  const why = "the bundle holds what the program imports by a literal name";
  throw Object.assign(new Error(`Cannot find module '${specifier}': ${why}`), { code: "MODULE_NOT_FOUND" });
}
require.resolve = (specifier) => {
  const text = String(specifier);
  // The bundler marks what it didn't find.
  const name = text.replace(/^capsule-absent:/, "");
  if (name !== text) throw Object.assign(new Error(`Cannot find module '${name}'`), { code: "MODULE_NOT_FOUND" });
  if (text.startsWith("node:") && !table.module.isBuiltin(text)) throw unknownBuiltin(text);
  return text;
};
require.cache = {};
