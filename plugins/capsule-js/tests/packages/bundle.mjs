// Bundles one program as the engine's README asks: `node bundle.mjs MODULES SOURCE OUTPUT`, where MODULES is the
// toolchain's node_modules, and OUTPUT gets `{"bundle", "frames"}` as JSON. With a fourth argument `node`, OUTPUT is
// a program for Node instead, to compare with. For tests; the frontend has its own.

import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { frameTable } from "../../capsule_js/guest/frametable.mjs";

const [modules, source, output] = process.argv.slice(2, 5).map((argument) => path.resolve(argument));
const require = createRequire(path.join(path.dirname(modules), "bundle.js"));
const builtins = new Set(JSON.parse(await readFile(new URL("../../capsule_js/guest/builtins.json", import.meta.url), "utf8")));

const builtin = {
  name: "capsule-builtin",
  setup(build) {
    build.onResolve({ filter: /.*/ }, ({ path: specifier }) => {
      const name = specifier.replace(/^node:/, "");
      return builtins.has(name) ? { path: name, namespace: "capsule-builtin", sideEffects: false } : undefined;
    });
    build.onLoad({ filter: /.*/, namespace: "capsule-builtin" }, ({ path: name }) => ({
      contents: `module.exports = globalThis.__capsule_builtins[${JSON.stringify(name)}]`,
      loader: "js",
    }));
  },
};

if (process.argv[5] === "node") {
  await require("esbuild").build({
    entryPoints: [source],
    outfile: output,
    bundle: true,
    format: "esm",
    platform: "node",
    banner: { js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);' },
    logLevel: "error",
  });
  process.exit();
}

const { outputFiles } = await require("esbuild").build({
  stdin: {
    contents: `import * as program from ${JSON.stringify(`./${path.basename(source)}`)};\nglobalThis.__capsule_exports = program;`,
    resolveDir: path.dirname(source),
    sourcefile: "<capsule>",
  },
  bundle: true,
  write: false,
  outfile: path.join(path.dirname(source), "bundle.js"),
  format: "esm",
  platform: "neutral",
  target: "es2023",
  supported: { "dynamic-import": false },
  mainFields: ["browser", "module", "main"],
  conditions: ["worker", "browser", "module"],
  define: {
    "process.env.NODE_ENV": '"production"',
    "import.meta.url": '"file:///app/main.js"',
    "import.meta.dirname": '"/app"',
    "import.meta.filename": '"/app/main.js"',
    global: "globalThis",
  },
  minifySyntax: true,
  minifyWhitespace: true,
  lineLimit: 200,
  sourcemap: "external",
  sourcesContent: false,
  legalComments: "none",
  logLevel: "error",
  plugins: [builtin],
});

const [map, bundle] = outputFiles.sort((one) => (one.path.endsWith(".map") ? -1 : 1));
await writeFile(output, JSON.stringify({ bundle: bundle.text, frames: frameTable(JSON.parse(map.text)) }));
