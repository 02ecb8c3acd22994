// Builds the engine: `node build.mjs MODULES WIT OUTPUT [PROGRAM]`, where MODULES is a folder `node_modules` made from
// package-lock.json, WIT a folder with the engine's world and its dependencies, and OUTPUT the component to write.
// With PROGRAM, a JSON file `{"bundle", "frames"}`, the component holds that program with its top level evaluated.

import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build, bundleGuest } from "./bundle_guest.mjs";
import { refuseModules } from "./module_loader.mjs";

const [modules, wit, output, program] = process.argv.slice(2).map((argument) => path.resolve(argument));
const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(path.join(path.dirname(modules), "engine.js"));

// componentize-qjs is a loader and one native module per platform. The loader is left out: its list names
// platforms that were never published, which `npm ci` refuses.
function componentizer() {
  const libc = process.platform !== "linux" ? [""] : ["-gnu", "-musl"];
  const failures = [];
  for (const suffix of libc) {
    try {
      return require(`@andreiltd/componentize-qjs-binding-${process.platform}-${process.arch}${suffix}`);
    } catch (error) {
      failures.push(error.message.split("\n")[0]);
    }
  }
  throw new Error(`no componentize-qjs for ${process.platform} ${process.arch}: ${failures.join("; ")}`);
}

await build(
  async () => {
    const { componentize } = componentizer();
    const values = program ? { [path.join(here, "snapshot.js")]: JSON.parse(await readFile(program, "utf8")) } : {};
    const jsSource = await bundleGuest({ modules, values });
    return refuseModules((await componentize({ witPath: wit, jsSource, world: "engine" })).component);
  },
  (component) => writeFile(output, component),
);
