// Bundles one program for Node, to compare with: `node bundle_for_node.mjs MODULES SOURCE OUTPUT`, where MODULES is the
// toolchain's node_modules.

import { createRequire } from "node:module";
import path from "node:path";

const [modules, source, output] = process.argv.slice(2, 5).map((argument) => path.resolve(argument));
const require = createRequire(path.join(path.dirname(modules), "bundle.js"));

await require("esbuild").build({
  entryPoints: [source],
  outfile: output,
  bundle: true,
  format: "esm",
  platform: "node",
  keepNames: true,
  banner: { js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);' },
  logLevel: "error",
});
