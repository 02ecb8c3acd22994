// process: this sandbox, as a Node program sees it.

import { getArguments, getEnvironment, initialCwd } from "wasi:cli/environment@0.2.12";
import { exit } from "wasi:cli/exit@0.2.12";
import { onRejection } from "../floating.js";
import { isAwake, needHost, now } from "../fresh.js";
import { VERSIONS } from "../language.js";
import { nextTick, uncaught } from "../loop.js";
import { flush, stderr, stdout } from "../output.js";
import EventEmitter from "./events.js";

const NODE = "22.12.0";
const NANOSECONDS = 1e6; // in a millisecond

const process = new EventEmitter();

let env;
let directory;
let umask = 0o022;

function hrtime(since) {
  const nanoseconds = Math.round(now() * NANOSECONDS);
  const time = [Math.floor(nanoseconds / 1e9), nanoseconds % 1e9];
  if (!since) return time;
  const [seconds, rest] = [time[0] - since[0], time[1] - since[1]];
  return rest < 0 ? [seconds - 1, rest + 1e9] : [seconds, rest];
}
hrtime.bigint = () => BigInt(Math.round(now() * NANOSECONDS));

const streams = {};

/** Set by the stream module: `process` is there before it. */
export const makeStream = { writable: null, readable: null };

// Read in each sandbox, not when a snapshot is made.
function environment() {
  return isAwake() ? (env ??= Object.fromEntries(getEnvironment())) : {};
}

function outputStream(fd, output) {
  const stream = makeStream.writable({
    decodeStrings: false,
    write(chunk, encoding, done) {
      if (typeof chunk === "string" && (encoding === "utf8" || encoding === "utf-8")) output.write(chunk);
      else output.writeBytes(typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk);
      done();
    },
  });
  return Object.assign(stream, { fd, isTTY: false, columns: 80, rows: 24, hasColors: () => false, getColorDepth: () => 1 });
}

Object.assign(process, {
  title: "capsule",
  version: `v${NODE}`,
  versions: { node: NODE, capsule: "1.0.0", ...VERSIONS },
  release: { name: "node" },
  arch: "wasm32",
  platform: "linux",
  pid: 1,
  ppid: 0,
  execPath: "/app/capsule",
  execArgv: [],
  exitCode: undefined,
  config: { variables: {} },
  features: {},
  argv0: "capsule",
  nextTick,
  hrtime,
  cwd: () => (isAwake() ? (directory ??= initialCwd() || "/") : "/"),
  chdir(target) {
    directory = new URL(target, `file://${process.cwd()}/`).pathname.replace(/(.)\/$/, "$1");
  },
  exit(code = process.exitCode) {
    needHost("process.exit");
    process.exitCode = code;
    process.emit("exit", Number(code ?? 0));
    flush();
    exit({ tag: Number(code ?? 0) === 0 ? "ok" : "err" });
  },
  abort() {
    process.exit(134);
  },
  reallyExit: (code) => process.exit(code),
  kill() {
    throw new Error("process.kill is not available in a capsule sandbox: it holds one process");
  },
  uptime: () => now() / 1000,
  umask(mask) {
    const before = umask;
    if (mask !== undefined) umask = Number(mask);
    return before;
  },
  memoryUsage: Object.assign(() => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }), { rss: () => 0 }),
  cpuUsage: () => ({ user: Math.round(now() * 1000), system: 0 }),
  resourceUsage: () => ({}),
  getuid: () => 1000,
  geteuid: () => 1000,
  getgid: () => 1000,
  getegid: () => 1000,
  getgroups: () => [],
  emitWarning(warning) {
    const text = warning instanceof Error ? `${warning.name}: ${warning.message}` : `Warning: ${warning}`;
    stderr.write(`(capsule) ${text}\n`);
    process.emit("warning", warning);
  },
  setUncaughtExceptionCaptureCallback() {},
  hasUncaughtExceptionCaptureCallback: () => false,
  binding() {
    throw new Error("process.binding is not available in a capsule sandbox");
  },
  reportError: uncaught,
});

Object.defineProperties(process, {
  env: { enumerable: true, configurable: true, get: environment, set: (value) => (env = value) },
  argv: { enumerable: true, configurable: true, get: () => ["/app/capsule", "/app/main.js", ...(isAwake() ? getArguments().slice(1) : [])] },
  stdout: { enumerable: true, configurable: true, get: () => (streams.stdout ??= outputStream(1, stdout)) },
  stderr: { enumerable: true, configurable: true, get: () => (streams.stderr ??= outputStream(2, stderr)) },
  stdin: {
    enumerable: true,
    configurable: true,
    get: () => (streams.stdin ??= Object.assign(makeStream.readable({ read() { this.push(null); } }), { fd: 0, isTTY: false })),
  },
  [Symbol.toStringTag]: { value: "process" },
});

onRejection((reason, promise) => process.emit("unhandledRejection", reason, promise));

globalThis.process = process;

export default process;
export const { cwd, exit: exitProcess, hrtime: highResolutionTime } = process;
export { nextTick };
