// fs: streams over files.

import { closeSync, isOpen, openSync, readSync, writeSync } from "./fs_sync.js";
import stream from "./stream.js";

const HIGH_WATER = 64 * 1024;

export class ReadStream extends stream.Readable {
  constructor(path, options) {
    const given = typeof options === "string" ? { encoding: options } : { ...options };
    super({ highWaterMark: given.highWaterMark ?? HIGH_WATER, encoding: given.encoding, signal: given.signal });
    this.path = path;
    this.flags = given.flags ?? "r";
    this.fd = given.fd?.fd ?? given.fd ?? null;
    this.bytesRead = 0;
    this.position = given.start ?? null;
    this.left = given.end === undefined ? Infinity : given.end - (given.start ?? 0) + 1;
  }
  _construct(done) {
    begin(this, done);
  }
  _read(size) {
    const buffer = Buffer.alloc(Math.min(size, this.left));
    try {
      const count = buffer.length ? readSync(this.fd, buffer, 0, buffer.length, this.position) : 0;
      if (this.position !== null) this.position += count;
      this.bytesRead += count;
      this.left -= count;
      this.push(count ? buffer.subarray(0, count) : null);
    } catch (error) {
      this.destroy(error);
    }
  }
  _destroy(error, done) {
    end(this, error, done);
  }
  close(done) {
    if (done) this.once("close", done);
    this.destroy();
  }
}

export class WriteStream extends stream.Writable {
  constructor(path, options) {
    const given = typeof options === "string" ? { encoding: options } : { ...options };
    super({ highWaterMark: given.highWaterMark, defaultEncoding: given.encoding ?? "utf8", decodeStrings: true, signal: given.signal });
    this.path = path;
    this.flags = given.flags ?? "w";
    this.fd = given.fd?.fd ?? given.fd ?? null;
    this.bytesWritten = 0;
    this.position = given.start ?? null;
  }
  _construct(done) {
    begin(this, done);
  }
  _write(chunk, _encoding, done) {
    try {
      const count = writeSync(this.fd, chunk, 0, chunk.length, this.position);
      if (this.position !== null) this.position += count;
      this.bytesWritten += count;
      done();
    } catch (error) {
      done(error);
    }
  }
  _destroy(error, done) {
    end(this, error, done);
  }
  close(done) {
    if (done) this.once("close", done);
    this.end();
  }
}

function begin(target, done) {
  try {
    target.fd ??= openSync(target.path, target.flags);
    done();
    target.emit("open", target.fd);
    target.emit("ready");
  } catch (error) {
    done(error);
  }
}

function end(target, error, done) {
  if (target.fd !== null && isOpen(target.fd)) closeSync(target.fd);
  target.fd = null;
  done(error);
}
