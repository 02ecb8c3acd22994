// Bundles the guest for one engine.
//
// `modules` is a folder `node_modules` made from package-lock.json. `values` has data for modules, by their files: it
// becomes their default export. A file in the folder `standIns` stands in for the guest's file of the same name.
// `supported` tells esbuild what the engine does not parse.

import { existsSync, realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const builtins = new Set(JSON.parse(await readFile(path.join(here, "builtins.json"), "utf8")));
const OWN = { "abort-controller": "abort_controller.js" };
// The package of Node's streams has a formatter of its own, for the messages of its errors, that knows little.
const FORMATTER = /readable-stream[\\/]lib[\\/]ours[\\/]errors\.js$/;

// Packages that expect Node get the engine's own modules.
const nodeModules = {
  name: "node-modules",
  setup(build) {
    build.onResolve({ filter: /^(node:|[a-z])/ }, ({ path: specifier, importer }) => {
      const name = specifier.replace(/^node:/, "").replace(/\/$/, "");
      const own = OWN[name] ?? (builtins.has(name) ? `${name.replaceAll("/", "_")}.js` : null);
      if (!own || importer === path.join(here, "node", own)) return undefined;
      return { path: path.join(here, "node", own) };
    });
  },
};

// What the engine has in common with the npm package stands there: beside the guest where the plugin is installed,
// beside the plugin in a checkout.
const sdk = [path.join(here, "../sdk"), path.join(here, "../../sdk")].find((folder) => existsSync(folder));

const npmPackage = {
  name: "npm-package",
  setup(build) {
    build.onResolve({ filter: /^@capsule-run\/sdk\// }, ({ path: specifier }) => ({
      path: path.join(sdk, specifier.slice("@capsule-run/sdk/".length)),
    }));
  },
};

const formatter = {
  name: "formatter",
  setup(build) {
    build.onResolve({ filter: /^\.\/util\/inspect$/ }, ({ importer, resolveDir }) =>
      FORMATTER.test(importer) ? build.resolve("node-inspect-extracted", { kind: "require-call", resolveDir }) : undefined,
    );
  },
};

function data(values) {
  const known = new Map(Object.entries(values).map(([file, value]) => [realpathSync(file), value]));
  return {
    name: "data",
    setup(build) {
      build.onLoad({ filter: /\.js$/ }, ({ path: file }) => {
        return known.has(file) ? { contents: `export default ${JSON.stringify(known.get(file))}`, loader: "js" } : undefined;
      });
    },
  };
}

function standing(folder) {
  return {
    name: "stand-ins",
    setup(build) {
      build.onResolve({ filter: /^\.\.?\// }, ({ path: specifier, resolveDir }) => {
        const name = path.relative(here, path.resolve(resolveDir, specifier));
        const other = path.join(folder, name);
        return !name.startsWith("..") && existsSync(other) ? { path: other } : undefined;
      });
    },
  };
}

/** The text of the guest's bundle. */
export async function bundleGuest({ modules, values = {}, standIns, supported }) {
  const esbuild = createRequire(path.join(path.dirname(modules), "engine.js"))("esbuild");
  const plugins = [data(values), npmPackage, formatter, nodeModules];
  if (standIns) plugins.unshift(standing(standIns));
  const { outputFiles } = await esbuild.build({
    entryPoints: [path.join(here, "main.js")],
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    target: "es2023",
    supported,
    mainFields: ["module", "main"],
    conditions: ["module"],
    external: ["wasi:*", "capsule:*"],
    nodePaths: [modules],
    define: { "process.env.NODE_ENV": '"production"' },
    // Class names show: in tracebacks, in printed objects, and packages compare them.
    keepNames: true,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    plugins,
  });
  return outputFiles[0].text;
}

/** Writes the component that `make` gives. The program's own error goes to stdout, in the form that `load` gives it. */
export async function build(make, write) {
  try {
    await write(await make());
  } catch (error) {
    const own = /capsule-load-error (\{.*\})/.exec(error.message);
    if (!own) throw error;
    process.stdout.write(own[1]);
    process.exitCode = 4;
  }
}
