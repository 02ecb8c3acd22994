/** A value that JSON has. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** Why a task failed. */
export type ErrorType =
  | "task_error"
  | "timeout"
  | "out_of_fuel"
  | "out_of_memory"
  | "stack_overflow"
  | "permission_denied"
  | "invalid_call"
  | "result_too_large"
  | "exit"
  | "load_error"
  | "limit_exceeded"
  | "cancelled"
  | "crash";

/** A folder that a task may use. A text alone, like `"./data"`, means read and write. */
export interface FileGrant {
  /** Relative to the project's root. */
  path: string;
  /** `ro` is `read-only`, `rw` is `read-write`. */
  mode?: "read-only" | "ro" | "read-write" | "rw";
}

/** What a task may use. An option that is left out has the default of `capsule.toml`, else the built-in one. */
export interface TaskOptions {
  /** The task's name: each task of a program has its own. */
  name: string;
  /** CPU: a level, an amount of fuel (as a number or as text), or `"unlimited"`. Default: `"MEDIUM"`. */
  compute?: "LOW" | "MEDIUM" | "HIGH" | "unlimited" | (string & {}) | number;
  /** Memory, like `"512MB"`, a number of bytes, or `"unlimited"`. Default: unlimited, which is 4 GiB. */
  ram?: string | number;
  /** Time, like `"30s"` or `"1h30m"`, or a number of milliseconds. Default: unlimited. */
  timeout?: string | number;
  /** How often a failed task is tried again. Default: 0. */
  maxRetries?: number;
  /** Folders. Default: none. */
  allowedFiles?: readonly (string | FileGrant)[];
  /** Hosts, like `"api.example.com"`, `"*.example.com"` or `"*"`. Default: `["*"]`. */
  allowedHosts?: readonly string[];
  /** Names of environment variables. Default: none. */
  envVariables?: readonly string[];
  /**
   * Names of `[secrets]` in `capsule.toml`. The task holds a placeholder in the environment variable of that name;
   * the host puts the value into requests to the secret's hosts. Default: none.
   */
  secrets?: readonly string[];
  /** Names of host tools: functions that whoever starts the run hands over. Default: none. */
  tools?: readonly string[];
}

/** What the host measured. */
export interface ExecutionInfo {
  task_name: string;
  /** Milliseconds. */
  duration_ms: number;
  /** Retries that happened. */
  retries: number;
  /** About one for each WebAssembly instruction. */
  fuel_consumed: number;
  /** Milliseconds for making sandboxes and running the program's top level. */
  load_ms?: number;
  /** The task's number in its run, as `capsule trace` shows it. */
  task_number?: number;
}

/** Why a task failed, in words and as a type. */
export interface ErrorInfo {
  error_type: ErrorType;
  message: string;
  /** The task's own stack, with the places in its sources. */
  traceback: string | null;
}

/** The outcome of a task that returned. */
export interface Success<Result> {
  success: true;
  result: Result;
  error: null;
  execution: ExecutionInfo;
  /** The result. */
  unwrap(): Result;
}

/** The outcome of a task that failed. */
export interface Failure {
  success: false;
  result: null;
  error: ErrorInfo;
  execution: ExecutionInfo;
  /** Throws a `TaskError`. */
  unwrap(): never;
}

/** A task's outcome. Test `success` to know which; `unwrap()` gives the result or throws. */
export type Envelope<Result = unknown> = Success<Result> | Failure;

/** What `unwrap()` throws. */
export declare class TaskError extends Error {
  constructor(
    message: string,
    errorType?: ErrorType,
    traceback?: string | null,
    task?: { taskName?: string | null; taskNumber?: number | null },
  );
  readonly errorType: ErrorType;
  readonly traceback: string | null;
  readonly taskName: string | null;
  readonly taskNumber: number | null;
}

/** What comes back of a result: it travels as JSON, which has no `undefined`. */
type Sent<Value> = Value extends void | undefined ? null : Value;

interface TaskMethods<Arguments extends unknown[], Result> {
  /** Starts the task and goes on; the promise is fulfilled with its outcome. */
  start(...args: Arguments): Promise<Envelope<Result>>;
  /** Starts the task once for each item, side by side. */
  map(items: Iterable<Arguments[0]>): Promise<Envelope<Result>[]>;
}

/** A task whose function is not async: calling it waits for the outcome. */
export interface SyncTask<Arguments extends unknown[], Result> extends TaskMethods<Arguments, Result> {
  (...args: Arguments): Envelope<Result>;
}

/** A task whose function is async: calling it gives a promise of the outcome. */
export interface AsyncTask<Arguments extends unknown[], Result> extends TaskMethods<Arguments, Result> {
  (...args: Arguments): Promise<Envelope<Result>>;
}

type IsAny<Value> = 0 extends 1 & Value ? true : false;

/** A task, by what its function gives. */
export type Task<Arguments extends unknown[], Given> =
  IsAny<Given> extends true
    ? SyncTask<Arguments, Given>
    : [Given] extends [PromiseLike<infer Result>]
      ? AsyncTask<Arguments, Sent<Result>>
      : SyncTask<Arguments, Sent<Given>>;

/**
 * Declares a task. What it returns runs `fn` in a sandbox of its own, under the task's options:
 *
 *     const double = task({ name: "double", compute: "LOW" }, (x: number) => x * 2);
 *     double(21).unwrap(); // 42
 *
 * Arguments and results travel as JSON. A function that gives a promise has to be an `async` one.
 */
export declare function task<Arguments extends unknown[], Given>(
  options: TaskOptions,
  fn: (...args: Arguments) => Given,
): Task<Arguments, Given>;

/**
 * Host tools: functions of the program that starts the run, which a task may call that declares their names.
 * One object has the arguments by name; anything else is taken by place. A call that the task may not make is an
 * error, arguments that don't fit are a `TypeError`, and a tool that fails is a `ToolError`.
 */
export declare const tools: Record<string, (...args: any[]) => Promise<any>>;

/** What a tool chose to tell of its failure. */
export declare class ToolError extends Error {}
