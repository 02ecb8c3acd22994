// TextEncoder and TextDecoder: the engine's native base64 and URI functions carry whole strings, a package
// does what they can't (streaming, invalid text, other encodings).

import { TextDecoder as PortableDecoder, TextEncoder as PortableEncoder } from "@exodus/bytes/encoding-lite.js";

const SHORT = 48; // below it, a loop is quicker than the native detour

const { fromBase64 } = Uint8Array;
const { encodeURIComponent, decodeURIComponent, escape, unescape, atob, btoa } = globalThis;

const HIGH_BITS = 0x80808080;

// Thirty-two bytes at a time: the interpreter's steps are what costs.
function isAscii(bytes) {
  const words = bytes.byteOffset % 4 === 0 ? (bytes.length >>> 5) << 3 : 0;
  const w = words ? new Uint32Array(bytes.buffer, bytes.byteOffset, words) : null;
  for (let i = 0; i < words; i += 8) {
    if ((w[i] | w[i + 1] | w[i + 2] | w[i + 3] | w[i + 4] | w[i + 5] | w[i + 6] | w[i + 7]) & HIGH_BITS) return false;
  }
  for (let i = words * 4; i < bytes.length; i++) {
    if (bytes[i] > 127) return false;
  }
  return true;
}

function latin1(text) {
  try {
    return fromBase64.call(Uint8Array, btoa(text));
  } catch {
    return null;
  }
}

class TextEncoder extends PortableEncoder {
  encode(input = "") {
    const text = String(input);
    if (text.length < SHORT) {
      const bytes = new Uint8Array(text.length);
      let index = 0;
      for (; index < text.length; index++) {
        const code = text.charCodeAt(index);
        if (code > 127) break;
        bytes[index] = code;
      }
      if (index === text.length) return bytes;
    }
    const bytes = latin1(text);
    if (bytes && isAscii(bytes)) return bytes;
    return fromBase64.call(Uint8Array, btoa(unescape(encodeURIComponent(text.toWellFormed()))));
  }
}

function view(input) {
  if (input === undefined) return new Uint8Array();
  if (input instanceof Uint8Array) return input;
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  return new Uint8Array(input);
}

const { toBase64 } = Uint8Array.prototype;

class TextDecoder extends PortableDecoder {
  #streaming = false;
  decode(input, options) {
    if (options?.stream || this.#streaming || this.encoding !== "utf-8") {
      this.#streaming = Boolean(options?.stream);
      return super.decode(input, options);
    }
    let bytes = view(input);
    if (!this.ignoreBOM && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
    if (isAscii(bytes)) return bytes.length < SHORT ? String.fromCharCode(...bytes) : atob(toBase64.call(bytes));
    try {
      return decodeURIComponent(escape(atob(toBase64.call(bytes))));
    } catch {
      return super.decode(input, options);
    }
  }
}

Object.assign(globalThis, { TextEncoder, TextDecoder });
