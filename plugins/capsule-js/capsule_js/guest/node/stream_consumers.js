// stream/consumers: a whole stream at once.

async function buffer(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(typeof piece === "string" ? Buffer.from(piece) : Buffer.from(piece));
  return Buffer.concat(pieces);
}

const text = async (stream) => (await buffer(stream)).toString("utf8");

export default {
  buffer,
  text,
  json: async (stream) => JSON.parse(await text(stream)),
  arrayBuffer: async (stream) => new Uint8Array(await buffer(stream)).buffer,
  blob: async (stream) => new Blob([await buffer(stream)]),
};
