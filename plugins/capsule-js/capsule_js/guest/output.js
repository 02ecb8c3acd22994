// Standard output and standard error of the task.
//
// Text is written at once while there is little of it, so that what was printed before an endless loop
// or a crash is there to read; a program that prints much is buffered.

import { getStderr } from "wasi:cli/stderr@0.2.12";
import { getStdout } from "wasi:cli/stdout@0.2.12";
import { isAwake } from "./fresh.js";

const PIECE = 4096; // the most that one blocking write takes
const BUFFERED = 64 * 1024;
const AT_ONCE = 64; // writes
const PERIOD = 100; // milliseconds

class Output {
  constructor(open) {
    this.open = open;
    this.stream = null;
    this.text = [];
    this.length = 0;
    this.writes = 0;
    this.period = 0;
  }

  write(text) {
    if (!isAwake()) return;
    this.text.push(text);
    this.length += text.length;
    const now = Date.now();
    if (now - this.period > PERIOD) {
      this.period = now;
      this.writes = 0;
    }
    if (++this.writes <= AT_ONCE || this.length > BUFFERED) this.flush();
  }

  writeBytes(bytes) {
    if (!ArrayBuffer.isView(bytes)) throw new TypeError("only text and bytes can be written");
    this.flush();
    this.#send(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  flush() {
    if (!this.length) return;
    const text = this.text.join("");
    this.text = [];
    this.length = 0;
    this.#send(new TextEncoder().encode(text));
  }

  #send(bytes) {
    this.stream ??= this.open();
    try {
      for (let start = 0; start < bytes.length; start += PIECE) {
        this.stream.blockingWriteAndFlush(bytes.subarray(start, start + PIECE));
      }
    } catch {
      // The host has stopped listening: the limit on output is its business, not an error of the task.
    }
  }
}

export const stdout = new Output(getStdout);
export const stderr = new Output(getStderr);

export function flush() {
  stdout.flush();
  stderr.flush();
}
