// A task's outcome. The engine is bundled with this file too: it is the same inside a sandbox and outside.

/** What `unwrap()` throws. `errorType` is one of the outcome's types, `traceback` the failed task's own. */
export class TaskError extends Error {
  constructor(message, errorType = "task_error", traceback = null) {
    super(`${errorType}: ${message}`);
    this.errorType = errorType;
    this.traceback = traceback;
  }
  get name() {
    return "TaskError";
  }
}

/** The guide's envelope, and `unwrap()`. */
export class Envelope {
  constructor(fields) {
    Object.assign(this, fields);
  }
  /** The result; throws a `TaskError` for a task that failed. */
  unwrap() {
    if (this.success) return this.result;
    const { error_type: type, message, traceback } = this.error ?? {};
    throw new TaskError(message ?? "the task failed", type, traceback);
  }
}
