// A task's outcome. The engine is bundled with this file too: it is the same inside a sandbox and outside.

/** What `unwrap()` throws. `errorType` is one of the outcome's types, `traceback` the failed task's own. */
export class TaskError extends Error {
  constructor(message, errorType = "task_error", traceback = null, { taskName = null, taskNumber = null } = {}) {
    const kind = errorType === "task_error" ? "" : `${errorType}: `;
    const which = taskName === null ? "the task" : `the task ${named(taskName, taskNumber)}`;
    super(`${which} failed: ${kind}${message}`, traceback ? { cause: new SubTask(taskName, taskNumber, traceback) } : undefined);
    this.errorType = errorType;
    // Its cause shows it: whoever prints all properties shall not see it twice.
    Object.defineProperty(this, "traceback", { value: traceback, configurable: true, writable: true });
    this.taskName = taskName;
    this.taskNumber = taskNumber;
  }
  get name() {
    return "TaskError";
  }
}

/** The cause of what a failed sub-task throws: its name, its number, and its own stack. */
export class SubTask extends Error {
  constructor(name, number, traceback) {
    super(`${named(name, number)}\n${traceback.trimEnd().replace(/^/gm, "  ")}`);
    this.stack = `SubTask: ${this.message}`;
  }
  get name() {
    return "SubTask";
  }
}

function named(name, number) {
  return number === null || number === undefined ? JSON.stringify(name) : `${JSON.stringify(name)} (#${number})`;
}

/** The error for an operation that wants the task's result and is given its envelope. */
function misuse({ success, error, execution }, what) {
  const { task_name: name, task_number: number } = execution ?? {};
  const said = `${what} an envelope: it is the outcome of task ${named(name, number)}`;
  if (success) return new TypeError(`${said}, not its result; call .unwrap() on it for that`);
  const { error_type: type, message, traceback } = error ?? {};
  const failed = type === "task_error" ? message : `${type}: ${message}`;
  return new TypeError(`${said}, which failed: ${failed}`, traceback ? { cause: new SubTask(name, number, traceback) } : undefined);
}

const PRIMITIVES = { string: "text made of", number: "a number made of", default: "+ or comparison with" };

/** The guide's envelope, and `unwrap()`. What a result would be used for throws an error that says so. */
export class Envelope {
  constructor(fields) {
    Object.assign(this, fields);
  }
  /** The result; throws a `TaskError` for a task that failed. */
  unwrap() {
    if (this.success) return this.result;
    const { error_type: type, message, traceback } = this.error ?? {};
    const { task_name: taskName, task_number: taskNumber } = this.execution ?? {};
    throw new TaskError(message ?? "the task failed", type, traceback, { taskName, taskNumber });
  }
  toString() {
    throw misuse(this, PRIMITIVES.string);
  }
  [Symbol.toPrimitive](hint) {
    throw misuse(this, PRIMITIVES[hint]);
  }
  [Symbol.iterator]() {
    throw misuse(this, "iteration over");
  }
  [Symbol.asyncIterator]() {
    throw misuse(this, "iteration over");
  }
}

// Names that languages and test tools look for in any object, to learn what it is.
const LOOKED_FOR = new Set(["then", "toJSON", "inspect", "href", "asymmetricMatch", "nodeType", "tagName", "$$typeof", "_isMockFunction"]);

// Only what an envelope doesn't have is looked up here.
const missing = {
  get(target, key, receiver) {
    if (typeof key === "symbol" || key in target || LOOKED_FOR.has(key) || !Object.hasOwn(receiver, "execution")) {
      return Reflect.get(target, key, receiver);
    }
    throw misuse(receiver, `.${key} of`);
  },
};
Object.setPrototypeOf(Envelope.prototype, new Proxy(Object.create(Object.prototype), missing));

const names = new WeakMap();

function early(promise, what) {
  const name = JSON.stringify(names.get(promise));
  return new TypeError(`${what} a promise of the outcome of task ${name}; write await in front of it`);
}

function refusal(what) {
  return {
    configurable: true,
    get() {
      throw early(this, what);
    },
  };
}

const Promised = Object.create(Promise.prototype, {
  ...Object.fromEntries(["success", "result", "error", "execution", "unwrap"].map((name) => [name, refusal(`.${name} of`)])),
  toJSON: refusal("JSON made of"),
  toString: refusal("text made of"),
  [Symbol.iterator]: refusal("iteration over"),
  [Symbol.toPrimitive]: {
    configurable: true,
    value(hint) {
      throw early(this, PRIMITIVES[hint]);
    },
  },
});

/** The promise itself, which from now on says when it is used as if it were what it promises. */
export function promised(promise, name) {
  names.set(promise, name);
  return Object.setPrototypeOf(promise, Promised);
}
