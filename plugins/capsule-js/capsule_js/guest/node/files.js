// Files: Node's names for what WASI offers. Everything here is synchronous; paths are absolute.

import { denial } from "capsule:runtime/files@1.0.0";
import { getDirectories } from "wasi:filesystem/preopens@0.2.12";
import { text, u64 } from "../border.js";
import { DENIED } from "../failure.js";
import { needHost } from "../fresh.js";
import { inOwnNames } from "../names.js";
import process from "./process.js";
import { wrongType, wrongValue } from "./validators.js";

const PIECE = 1 << 20; // bytes of one read or write

const ERRORS = {
  access: ["EACCES", 13, "permission denied"],
  "bad-descriptor": ["EBADF", 9, "bad file descriptor"],
  busy: ["EBUSY", 16, "resource busy or locked"],
  "cross-device": ["EXDEV", 18, "cross-device link not permitted"],
  exist: ["EEXIST", 17, "file already exists"],
  "file-too-large": ["EFBIG", 27, "file too large"],
  "illegal-byte-sequence": ["EILSEQ", 84, "illegal byte sequence"],
  "insufficient-space": ["ENOSPC", 28, "no space left on device"],
  invalid: ["EINVAL", 22, "invalid argument"],
  "is-directory": ["EISDIR", 21, "illegal operation on a directory"],
  loop: ["ELOOP", 40, "too many symbolic links encountered"],
  "name-too-long": ["ENAMETOOLONG", 36, "name too long"],
  "no-entry": ["ENOENT", 2, "no such file or directory"],
  "not-directory": ["ENOTDIR", 20, "not a directory"],
  "not-empty": ["ENOTEMPTY", 39, "directory not empty"],
  "not-permitted": ["EPERM", 1, "operation not permitted"],
  "read-only": ["EROFS", 30, "read-only file system"],
  quota: ["EDQUOT", 122, "disk quota exceeded"],
  unsupported: ["ENOTSUP", 95, "operation not supported"],
};

const DENIALS = new Set(["access", "not-permitted", "read-only"]);

/** Node's error for a WASI error code. */
export function failure(reason, syscall, path, destination) {
  const [code, number, text] = ERRORS[reason] ?? ["EIO", 5, `i/o error (${reason})`];
  const about = path === undefined ? "" : ` '${path}'${destination === undefined ? "" : ` -> '${destination}'`}`;
  const error = new Error(`${code}: ${text}, ${syscall}${about}`);
  Object.assign(error, { errno: -number, code, syscall });
  if (path !== undefined) error.path = path;
  if (destination !== undefined) error.dest = destination;
  if (DENIALS.has(reason)) Object.defineProperty(error, DENIED, { value: true });
  return error;
}

// What a syscall does with its path, besides reading it. Of those that only look nobody may want to know why they saw
// nothing: the host is asked when the message is read.
const LISTS = new Set(["scandir"]);
const CHANGES = new Set(["link", "mkdir", "rename", "rmdir", "symlink", "unlink", "utime", "write"]);
const LOOKS = new Set(["access", "lstat", "stat"]);
const REFUSED = new Set(["not-permitted", "read-only"]);

/** `failure` where the policy may be the reason: the host says why, and records it. `change`: also for writing. */
function denied(reason, syscall, path, destination, change = CHANGES.has(syscall)) {
  const error = failure(reason, syscall, path, destination);
  const { message } = error;
  const refused = REFUSED.has(reason);
  const define = (value) => Object.defineProperty(error, "message", { value, writable: true, configurable: true, enumerable: false });
  const ask = () => {
    const why = denial(process.cwd() === "/" ? text(path) : absolute(path), LISTS.has(syscall), change, refused);
    define(typeof why === "string" ? `${message}: ${inOwnNames(why)}` : message);
    return error.message;
  };
  if (refused || !LOOKS.has(syscall)) ask();
  else Object.defineProperty(error, "message", { get: ask, set: define, configurable: true, enumerable: false });
  return error;
}

/** Runs a WASI call; its error codes become Node's errors. */
export function attempt(syscall, path, call, destination, change) {
  try {
    return call();
  } catch (error) {
    if (typeof error?.payload !== "string") throw error;
    const fail = REFUSED.has(error.payload) && typeof path === "string" ? denied : failure;
    throw fail(error.payload, syscall, path, destination, change);
  }
}

