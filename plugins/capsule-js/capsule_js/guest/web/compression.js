// CompressionStream and DecompressionStream over the host's codec; they work on the whole text at its end.

import { compress, decompress } from "../codec.js";
import { concat } from "./blob.js";

const FORMATS = { gzip: "gzip", deflate: "zlib", "deflate-raw": "deflate" };

function transformer(name, format, work) {
  if (!Object.hasOwn(FORMATS, format)) throw new TypeError(`${name}: unsupported format "${format}"`);
  const chunks = [];
  return new TransformStream({
    transform(chunk) {
      if (ArrayBuffer.isView(chunk)) chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength).slice());
      else chunks.push(new Uint8Array(chunk));
    },
    flush(controller) {
      try {
        controller.enqueue(work(FORMATS[format], concat(chunks)));
      } catch (error) {
        throw new TypeError(error.message);
      }
    },
  });
}

class CompressionStream {
  constructor(format) {
    const { readable, writable } = transformer("CompressionStream", format, compress);
    Object.assign(this, { readable, writable });
  }
}

class DecompressionStream {
  constructor(format) {
    const { readable, writable } = transformer("DecompressionStream", format, decompress);
    Object.assign(this, { readable, writable });
  }
}

Object.assign(globalThis, { CompressionStream, DecompressionStream });
