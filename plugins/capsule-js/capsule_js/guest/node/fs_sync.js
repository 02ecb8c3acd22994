// fs: the synchronous functions, by the names of their asynchronous forms in `sync`.

import { OpenFile, absolute, failure, link, list, locate, makeFolder, readLink, removeFolder, rename, setTimes, stat, symlink, unlink } from "./files.js";
import { Dirent, MODES, Stats, constants } from "./fs_stats.js";
import process from "./process.js";
import { outOfRange, validateInteger, wrongType, wrongValue } from "./validators.js";

const open = new Map();

/** Whether a descriptor is open. */
export const isOpen = (fd) => open.has(fd);

const FIRST = 3; // 0, 1 and 2 are the standard streams

const MOST_FD = 2 ** 31 - 1;

function file(fd, syscall) {
  if (typeof fd !== "number") throw wrongType("fd", "number", fd);
  validateInteger(fd, "fd", 0, MOST_FD);
  const found = open.get(fd);
  if (!found) throw failure("bad-descriptor", syscall);
  return found;
}

export const encodingOf = (options) => (typeof options === "string" ? options : options?.encoding);

export function bytesOf(data, encoding, argument = "data") {
  if (typeof data === "string") return Buffer.from(data, encoding ?? "utf8");
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw wrongType(argument, ["string", "Buffer", "TypedArray", "DataView"], data);
}

export function openSync(path, flags = "r") {
  const opened = new OpenFile(path, flags ?? "r");
  let fd = FIRST;
  while (open.has(fd)) fd++;
  open.set(fd, opened);
  return fd;
}

export function closeSync(fd) {
  file(fd, "close").close();
  open.delete(fd);
}

/** Calls `use` with the open file of a descriptor or path, and closes what was opened here. */
function using(target, flags, use) {
  if (typeof target === "number") return use(file(target, "open"));
  const opened = new OpenFile(target, flags);
  try {
    return use(opened);
  } finally {
    opened.close();
  }
}

export function readFileSync(path, options) {
  const bytes = using(path, options?.flag ?? "r", (opened) => {
    if (opened.stat().type === "directory") throw failure("is-directory", "read");
    return opened.rest();
  });
  const encoding = encodingOf(options);
  return encoding && encoding !== "buffer" ? bytes.toString(encoding) : bytes;
}

function writeFileSync(path, data, options) {
  const bytes = bytesOf(data, encodingOf(options));
  using(path, options?.flag ?? "w", (opened) => opened.write(bytes));
}

const appendFileSync = (path, data, options) =>
  writeFileSync(path, data, { flag: "a", ...(typeof options === "string" ? { encoding: options } : options) });

export function readSync(fd, buffer, offset, length, position) {
  const opened = file(fd, "read");
  if (!ArrayBuffer.isView(buffer)) throw wrongType("buffer", ["Buffer", "TypedArray", "DataView"], buffer);
  if (arguments.length <= 3 || (typeof offset === "object" && offset !== null)) {
    if (offset !== undefined && (typeof offset !== "object" || Array.isArray(offset))) throw wrongType("options", "Object", offset);
    ({ offset = 0, length = buffer.byteLength - offset, position } = offset ?? {});
  }
  offset ??= 0;
  validateInteger(offset, "offset", 0);
  const count = length | 0;
  if (count === 0) return 0;
  if (!buffer.byteLength) throw wrongValue("buffer", buffer, "is empty and cannot be written");
  inside(offset, count, buffer.byteLength);
  const view = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, count);
  return opened.read(view, place(position, count));
}

function inside(offset, length, size) {
  if (offset < 0) throw outOfRange("offset", ">= 0", offset);
  if (length < 0) throw outOfRange("length", ">= 0", length);
  if (offset + length > size) throw outOfRange("length", `<= ${size - offset}`, length);
}