/** An absolute path without `.` and `..`, from what Node's functions accept. */
export function absolute(path, argument = "path") {
  let name = path;
  if (path instanceof URL) {
    if (path.protocol !== "file:") throw Object.assign(new TypeError("The URL must be of scheme file"), { code: "ERR_INVALID_URL_SCHEME" });
    name = decodeURIComponent(path.pathname);
  } else if (path instanceof Uint8Array) {
    name = Buffer.from(path).toString();
  } else if (typeof path !== "string") {
    throw wrongType(argument, ["string", "Buffer", "URL"], path);
  }
  if (name.includes("\0")) throw wrongValue(argument, path, "must be a string, Uint8Array, or URL without null bytes");
  name = text(name);
  const parts = [];
  for (const part of (name.startsWith("/") ? name : `${process.cwd()}/${name}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

let folders;

// The folder with the longest matching name wins, as in wasi-libc.
function preopens() {
  needHost("a file");
  folders ??= getDirectories()
    .map(([descriptor, name]) => ({ descriptor, name: absolute(name) }))
    .sort((one, other) => other.name.length - one.name.length);
  return folders;
}

/** The names of the folders that the policy gives. */
export const roots = () => preopens().map(({ name }) => name);

/** Where a path lies: `{descriptor, relative, shown}`. Throws EACCES outside all folders of the policy. */
export function locate(path, syscall, change, argument) {
  const full = absolute(path, argument);
  const shown = path instanceof URL || path instanceof Uint8Array ? full : path;
  for (const { descriptor, name } of preopens()) {
    if (full === name) return { descriptor, relative: ".", shown, full };
    const prefix = name === "/" ? "/" : `${name}/`;
    if (full.startsWith(prefix)) return { descriptor, relative: full.slice(prefix.length), shown, full };
  }
  throw denied("access", syscall, shown, undefined, change);
}

const FOLLOW = { symlinkFollow: true };
const STAY = { symlinkFollow: false };

function flags(text) {
  const sync = /^(r|w|a)(x?)(s?)(\+?)(x?)$/.exec(text.replace("s", "").replace("rs", "r"));
  if (!sync) throw Object.assign(new TypeError(`The value of "flags" is invalid: ${text}`), { code: "ERR_INVALID_ARG_VALUE" });
  const [, kind] = sync;
  const both = text.includes("+");
  return {
    read: kind === "r" || both,
    write: kind !== "r" || both,
    create: kind !== "r",
    truncate: kind === "w",
    exclusive: text.includes("x"),
    append: kind === "a",
  };
}

const O = { RDONLY: 0, WRONLY: 1, RDWR: 2, CREAT: 64, EXCL: 128, TRUNC: 512, APPEND: 1024, DIRECTORY: 65536 };

function numericFlags(number) {
  return {
    read: (number & 3) === O.RDONLY || (number & 3) === O.RDWR,
    write: (number & 3) !== O.RDONLY,
    create: Boolean(number & O.CREAT),
    truncate: Boolean(number & O.TRUNC),
    exclusive: Boolean(number & O.EXCL),
    append: Boolean(number & O.APPEND),
  };
}

/** An open file. */
export class OpenFile {
  constructor(path, mode = "r") {
    const how = typeof mode === "number" ? numericFlags(mode) : flags(mode);
    const change = how.write || how.create;
    const { descriptor, relative, shown } = locate(path, "open", change);
    this.path = shown;
    this.append = how.append;
    this.position = 0;
    const open = () =>
      descriptor.openAt(
        FOLLOW,
        relative,
        { create: how.create, directory: false, exclusive: how.exclusive, truncate: how.truncate },
        {
          read: how.read,
          write: how.write,
          fileIntegritySync: false,
          dataIntegritySync: false,
          requestedWriteSync: false,
          mutateDirectory: false,
        },
      );
    this.descriptor = attempt("open", shown, open, undefined, change);
  }

  /** Reads into `bytes`, at `position` or where the file stands; gives the count, 0 at the end. */
  read(bytes, position = null) {
    const at = position ?? this.position;
    const [data] = attempt("read", this.path, () => this.descriptor.read(Math.min(bytes.length, PIECE), u64(at)));
    bytes.set(data);
    if (position === null) this.position += data.length;
    return data.length;
  }

  /** Everything from where the file stands. */
  rest() {
    const pieces = [];
    let length = 0;
    for (;;) {
      const [data, end] = attempt("read", this.path, () => this.descriptor.read(PIECE, this.position));
      this.position += data.length;
      length += data.length;
      if (data.length) pieces.push(data);
      if (end || !data.length) break;
    }
    if (pieces.length === 1) return Buffer.from(pieces[0].buffer, pieces[0].byteOffset, length);
    return Buffer.concat(pieces, length);
  }

  /** Writes all of `bytes`, at `position`, the end, or where the file stands. */
  write(bytes, position = null) {
    let at = this.append ? this.size() : (position ?? this.position);
    for (let start = 0; start < bytes.length; ) {
      const piece = bytes.subarray(start, start + PIECE);
      const count = Number(attempt("write", this.path, () => this.descriptor.write(piece, u64(at))));
      if (!count) throw failure("io", "write", this.path);
      start += count;
      at += count;
    }
    if (position === null) this.position = at;
    return bytes.length;
  }

  size() {
    return Number(attempt("fstat", this.path, () => this.descriptor.stat()).size);
  }

  stat() {
    return attempt("fstat", this.path, () => this.descriptor.stat());
  }

  truncate(length) {
    attempt("ftruncate", this.path, () => this.descriptor.setSize(u64(length)));
  }

  sync() {
    attempt("fsync", this.path, () => this.descriptor.sync());
  }

  setTimes(accessed, modified) {
    attempt("futime", this.path, () => this.descriptor.setTimes(timestamp(accessed), timestamp(modified)));
  }

  close() {
    this.descriptor?.[Symbol.dispose]?.();
    this.descriptor = null;
  }
}

const LATEST = 2 ** 33; // seconds, the year 2242: as late as file systems have it

function timestamp(time) {
  const seconds = time instanceof Date ? time.getTime() / 1000 : typeof time === "string" ? Number(time) : time;
  if (typeof seconds !== "number" || (!Number.isFinite(seconds) && !(time instanceof Date))) {
    throw wrongType("time", ["Date", "Time in seconds"], time);
  }
  // The interface has no times before 1970 and none without end.
  const whole = Math.min(Math.max(0, Math.floor(seconds) || 0), LATEST);
  return { tag: "timestamp", val: { seconds: whole, nanoseconds: Math.min(Math.max(0, Math.round((seconds - whole) * 1e9) || 0), 999_999_999) } };
}

export function stat(path, follow, syscall = follow ? "stat" : "lstat") {
  const { descriptor, relative, shown } = locate(path, syscall);
  return attempt(syscall, shown, () => descriptor.statAt(follow ? FOLLOW : STAY, relative));
}

/** The entries of a folder: `[{name, type}]`, by name. */
export function list(path) {
  const { descriptor, relative, shown } = locate(path, "scandir");
  return attempt("scandir", shown, () => {
    const folder = descriptor.openAt(
      FOLLOW,
      relative,
      { create: false, directory: true, exclusive: false, truncate: false },
      { read: true, write: false, fileIntegritySync: false, dataIntegritySync: false, requestedWriteSync: false, mutateDirectory: false },
    );
    const stream = folder.readDirectory();
    const entries = [];
    for (let entry; (entry = stream.readDirectoryEntry()); ) {
      if (entry.name !== "." && entry.name !== "..") entries.push(entry);
    }
    stream[Symbol.dispose]?.();
    folder[Symbol.dispose]?.();
    return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  });
}

function at(syscall, path, call) {
  const { descriptor, relative, shown } = locate(path, syscall);
  return attempt(syscall, shown, () => call(descriptor, relative));
}

export const makeFolder = (path) => at("mkdir", path, (folder, name) => folder.createDirectoryAt(name));
export const removeFolder = (path) => at("rmdir", path, (folder, name) => folder.removeDirectoryAt(name));
export const unlink = (path) => at("unlink", path, (folder, name) => folder.unlinkFileAt(name));
export const readLink = (path) => at("readlink", path, (folder, name) => folder.readlinkAt(name));
export const symlink = (target, path) => at("symlink", path, (folder, name) => folder.symlinkAt(text(target), name));

export function setTimes(path, accessed, modified) {
  at("utime", path, (folder, name) => folder.setTimesAt(FOLLOW, name, timestamp(accessed), timestamp(modified)));
}

export function rename(from, to) {
  const source = locate(from, "rename", undefined, "oldPath");
  const target = locate(to, "rename", undefined, "newPath");
  attempt("rename", source.shown, () => source.descriptor.renameAt(source.relative, target.descriptor, target.relative), target.shown);
}

export function link(from, to) {
  const source = locate(from, "link", undefined, "existingPath");
  const target = locate(to, "link", undefined, "newPath");
  attempt("link", source.shown, () => source.descriptor.linkAt(STAY, source.relative, target.descriptor, target.relative), target.shown);
}
