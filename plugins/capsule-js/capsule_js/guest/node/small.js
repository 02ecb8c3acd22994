// Built-ins of a few lines each.

import { describe } from "../failure.js";
import { performance } from "../web/performance.js";
import os from "./os.js";
import { unavailable } from "./unavailable.js";

class PerformanceObserver {
  static supportedEntryTypes = [];
  observe() {}
  disconnect() {}
  takeRecords() {
    return [];
  }
}

export const perfHooks = {
  PerformanceEntry: globalThis.PerformanceEntry,
  PerformanceObserver,
  constants: {},
  createHistogram: unavailable("perf_hooks", "the engine keeps no histograms", ["createHistogram"]).createHistogram,
  monitorEventLoopDelay: () => ({ enable: () => true, disable: () => true, min: 0, max: 0, mean: 0, stddev: 0, percentile: () => 0, reset() {} }),
  performance,
};

export const tty = {
  ...unavailable("tty", "a sandbox has no terminal", ["ReadStream", "WriteStream"]),
  isatty: () => false,
};

const evaluate = globalThis.eval;

class Script {
  #code;
  constructor(code) {
    this.#code = String(code);
  }
  runInThisContext() {
    return evaluate(this.#code);
  }
}

export const vm = {
  ...unavailable("vm", "the engine has one global object; start a task for code that has to be kept apart", [
    "compileFunction", "createContext", "runInContext", "runInNewContext", "SourceTextModule",
  ]),
  Script,
  isContext: () => false,
  runInThisContext: (code) => evaluate(String(code)),
};

export const v8 = {
  ...unavailable("v8", "the engine is QuickJS", ["deserialize", "serialize", "getHeapSnapshot", "writeHeapSnapshot"]),
  getHeapStatistics: () => ({ total_heap_size: 0, used_heap_size: 0, heap_size_limit: 2 ** 32 }),
  setFlagsFromString() {},
};

export const workerThreads = {
  ...unavailable("worker_threads", "a sandbox has one thread; tasks run side by side, see task()", ["BroadcastChannel", "Worker"]),
  MessageChannel: globalThis.MessageChannel,
  MessagePort: globalThis.MessagePort,
  isMainThread: true,
  parentPort: null,
  resourceLimits: {},
  threadId: 0,
  workerData: null,
};

const PROCESSES = "a sandbox can't start processes; tasks run side by side, see task()";
const SOCKETS = "a sandbox has no sockets; use fetch or http.request, for hosts in allowedHosts";

export const childProcess = unavailable("child_process", PROCESSES, [
  "ChildProcess", "exec", "execFile", "execFileSync", "execSync", "fork", "spawn", "spawnSync",
]);

export const cluster = {
  ...unavailable("cluster", PROCESSES, ["Worker", "disconnect", "fork", "setupMaster", "setupPrimary"]),
  isMaster: true,
  isPrimary: true,
  isWorker: false,
  workers: {},
};

export const net = {
  ...unavailable("net", SOCKETS, ["BlockList", "Server", "Socket", "Stream", "connect", "createConnection", "createServer"]),
  isIP: (text) => (isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0),
  isIPv4,
  isIPv6,
};

function isIPv4(text) {
  return /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/.test(text);
}

function isIPv6(text) {
  return String(text).includes(":") && URL.canParse(`http://[${String(text).split("%")[0]}]/`);
}

export const tls = {
  ...unavailable("tls", SOCKETS, ["Server", "TLSSocket", "connect", "createSecureContext", "createServer", "checkServerIdentity"]),
  rootCertificates: [],
};

export const dgram = unavailable("dgram", SOCKETS, ["Socket", "createSocket"]);

const RESOLVERS = ["Resolver", "lookup", "lookupService", "resolve", "resolve4", "resolve6", "resolveMx", "resolveTxt", "reverse", "setServers"];
const NAMES = "the host resolves names, for the hosts that the policy allows";
export const dnsPromises = unavailable("dns.promises", NAMES, RESOLVERS);
export const dns = { ...unavailable("dns", NAMES, RESOLVERS), promises: dnsPromises };

export const http2 = { ...unavailable("http2", SOCKETS, ["connect", "createSecureServer", "createServer"]), constants: {} };
export const inspector = { ...unavailable("inspector", "the engine has no debugger", ["Session", "open"]), close() {}, url: () => undefined };
export const repl = unavailable("repl", "a sandbox has no terminal", ["REPLServer", "start"]);
export const traceEvents = { createTracing: () => ({ enable() {}, disable() {} }), getEnabledCategories: () => undefined };
export const wasi = unavailable("wasi", "the engine has no WebAssembly", ["WASI"]);
export const domain = unavailable("domain", "it is deprecated, and the engine has no hook for it", ["Domain", "create", "createDomain"]);
export const constants = { ...os.constants.errno, ...os.constants.signals };
export const runner = unavailable("@capsule-run/sdk/runner", "it starts capsule itself; in a task, call other tasks", ["run"]);

class Channel {
  #subscribers = new Set();
  constructor(name) {
    this.name = name;
  }
  get hasSubscribers() {
    return this.#subscribers.size > 0;
  }
  subscribe(listener) {
    this.#subscribers.add(listener);
  }
  unsubscribe(listener) {
    return this.#subscribers.delete(listener);
  }
  publish(message) {
    for (const listener of this.#subscribers) {
      try {
        listener(message, this.name);
      } catch (error) {
        console.error(describe(error).traceback);
      }
    }
  }
  runStores(message, fn, self, ...args) {
    this.publish(message);
    return fn.apply(self, args);
  }
}

const channels = new Map();

function channel(name) {
  if (!channels.has(name)) channels.set(name, new Channel(name));
  return channels.get(name);
}

export const diagnosticsChannel = {
  Channel,
  channel,
  hasSubscribers: (name) => channels.get(name)?.hasSubscribers ?? false,
  subscribe: (name, listener) => channel(name).subscribe(listener),
  unsubscribe: (name, listener) => channel(name).unsubscribe(listener),
  tracingChannel(name) {
    const made = {};
    for (const event of ["start", "end", "asyncStart", "asyncEnd", "error"]) made[event] = channel(`tracing:${name}:${event}`);
    return {
      ...made,
      hasSubscribers: false,
      subscribe() {},
      unsubscribe() {},
      traceSync: (fn, _context, self, ...args) => fn.apply(self, args),
      tracePromise: (fn, _context, self, ...args) => fn.apply(self, args),
      traceCallback: (fn, _position, _context, self, ...args) => fn.apply(self, args),
    };
  },
};
