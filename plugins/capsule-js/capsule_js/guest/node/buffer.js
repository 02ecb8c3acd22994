// Buffer: the well-known package, with the engine's native codecs in its hot paths.

import * as portable from "buffer/index.js";
import { addNumbers } from "./buffer_numbers.js";
import { codes, validateNumber, wrongType } from "./validators.js";

const { Buffer, SlowBuffer, kMaxLength, INSPECT_MAX_BYTES } = portable;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function name(encoding) {
  const text = encoding === undefined || encoding === null ? "utf8" : String(encoding).toLowerCase();
  return text === "utf-8" ? "utf8" : text === "binary" ? "latin1" : text;
}

function wrap(bytes) {
  return Object.setPrototypeOf(bytes, Buffer.prototype);
}

function base64(text) {
  const end = text.indexOf("=");
  const clean = (end < 0 ? text : text.slice(0, end)).replaceAll("-", "+").replaceAll("_", "/").replace(/[^A-Za-z0-9+/]/g, "");
  // A single digit left over is less than a byte.
  return Uint8Array.fromBase64(clean.length % 4 === 1 ? clean.slice(0, -1) : clean);
}

function hex(text) {
  const good = /^(?:[0-9a-f]{2})*/i.exec(text)[0];
  return Uint8Array.fromHex(good);
}

function encode(text, encoding) {
  switch (encoding) {
    case "utf8":
      return encoder.encode(text);
    case "base64":
    case "base64url":
      return base64(text);
    case "hex":
      return hex(text);
    default:
      return null;
  }
}

addNumbers(Buffer.prototype);

function noSource(value) {
  const error = wrongType("first argument", ["string", "Buffer", "ArrayBuffer", "Array"], value);
  error.message = error.message.replace("or Array.", "or Array or an Array-like Object.");
  return error;
}

const from = Buffer.from;
Buffer.from = function (value, encoding, length) {
  if (typeof value !== "string") {
    // The package would ask a symbol for its value again and again.
    if (typeof value !== "object" || value === null) throw noSource(value);
    try {
      return from.call(Buffer, value, encoding, length);
    } catch (error) {
      throw error instanceof TypeError && error.message.startsWith("The first argument must be") ? noSource(value) : error;
    }
  }
  if (typeof encoding === "string" && encoding !== "" && !Buffer.isEncoding(encoding)) throw new codes.ERR_UNKNOWN_ENCODING(encoding);
  const bytes = encode(value, name(encoding));
  return bytes ? wrap(bytes) : from.call(Buffer, value, encoding);
};

const byteLength = Buffer.byteLength;
Buffer.byteLength = function (value, encoding) {
  if (typeof value === "string") {
    const bytes = encode(value, name(encoding));
    if (bytes) return bytes.length;
  }
  return byteLength.call(Buffer, value, encoding);
};

const isEncoding = Buffer.isEncoding;
Buffer.isEncoding = (encoding) => String(encoding).toLowerCase() === "base64url" || isEncoding(encoding);

const toString = Buffer.prototype.toString;
Buffer.prototype.toString = function (encoding, start = 0, end = this.length) {
  const kind = name(encoding);
  if (kind !== "utf8" && kind !== "base64" && kind !== "base64url" && kind !== "hex") {
    return toString.call(this, encoding, start, end);
  }
  const from = Math.max(0, Math.trunc(start) || 0);
  const to = Math.min(this.length, Math.trunc(end) || 0);
  if (to <= from) return "";
  const bytes = new Uint8Array(this.buffer, this.byteOffset + from, to - from);
  if (kind === "utf8") return decoder.decode(bytes);
  if (kind === "hex") return bytes.toHex();
  return bytes.toBase64(kind === "base64" ? undefined : { alphabet: "base64url", omitPadding: true });
};
Buffer.prototype.toLocaleString = Buffer.prototype.toString;

const write = Buffer.prototype.write;
Buffer.prototype.write = function (text, offset, length, encoding) {
  if (typeof offset === "string") return this.write(text, 0, this.length, offset);
  if (typeof length === "string") return this.write(text, offset, undefined, length);
  if (name(encoding) !== "base64url") return write.call(this, text, offset ?? 0, length ?? this.length - (offset ?? 0), encoding ?? "utf8");
  const bytes = base64(text).subarray(0, Math.min(length ?? Infinity, this.length - (offset ?? 0)));
  this.set(bytes, offset ?? 0);
  return bytes.length;
};

function isUtf8(input) {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(input);
    return true;
  } catch {
    return false;
  }
}

const isAscii = (input) => new Uint8Array(input.buffer ?? input).every((byte) => byte < 128);
const transcode = (source, from, to) => Buffer.from(Buffer.from(source).toString(from), to);
const constants = { MAX_LENGTH: kMaxLength, MAX_STRING_LENGTH: 2 ** 29 - 24 };
const { Blob, File, atob, btoa } = globalThis;

globalThis.Buffer = Buffer;

export { Blob, Buffer, File, INSPECT_MAX_BYTES, SlowBuffer, atob, btoa, constants, isAscii, isUtf8, kMaxLength, transcode };
export default {
  Blob, Buffer, File, INSPECT_MAX_BYTES, SlowBuffer, atob, btoa, constants, isAscii, isUtf8, kMaxLength,
  kStringMaxLength: constants.MAX_STRING_LENGTH, transcode,
};
