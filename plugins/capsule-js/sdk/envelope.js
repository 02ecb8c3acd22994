// A task's outcome.

/** What `unwrap()` throws. */
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

class Envelope {
  constructor(fields) {
    Object.assign(this, fields);
  }
  unwrap() {
    if (this.success) return this.result;
    const { error_type: type, message, traceback } = this.error ?? {};
    throw new TaskError(message ?? "the task failed", type, traceback);
  }
}

/** Gives an outcome's fields their `unwrap()`. */
export function envelope(fields) {
  return new Envelope(fields);
}
