// zlib over the host's codec: gzip, deflate and raw deflate, both ways. The streams work on the whole text at its end.

import * as codec from "../codec.js";
import { nextTick } from "../loop.js";
import stream from "./stream.js";
import { unavailable } from "./unavailable.js";

const CODES = { "invalid-data": "Z_DATA_ERROR", "too-large": "ERR_BUFFER_TOO_LARGE" };

function bytesOf(data) {
  if (typeof data === "string") return Buffer.from(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new Uint8Array(data);
}

function guarded(work) {
  try {
    const bytes = work();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (error) {
    if (!error.reason) throw error;
    const code = error.message.includes("unexpected end") ? "Z_BUF_ERROR" : (CODES[error.reason] ?? "Z_ERRNO");
    throw Object.assign(new Error(error.message), { code, errno: code === "Z_BUF_ERROR" ? -5 : -3 });
  }
}

const level = (options) => {
  const wanted = options?.level ?? -1;
  return wanted < 0 ? 6 : Math.min(wanted, 9);
};
const limit = (options) => Math.min(options?.maxOutputLength ?? 2 ** 26, 2 ** 26);

const packing = (format) => (data, options) => guarded(() => codec.compress(format, bytesOf(data), level(options)));
const unpacking = (format) => (data, options) => guarded(() => codec.decompress(format, bytesOf(data), limit(options)));

const gunzipSync = unpacking("gzip");
const inflateSync = unpacking("zlib");

const work = {
  gzip: packing("gzip"),
  deflate: packing("zlib"),
  deflateRaw: packing("deflate"),
  gunzip: gunzipSync,
  inflate: inflateSync,
  inflateRaw: unpacking("deflate"),
  unzip(data, options) {
    const bytes = bytesOf(data);
    return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes, options) : inflateSync(bytes, options);
  },
};

const zlib = {
  ...unavailable("zlib", "the host's codec has gzip and deflate only", [
    "brotliCompress", "brotliCompressSync", "brotliDecompress", "brotliDecompressSync", "createBrotliCompress",
    "createBrotliDecompress", "zstdCompress", "zstdCompressSync", "zstdDecompress", "zstdDecompressSync",
  ]),
};

for (const [name, run] of Object.entries(work)) {
  const className = name[0].toUpperCase() + name.slice(1);
  const Stream = {
    [className]: class extends stream.Transform {
      #pieces = [];
      #options;
      constructor(options) {
        super(options);
        this.#options = options;
      }
      _transform(chunk, encoding, done) {
        this.#pieces.push(typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk);
        done();
      }
      _flush(done) {
        try {
          this.push(run(Buffer.concat(this.#pieces), this.#options));
          done();
        } catch (error) {
          done(error);
        }
      }
    },
  }[className];
  zlib[className] = Stream;
  zlib[`create${className}`] = (options) => new Stream(options);
  zlib[`${name}Sync`] = run;
  zlib[name] = (data, options, callback) => {
    if (typeof options === "function") [options, callback] = [undefined, options];
    let result;
    try {
      result = run(data, options);
    } catch (error) {
      nextTick(callback, error);
      return;
    }
    nextTick(callback, null, result);
  };
}

let table;

function crc32(data, value = 0) {
  table ??= Array.from({ length: 256 }, (_, index) => {
    let entry = index;
    for (let bit = 0; bit < 8; bit++) entry = entry & 1 ? (entry >>> 1) ^ 0xedb88320 : entry >>> 1;
    return entry >>> 0;
  });
  let sum = ~value;
  for (const byte of bytesOf(data)) sum = table[(sum ^ byte) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}

const constants = {
  Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_OK: 0, Z_STREAM_END: 1,
  Z_DATA_ERROR: -3, Z_BUF_ERROR: -5, Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9,
  Z_DEFAULT_COMPRESSION: -1, Z_DEFAULT_STRATEGY: 0, Z_DEFAULT_WINDOWBITS: 15, Z_DEFAULT_MEMLEVEL: 8,
};

export default Object.assign(zlib, constants, { constants, crc32 });
