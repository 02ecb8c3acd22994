import stream from "./stream.js";

export default stream.promises;
