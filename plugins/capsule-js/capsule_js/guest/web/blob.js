// Blob, File and FormData, all in memory.

const encoder = new TextEncoder();
// By its name: StarlingMonkey has no such class.
const SHARED = /SharedArrayBuffer/;

function bytesOf(part) {
  if (part instanceof Blob) return part[CONTENT];
  if (part instanceof ArrayBuffer || SHARED.test(Object.prototype.toString.call(part))) return new Uint8Array(part.slice(0));
  if (ArrayBuffer.isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength).slice();
  return encoder.encode(String(part));
}

export function concat(pieces) {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** The bytes of a Blob, for other modules of the engine. */
export const CONTENT = Symbol("content");

export class Blob {
  #type;
  constructor(parts = [], { type = "" } = {}) {
    Object.defineProperty(this, CONTENT, { value: concat(Array.from(parts, bytesOf)) });
    this.#type = /[^\x20-\x7e]/.test(type) ? "" : String(type).toLowerCase();
  }
  get size() {
    return this[CONTENT].length;
  }
  get type() {
    return this.#type;
  }
  slice(start, end, type = "") {
    return new Blob([this[CONTENT].slice(start, end)], { type });
  }
  async text() {
    return new TextDecoder().decode(this[CONTENT]);
  }
  async bytes() {
    return this[CONTENT].slice();
  }
  async arrayBuffer() {
    return this[CONTENT].slice().buffer;
  }
  stream() {
    const bytes = this[CONTENT].slice();
    return new ReadableStream({
      type: "bytes",
      start(controller) {
        if (bytes.length) controller.enqueue(bytes);
        controller.close();
      },
    });
  }
  get [Symbol.toStringTag]() {
    return "Blob";
  }
}

export class File extends Blob {
  #name;
  #modified;
  constructor(parts, name, options = {}) {
    if (arguments.length < 2) throw new TypeError("new File(parts, name): both are required");
    super(parts, options);
    this.#name = String(name);
    this.#modified = options.lastModified === undefined ? Date.now() : Number(options.lastModified);
  }
  get name() {
    return this.#name;
  }
  get lastModified() {
    return this.#modified;
  }
  get webkitRelativePath() {
    return "";
  }
  get [Symbol.toStringTag]() {
    return "File";
  }
}

function entry(name, value, filename) {
  if (!(value instanceof Blob)) return [String(name).toWellFormed(), String(value).toWellFormed()];
  const file =
    value instanceof File && filename === undefined
      ? value
      : new File([value], filename ?? "blob", { type: value.type, lastModified: value.lastModified });
  return [String(name).toWellFormed(), file];
}

export class FormData {
  #entries = [];
  append(name, value, filename) {
    this.#entries.push(entry(name, value, filename));
  }
  set(name, value, filename) {
    const made = entry(name, value, filename);
    const at = this.#entries.findIndex(([other]) => other === made[0]);
    if (at < 0) {
      this.#entries.push(made);
      return;
    }
    this.#entries = this.#entries.filter(([other], index) => other !== made[0] || index === at);
    this.#entries[at] = made;
  }
  delete(name) {
    this.#entries = this.#entries.filter(([other]) => other !== String(name));
  }
  get(name) {
    return this.#entries.find(([other]) => other === String(name))?.[1] ?? null;
  }
  getAll(name) {
    return this.#entries.filter(([other]) => other === String(name)).map(([, value]) => value);
  }
  has(name) {
    return this.#entries.some(([other]) => other === String(name));
  }
  forEach(callback, self) {
    for (const [name, value] of this) callback.call(self, value, name, this);
  }
  *entries() {
    yield* this.#entries.map(([name, value]) => [name, value]);
  }
  *keys() {
    for (const [name] of this.#entries) yield name;
  }
  *values() {
    for (const [, value] of this.#entries) yield value;
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  get [Symbol.toStringTag]() {
    return "FormData";
  }
}

const quoted = (name) => name.replace(/\r\n|\r|\n/g, "%0D%0A").replaceAll('"', "%22");

/** A form as `multipart/form-data`: `{type, bytes}`. */
export function encodeForm(form) {
  const boundary = `----capsule${crypto.randomUUID().replaceAll("-", "")}`;
  const pieces = [];
  for (const [name, value] of form) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"`;
    if (value instanceof Blob) {
      const type = value.type || "application/octet-stream";
      pieces.push(encoder.encode(`${head}; filename="${quoted(value.name)}"\r\nContent-Type: ${type}\r\n\r\n`));
      pieces.push(value[CONTENT], encoder.encode("\r\n"));
    } else {
      pieces.push(encoder.encode(`${head}\r\n\r\n${value.replace(/\r\n|\r|\n/g, "\r\n")}\r\n`));
    }
  }
  pieces.push(encoder.encode(`--${boundary}--\r\n`));
  return { type: `multipart/form-data; boundary=${boundary}`, bytes: concat(pieces) };
}

/** The form that a body of `type` holds. Throws a `TypeError` for a body that is none. */
export function decodeForm(type, bytes) {
  const form = new FormData();
  if (/^application\/x-www-form-urlencoded\b/i.test(type)) {
    for (const [name, value] of new URLSearchParams(new TextDecoder().decode(bytes))) form.append(name, value);
    return form;
  }
  const boundary = /^multipart\/form-data\b.*?;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(type);
  if (!boundary) throw new TypeError(`a body of type "${type}" is not a form`);
  // One character for each byte, so that the text's positions are the bytes'.
  const text = atob(bytes.toBase64());
  const parts = text.split(`--${boundary[1] ?? boundary[2]}`).slice(1, -1);
  for (const part of parts) {
    const split = part.indexOf("\r\n\r\n");
    const head = split < 0 ? "" : decoded(part.slice(0, split));
    const name = /;\s*name="([^"]*)"/i.exec(head);
    if (!name) throw new TypeError("a malformed multipart/form-data body");
    const content = Uint8Array.from(part.slice(split + 4, -2), (character) => character.charCodeAt(0));
    const filename = /;\s*filename="([^"]*)"/i.exec(head);
    const unquoted = (raw) => raw.replaceAll("%0D%0A", "\r\n").replaceAll("%22", '"');
    if (filename) {
      const kind = /^content-type:\s*(.+)$/im.exec(head)?.[1].trim() ?? "text/plain";
      form.append(unquoted(name[1]), new File([content], unquoted(filename[1]), { type: kind }));
    } else {
      form.append(unquoted(name[1]), new TextDecoder().decode(content));
    }
  }
  return form;
}

function decoded(latin1) {
  return new TextDecoder().decode(Uint8Array.from(latin1, (character) => character.charCodeAt(0)));
}

Object.assign(globalThis, { Blob, File, FormData });
