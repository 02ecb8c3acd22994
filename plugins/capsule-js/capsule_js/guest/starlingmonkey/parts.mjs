// What the componentizer needs of its dependencies. They would bring 300 MB that it never loads: package.json has a
// small package in the place of each, and `resolve.mjs` gives the componentizer this module instead of them.

import path from "node:path";
import { pathToFileURL } from "node:url";

const owner = path.join(new URL(import.meta.url).searchParams.get("tools"), "@bytecodealliance");

export const { componentNew, metadataAdd } = await import(
  pathToFileURL(path.join(owner, "jco-transpile", "dist", "wasm-tools.js"))
);

/** The module that gives the component WASI's second version. */
export function preview1AdapterReactorPath() {
  return pathToFileURL(path.join(owner, "jco", "lib", "wasi_snapshot_preview1.reactor.wasm"));
}

/** Ahead-of-time evaluation, which is not asked for. */
export default function getWeval() {
  throw new Error("weval is not installed");
}