/** Where to read: null is where the file stands. */
export function place(position, length) {
  if (position === undefined || position === null) return null;
  if (typeof position === "bigint") {
    const last = 2n ** 63n - 1n - BigInt(length);
    if (position < -1n || position > last) throw outOfRange("position", `>= -1 && <= ${last}`, position);
  } else if (typeof position === "number") {
    validateInteger(position, "position", -1);
  } else {
    throw wrongType("position", ["integer", "bigint"], position);
  }
  return position < 0 ? null : Number(position);
}

export function writeSync(fd, data, offset, length, position) {
  const target = fd === 1 ? process.stdout : fd === 2 ? process.stderr : null;
  let bytes;
  if (typeof data === "string") {
    bytes = Buffer.from(data, length ?? "utf8");
    position = offset;
  } else {
    bytes = bytesOf(data, undefined, "buffer");
    if (typeof offset === "object") ({ offset = 0, length, position } = offset ?? {});
    offset ??= 0;
    validateInteger(offset, "offset", 0);
    if (typeof length !== "number") length = bytes.length - offset;
    if (offset > bytes.length) throw outOfRange("offset", `<= ${bytes.length}`, offset);
    if (length > bytes.length - offset) throw outOfRange("length", `<= ${bytes.length - offset}`, length);
    if (length < 0) throw outOfRange("length", ">= 0", length);
    validateInteger(length, "length");
    bytes = bytes.subarray(offset, offset + length);
  }
  if (target) {
    target.write(bytes);
    return bytes.length;
  }
  // As in Node: a place that is none is where the file stands.
  return file(fd, "write").write(bytes, Number.isSafeInteger(position) && position >= 0 ? position : null);
}

function whole(length = 0) {
  validateInteger(length, "len");
  return Math.max(0, length);
}

