// url: the WHATWG classes, and Node's older functions beside them.

import * as portable from "unenv/node/url";

const { URL, URLSearchParams } = globalThis;
const { Url, domainToASCII, domainToUnicode, fileURLToPath, format, parse, pathToFileURL, resolve, resolveObject, urlToHttpOptions } = portable;

// The package warns of its first parse. That one happens here, when the engine is built.
const { warn } = globalThis.console;
globalThis.console.warn = () => {};
parse("file:///");
globalThis.console.warn = warn;

export { URL, URLSearchParams, Url, fileURLToPath, format, parse, pathToFileURL, resolve, urlToHttpOptions };
export default {
  URL, URLSearchParams, Url, domainToASCII, domainToUnicode, fileURLToPath, fileURLToPathBuffer: (url) => Buffer.from(fileURLToPath(url)),
  format, parse, pathToFileURL, resolve, resolveObject, urlToHttpOptions,
};
