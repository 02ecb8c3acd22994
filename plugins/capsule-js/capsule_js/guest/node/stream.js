// stream: Node's own implementation, as it is published for other engines.

import stream from "readable-stream/lib/stream.js";
import process, { makeStream } from "./process.js";

makeStream.writable = (options) => new stream.Writable(options);
makeStream.readable = (options) => new stream.Readable(options);

stream.Readable.toWeb = (readable) =>
  new ReadableStream({
    start(controller) {
      readable.on("data", (chunk) => controller.enqueue(typeof chunk === "string" ? chunk : new Uint8Array(chunk)));
      readable.on("end", () => controller.close());
      readable.on("error", (error) => controller.error(error));
    },
    cancel: (reason) => void readable.destroy(reason),
  });

stream.Readable.fromWeb = (web, options) => stream.Readable.from(web, { objectMode: false, ...options });

stream.Writable.toWeb = (writable) =>
  new WritableStream({
    write: (chunk) => new Promise((resolve, reject) => writable.write(chunk, (error) => (error ? reject(error) : resolve()))),
    close: () => new Promise((resolve) => writable.end(resolve)),
    abort: (reason) => void writable.destroy(reason),
  });

stream.Writable.fromWeb = (web, options) => {
  const writer = web.getWriter();
  return new stream.Writable({
    ...options,
    write: (chunk, _encoding, done) => void writer.write(chunk).then(() => done(), done),
    final: (done) => void writer.close().then(() => done(), done),
  });
};

export { process };
export const { Readable, Writable, Duplex, Transform, PassThrough, pipeline, finished } = stream;
export default stream;
