import type { Envelope } from "./index.js";

export type { Envelope } from "./index.js";

export interface RunOptions {
  /** A source file (`.ts`, `.js`, `.py`, ...) or a `.wasm`. */
  file: string;
  /** Arguments of the task, as JSON. */
  args?: readonly unknown[];
  /** The task to run. Default: `"main"`. */
  task?: string;
  /** More folders for the run: `HOST[::GUEST][:ro|:rw]`. */
  mounts?: readonly string[];
  /** What relative paths start at. Default: the process's working directory. */
  cwd?: string;
  /** Ceilings, under the names of `[limits]`. */
  limits?: Readonly<Record<string, unknown>>;
  /** Called with what the task writes; without it, that goes to stderr. */
  onOutput?: (stream: "stdout" | "stderr", text: string) => void;
  /** Ends the run: the promise is then rejected with the signal's reason. */
  signal?: AbortSignal;
  /** How to start capsule. Default: the environment's `CAPSULE_COMMAND`, else `"capsule"`. */
  command?: string;
}

/** There is nothing to run: a missing file, a build that fails, a policy that can't be used. */
export declare class CapsuleError extends Error {
  /** What to do next. */
  readonly hint: string | null;
  /** What `capsule run` would have ended with: 2 for usage and configuration, 3 for a failed build. */
  readonly exitCode: number;
}

/**
 * Runs a task and gives its outcome. A task that fails is an outcome; a `CapsuleError` is thrown when there is
 * nothing to run. Any number of runs can be under way at once.
 */
export declare function run<Result = unknown>(options: RunOptions): Promise<Envelope<Result>>;

/** Ends the worker processes that `run` has started. They end with this process, too. */
export declare function close(): void;
