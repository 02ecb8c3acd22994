import { web } from "../web/streams.js";

const { CompressionStream, DecompressionStream, TextDecoderStream, TextEncoderStream } = globalThis;
export default { ...web, CompressionStream, DecompressionStream, TextDecoderStream, TextEncoderStream };
