import { clearImmediate, clearTimeout, setImmediate, setInterval, setTimeout } from "../loop.js";
import promises from "./timers_promises.js";

export { clearImmediate, clearTimeout, setImmediate, setInterval, setTimeout };
export default { clearImmediate, clearInterval: clearTimeout, clearTimeout, promises, setImmediate, setInterval, setTimeout };
