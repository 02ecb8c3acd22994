// fs: the callback and promise forms of the synchronous functions, and the whole module.

import { nextTick } from "../loop.js";
import { Dirent, Stats, constants } from "./fs_stats.js";
import { ReadStream, WriteStream } from "./fs_streams.js";
import { Dir, bytesOf, closeSync, encodingOf, existsSync, fstatSync, openSync, readFileSync, readSync, sync, writeSync } from "./fs_sync.js";
import { unavailable } from "./unavailable.js";
import { validateFunction, wrongType } from "./validators.js";

function withCallback(work) {
  return (...args) => {
    const callback = args.pop();
    // One that isn't there was taken for another argument.
    validateFunction(typeof callback === "function" ? callback : undefined, "cb");
    let result;
    try {
      result = work(...args);
    } catch (error) {
      nextTick(callback, error);
      return;
    }
    nextTick(callback, null, result);
  };
}

class FileHandle {
  constructor(fd) {
    this.fd = fd;
  }
  async read(buffer = Buffer.alloc(16384), offset, length, position) {
    if (!ArrayBuffer.isView(buffer)) ({ buffer = Buffer.alloc(16384), offset, length, position } = buffer);
    return { bytesRead: readSync(this.fd, buffer, offset, length, position), buffer };
  }
  async write(buffer, ...rest) {
    return { bytesWritten: writeSync(this.fd, buffer, ...rest), buffer };
  }
  async readFile(options) {
    return readFileSync(this.fd, options);
  }
  async writeFile(data, options) {
    writeSync(this.fd, bytesOf(data, encodingOf(options)));
  }
  async appendFile(data, options) {
    return this.writeFile(data, options);
  }
  async stat() {
    return fstatSync(this.fd);
  }
  async truncate(length) {
    sync.ftruncate(this.fd, length);
  }
  async sync() {
    sync.fsync(this.fd);
  }
  async datasync() {
    sync.fsync(this.fd);
  }
  async utimes(accessed, modified) {
    sync.futimes(this.fd, accessed, modified);
  }
  async chmod() {}
  async close() {
    closeSync(this.fd);
  }
  createReadStream(options) {
    return new ReadStream(null, { ...options, fd: this.fd });
  }
  createWriteStream(options) {
    return new WriteStream(null, { ...options, fd: this.fd });
  }
  async *readLines() {
    yield* (await this.readFile("utf8")).replace(/\n$/, "").split(/\r?\n/);
  }
  async [Symbol.asyncDispose]() {
    await this.close();
  }
}

const fs = {
  ...unavailable("fs", "nothing tells the sandbox of changes to files", ["watch", "watchFile", "unwatchFile"]),
  constants,
  ...constants,
  Dir,
  Dirent,
  Stats,
  ReadStream,
  WriteStream,
  createReadStream: (path, options) => new ReadStream(path, options),
  createWriteStream: (path, options) => new WriteStream(path, options),
  exists: (path, callback) => nextTick(callback, existsSync(path)),
  existsSync,
  readSync,
  writeSync,
  read(fd, ...rest) {
    const callback = rest.pop();
    const buffer = ArrayBuffer.isView(rest[0]) ? rest[0] : (rest[0]?.buffer ?? Buffer.alloc(16384));
    const place = ArrayBuffer.isView(rest[0]) ? rest.slice(1) : [rest[0] ?? {}];
    withCallback(() => readSync(fd, buffer, ...place))((error, count) => callback(error, count, buffer));
  },
  write(fd, data, ...rest) {
    const callback = rest.pop();
    withCallback(() => writeSync(fd, data, ...rest))((error, count) => callback(error, count, data));
  },
  promises: { constants, FileHandle, open: async (path, flags) => new FileHandle(openSync(path, flags)) },
};

for (const [name, work] of Object.entries(sync)) {
  fs[`${name}Sync`] = work;
  fs[name] = withCallback(work);
  if (!/^f[a-z]|^close$|^open$/.test(name)) fs.promises[name] ??= async (...args) => work(...args);
}

// Promises are given a FileHandle where functions with a callback are given a number.
for (const name of ["readFile", "writeFile", "appendFile"]) {
  fs.promises[name] = async (path, ...rest) => {
    if (typeof path === "number") throw wrongType("path", ["string", "Buffer", "URL"], path);
    return sync[name](path instanceof FileHandle ? path.fd : path, ...rest);
  };
}

fs.realpath.native = fs.realpath;

export default fs;
