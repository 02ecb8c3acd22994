// Runs tasks for Node programs: one `capsule worker` process for each working folder, many runs at once.

import { spawn } from "node:child_process";
import path from "node:path";

import { Envelope } from "./envelope.js";

/** There is nothing to run. */
export class CapsuleError extends Error {
  constructor(message, hint = null, exitCode = 2) {
    super(hint ? `${message}\nhint: ${hint}` : message);
    this.hint = hint;
    this.exitCode = exitCode;
  }
  get name() {
    return "CapsuleError";
  }
}

const workers = new Map();
const withoutWorker = new Set();

export async function run({ file, args = [], task, mounts = [], cwd, limits, onOutput, signal, command }) {
  if (typeof file !== "string" || !file) throw new TypeError("run({ file }): file is a path");
  if (!Array.isArray(args)) throw new TypeError("run({ args }): args is an array");
  signal?.throwIfAborted();
  const folder = path.resolve(cwd ?? ".");
  const program = command ?? process.env.CAPSULE_COMMAND ?? "capsule";
  const request = { file, args, mounts };
  if (task !== undefined) request.task = task;
  if (limits !== undefined) request.limits = limits;
  if (onOutput !== undefined) request.output = true;
  if (!withoutWorker.has(program)) {
    try {
      return await worker(program, folder).run(request, onOutput, signal);
    } catch (error) {
      if (!(error instanceof NoWorker)) throw error;
      withoutWorker.add(program);
    }
  }
  return await once(program, folder, request, onOutput, signal);
}

export function close() {
  for (const each of workers.values()) each.end();
  workers.clear();
}

function worker(program, folder) {
  const key = JSON.stringify([program, folder]);
  let found = workers.get(key);
  if (!found || found.ended) {
    found = new Worker(program, folder);
    workers.set(key, found);
  }
  return found;
}

/** The command has no `worker`: it is older than this package. */
class NoWorker extends Error {}

class Worker {
  constructor(program, folder) {
    this.ended = null;
    this.greeted = false;
    this.runs = new Map();
    this.last = 0;
    this.parts = [];
    this.child = spawn(program, ["worker"], { cwd: folder, stdio: ["pipe", "pipe", "inherit"] });
    this.child.stdout.setEncoding("utf8");
    this.child.stdout.on("data", (text) => this.read(text));
    this.child.stdin.on("error", () => {});
    this.child.on("error", (error) => this.stop(notStarted(program, folder, error)));
    this.child.on("close", (code) => {
      // Without a greeting it never was a worker.
      if (code === 2 && !this.greeted) this.stop(new NoWorker());
      else this.stop(new CapsuleError(`capsule's worker ended (${code ?? "killed"})`, "run it again"));
    });
    this.idle();
  }

  run(request, onOutput, signal) {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      if (this.ended) return reject(this.ended);
      const cancel = () => {
        this.send({ id, cancel: true });
        this.settle(id, reject, signal.reason);
      };
      const done = () => signal?.removeEventListener("abort", cancel);
      this.runs.set(id, { resolve, reject, onOutput, done });
      signal?.addEventListener("abort", cancel, { once: true });
      this.busy();
      try {
        this.send({ id, ...request });
      } catch (error) {
        this.settle(id, reject, error);
      }
    });
  }

  send(message) {
    this.child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  read(text) {
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      this.parts.push(text.slice(start, end));
      start = end + 1;
      const line = this.parts.join("");
      this.parts = [];
      this.reply(line);
    }
    if (start < text.length) this.parts.push(text.slice(start));
  }

  reply(line) {
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      this.stop(new CapsuleError(`capsule's worker said what is no reply: ${line.slice(0, 200)}`));
      this.child.kill();
      return;
    }
    if ("capsule" in message) {
      this.greeted = true;
      return;
    }
    const found = this.runs.get(message.id);
    if (!found) return;
    if (message.output) heard(found.onOutput, message.output);
    else if (message.outcome) this.settle(message.id, found.resolve, new Envelope(message.outcome));
    else {
      const { message: text, hint, exit_code: code } = message.error;
      this.settle(message.id, found.reject, new CapsuleError(text, hint, code));
    }
  }

  settle(id, settled, value) {
    this.runs.get(id)?.done();
    this.runs.delete(id);
    if (!this.runs.size) this.idle();
    settled(value);
  }

  stop(reason) {
    if (this.ended) return;
    this.ended = reason;
    for (const [id, { reject }] of [...this.runs]) this.settle(id, reject, reason);
  }

  end() {
    this.child.stdin.end();
  }

  // A worker that has nothing to do must not keep this process alive.
  idle() {
    for (const each of [this.child, this.child.stdin, this.child.stdout]) each.unref?.();
  }

  busy() {
    for (const each of [this.child, this.child.stdin, this.child.stdout]) each.ref?.();
  }
}

function heard(onOutput, { stream, text }) {
  try {
    onOutput(stream, text);
  } catch (error) {
    // An error of the caller's own must neither pass in silence nor stop the replies of other runs.
    queueMicrotask(() => {
      throw error;
    });
  }
}

function notStarted(program, folder, error) {
  if (error.code !== "ENOENT") return new CapsuleError(`${program} can't be started in ${folder}: ${error.message}`);
  return new CapsuleError(
    `there is no ${program}, or no folder ${folder}`,
    "name capsule's command, which lies in the environment that it is installed in: CAPSULE_COMMAND=/path/to/.venv/bin/capsule",
  );
}

/** A single run of the command line. */
function once(program, folder, request, onOutput, signal) {
  const argv = ["run", request.file, "--json", "--args-json", JSON.stringify(request.args)];
  if (request.task) argv.push("--task", request.task);
  for (const mount of request.mounts) argv.push("--mount", mount);
  for (const [name, value] of Object.entries(request.limits ?? {})) argv.push("--limit", `${name}=${value}`);
  const stderr = onOutput ? "pipe" : "inherit";
  const child = spawn(program, argv, { cwd: folder, stdio: ["ignore", "pipe", stderr], signal });
  return new Promise((resolve, reject) => {
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (printed += text));
    child.stderr?.setEncoding("utf8").on("data", (text) => onOutput("stderr", text));
    child.on("error", (error) => reject(signal?.aborted ? signal.reason : notStarted(program, folder, error)));
    child.on("close", (code) => {
      try {
        resolve(new Envelope(JSON.parse(printed)));
      } catch {
        reject(new CapsuleError(`capsule run ended with ${code}`, `capsule run ${request.file}`, code ?? 2));
      }
    });
  });
}