function statOf(follow) {
  return (path, options) => {
    try {
      return new Stats(stat(path, follow));
    } catch (error) {
      if (options?.throwIfNoEntry === false && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
      throw error;
    }
  };
}

const statSync = statOf(true);
const lstatSync = statOf(false);
export const fstatSync = (fd) => new Stats(file(fd, "fstat").stat());

export function existsSync(path) {
  try {
    stat(path, true);
    return true;
  } catch {
    return false;
  }
}

function accessSync(path) {
  try {
    stat(path, true, "access");
  } catch (error) {
    if (error.code === "EACCES") throw error;
    throw failure(error.code === "ENOENT" ? "no-entry" : "access", "access", path);
  }
}

function readdirSync(path, options) {
  const base = path instanceof URL || path instanceof Uint8Array ? absolute(path) : path;
  const results = [];
  const visit = (folder, prefix) => {
    for (const { name, type } of list(folder)) {
      results.push(options?.withFileTypes ? new Dirent(name, folder, MODES[type] ?? 0) : prefix + name);
      if (options?.recursive && type === "directory") visit(`${folder}/${name}`, `${prefix}${name}/`);
    }
  };
  visit(base, "");
  return encodingOf(options) === "buffer" ? results.map((name) => Buffer.from(name)) : results;
}

function isFolder(path) {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function mkdirSync(path, options) {
  if (!options?.recursive) return makeFolder(path);
  const { full } = locate(path, "mkdir");
  const missing = [];
  let folder = full;
  for (; folder !== "/" && !exists(folder); folder = folder.slice(0, folder.lastIndexOf("/")) || "/") missing.push(folder);
  if (!missing.length) {
    if (!isFolder(full)) throw failure("exist", "mkdir", path);
    return undefined;
  }
  for (const made of missing.reverse()) makeFolder(made);
  return missing[0];
}

// Above the policy's folders nothing can be seen, nor has to be made.
function exists(path) {
  try {
    stat(path, true);
    return true;
  } catch (error) {
    return error.code === "EACCES" ? Boolean(stat(path, true)) : false;
  }
}

function rmdirSync(path, options) {
  if (options?.recursive) rmSync(path, { recursive: true });
  else removeFolder(path);
}

function rmSync(path, options) {
  const found = options?.force ? lstatOrNothing(path) : lstatSync(path);
  if (!found) return;
  if (!found.isDirectory()) {
    unlink(path);
    return;
  }
  if (!options?.recursive) {
    throw Object.assign(new Error(`Path is a directory: rm returned EISDIR (is a directory) ${path}`), { code: "ERR_FS_EISDIR", path });
  }
  for (const { name } of list(path)) rmSync(`${absolute(path)}/${name}`, options);
  removeFolder(path);
}

const lstatOrNothing = (path) => lstatSync(path, { throwIfNoEntry: false });

function copyFileSync(from, to, mode = 0) {
  const source = new OpenFile(from, "r");
  try {
    if (source.stat().type === "directory") throw failure("is-directory", "copyfile", from, to);
    const target = new OpenFile(to, mode & constants.COPYFILE_EXCL ? "wx" : "w");
    try {
      const buffer = new Uint8Array(1 << 20);
      for (let count; (count = source.read(buffer)); ) target.write(buffer.subarray(0, count));
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}

function cpSync(from, to, options = {}) {
  if (!statSync(from).isDirectory()) {
    if (options.force === false && existsSync(to)) {
      if (options.errorOnExist) throw failure("exist", "cp", to);
      return;
    }
    copyFileSync(from, to);
    return;
  }
  if (!options.recursive) throw failure("is-directory", "cp", from);
  mkdirSync(to, { recursive: true });
  for (const { name } of list(from)) {
    const source = `${absolute(from)}/${name}`;
    const target = `${absolute(to)}/${name}`;
    if (options.filter && !options.filter(source, target)) continue;
    cpSync(source, target, options);
  }
}

function realpathSync(path) {
  let full = absolute(path);
  for (let links = 0; links < 40; links++) {
    const found = lstatSync(full);
    if (!found.isSymbolicLink()) return full;
    full = absolute(full.slice(0, full.lastIndexOf("/") + 1) + readLink(full));
  }
  throw failure("loop", "realpath", path);
}
realpathSync.native = realpathSync;

function mkdtempSync(prefix) {
  const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  const suffix = Array.from({ length: 6 }, () => letters[Math.floor(Math.random() * letters.length)]).join("");
  makeFolder(prefix + suffix);
  return prefix + suffix;
}

// WASI has no modes and owners: what exists accepts any.
const ignored = (path) => void stat(path, true);

export class Dir {
  #entries;
  constructor(path, options) {
    this.path = path;
    this.#entries = readdirSync(path, { ...options, withFileTypes: true });
  }
  readSync() {
    return this.#entries.shift() ?? null;
  }
  async read() {
    return this.readSync();
  }
  closeSync() {}
  async close() {}
  async *[Symbol.asyncIterator]() {
    for (let entry; (entry = this.readSync()); ) yield entry;
  }
}

export const sync = {
  access: accessSync,
  appendFile: appendFileSync,
  chmod: ignored,
  chown: ignored,
  close: closeSync,
  copyFile: copyFileSync,
  cp: cpSync,
  fchmod: (fd) => void file(fd, "fchmod"),
  fchown: (fd) => void file(fd, "fchown"),
  fdatasync: (fd) => file(fd, "fdatasync").sync(),
  fstat: fstatSync,
  fsync: (fd) => file(fd, "fsync").sync(),
  ftruncate: (fd, length) => file(fd, "ftruncate").truncate(whole(length)),
  futimes: (fd, accessed, modified) => file(fd, "futime").setTimes(accessed, modified),
  lchown: ignored,
  link,
  lstat: lstatSync,
  mkdir: mkdirSync,
  mkdtemp: mkdtempSync,
  open: openSync,
  opendir: (path, options) => new Dir(path, options),
  readFile: readFileSync,
  readdir: readdirSync,
  readlink: readLink,
  realpath: realpathSync,
  rename,
  rm: rmSync,
  rmdir: rmdirSync,
  stat: statSync,
  symlink: (target, path) => symlink(String(target), path),
  truncate: (path, length) => using(path, "r+", (opened) => opened.truncate(whole(length))),
  unlink,
  utimes: setTimes,
  writeFile: writeFileSync,
};
