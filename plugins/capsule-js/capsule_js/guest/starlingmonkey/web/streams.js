// Web streams: the engine's own. It keeps some of their classes to itself, and leaves iteration out.

const {
  ReadableStream,
  ReadableStreamDefaultReader,
  ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest,
  ReadableStreamDefaultController,
  ReadableByteStreamController,
  WritableStream,
  TransformStream,
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
} = globalThis;

const WritableStreamDefaultWriter = new WritableStream().getWriter().constructor;

export const web = {
  ReadableStream,
  ReadableStreamDefaultReader,
  ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest,
  ReadableStreamDefaultController,
  ReadableByteStreamController,
  WritableStream,
  WritableStreamDefaultWriter,
  TransformStream,
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
};

Object.assign(globalThis, { WritableStreamDefaultWriter });

const disturbed = new WeakSet();
const streams = new WeakMap();

/** Whether something was read of a stream. */
export const isDisturbed = (stream) => disturbed.has(stream);

const { getReader } = ReadableStream.prototype;
ReadableStream.prototype.getReader = function (...args) {
  const reader = getReader.apply(this, args);
  streams.set(reader, this);
  return reader;
};

for (const { prototype } of [ReadableStreamDefaultReader, ReadableStreamBYOBReader]) {
  const { read } = prototype;
  prototype.read = function (...args) {
    if (streams.has(this)) disturbed.add(streams.get(this));
    return read.apply(this, args);
  };
}

for (const name of ["cancel", "pipeThrough", "pipeTo", "tee"]) {
  const method = ReadableStream.prototype[name];
  ReadableStream.prototype[name] = function (...args) {
    disturbed.add(this);
    return method.apply(this, args);
  };
}

// Streams of bytes can't be divided in the engine: one of chunks can.
const { tee } = ReadableStream.prototype;
ReadableStream.prototype.tee = function () {
  try {
    return tee.call(this);
  } catch (error) {
    if (!/not yet implemented/.test(error.message)) throw error;
    return this.pipeThrough(new TransformStream()).tee();
  }
};

ReadableStream.prototype.values ??= async function* ({ preventCancel = false } = {}) {
  const reader = this.getReader();
  let open = true;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      open = !done;
      if (done) return;
      yield value;
    }
  } catch (error) {
    open = false;
    throw error;
  } finally {
    if (open && !preventCancel) await reader.cancel();
    reader.releaseLock();
  }
};
ReadableStream.prototype[Symbol.asyncIterator] ??= ReadableStream.prototype.values;
