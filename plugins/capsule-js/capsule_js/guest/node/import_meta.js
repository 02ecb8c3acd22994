// `import.meta` of all modules: a bundle is one text, and has none of its own. The bundler puts this object there, and
// knows which module is the main one.

const URL_OF_BUNDLE = "file:///app/main.js";

/** The object; `isBuiltin` says whether a specifier is one of Node's own modules. */
export function importMeta(isBuiltin) {
  // The address of a module, which need not be there.
  function resolve(specifier) {
    const text = String(specifier);
    if (isBuiltin(text)) return text.startsWith("node:") ? text : `node:${text}`;
    if (/^(?:\.{0,2}\/|\.\.?$)/.test(text)) return new URL(text, URL_OF_BUNDLE).href;
    if (URL.canParse(text)) return new URL(text).href;
    const why = "packages are part of the program's text, and have no address";
    throw Object.assign(new Error(`Cannot find package '${text}' imported from /app/main.js: ${why}`), { code: "ERR_MODULE_NOT_FOUND" });
  }
  return Object.assign(Object.create(null), { dirname: "/app", filename: "/app/main.js", main: false, resolve, url: URL_OF_BUNDLE });
}
