// Node's hook for module names: see `parts.mjs`.

const REPLACED = new Set(["@bytecodealliance/jco", "@bytecodealliance/weval"]);
let tools;

export function initialize(data) {
  tools = data;
}

export function resolve(specifier, context, next) {
  if (!REPLACED.has(specifier)) return next(specifier, context);
  const url = new URL("parts.mjs", import.meta.url);
  url.searchParams.set("tools", tools);
  return { url: url.href, shortCircuit: true };
}
