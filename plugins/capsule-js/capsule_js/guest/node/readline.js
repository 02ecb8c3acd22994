// readline: lines of a stream.

import EventEmitter from "./events.js";

class Interface extends EventEmitter {
  #queue = [];
  #wake = null;
  #rest = "";
  closed = false;

  constructor(input, output) {
    super();
    const options = input?.input ? input : { input, output };
    this.input = options.input;
    this.output = options.output;
    this.terminal = false;
    this.line = "";
    const decoder = new TextDecoder();
    this.input.on("data", (chunk) => this.#take(typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true })));
    this.input.on("end", () => {
      if (this.#rest) this.#line(this.#rest);
      this.#rest = "";
      this.close();
    });
    this.input.on("error", (error) => this.emit("error", error));
  }
  #take(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line);
  }
  #line(line) {
    if (this.listenerCount("line")) this.emit("line", line);
    else this.#queue.push(line);
    this.#wake?.();
  }
  close() {
    if (this.closed) return;
    this.closed = true;
    this.#wake?.();
    this.emit("close");
  }
  pause() {
    this.input.pause();
    return this;
  }
  resume() {
    this.input.resume();
    return this;
  }
  write() {}
  setPrompt() {}
  prompt() {}
  question(query, options, callback) {
    this.output?.write(query);
    this.once("line", typeof options === "function" ? options : callback);
  }
  async *[Symbol.asyncIterator]() {
    for (;;) {
      while (this.#queue.length) yield this.#queue.shift();
      if (this.closed) return;
      await new Promise((resolve) => (this.#wake = resolve));
    }
  }
}

export const createInterface = (...args) => new Interface(...args);

const nothing = (...args) => {
  args.findLast((argument) => typeof argument === "function")?.();
  return true;
};

export default { Interface, clearLine: nothing, createInterface, cursorTo: nothing, emitKeypressEvents() {}, moveCursor: nothing };
