// Builds the engine on StarlingMonkey: `node build.mjs MODULES TOOLS WIT OUTPUT`. MODULES is a folder `node_modules`
// made from ../package-lock.json, TOOLS one made from the lock file beside this one; WIT and OUTPUT are as in
// ../build.mjs.

import { writeFile } from "node:fs/promises";
import { register } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, bundleGuest } from "../bundle_guest.mjs";
import { normalization, properties } from "./unicode.mjs";

const [modules, tools, wit, output] = process.argv.slice(2).map((argument) => path.resolve(argument));
const componentizer = path.join(tools, "@bytecodealliance", "componentize-js", "src", "componentize.js");
const here = path.dirname(fileURLToPath(import.meta.url));

// The engine has no Unicode data: a literal with `\p{...}` would be an error of the whole text. Of these escapes the
// bundler overlooks those in brackets, so it goes by the flags.
const SUPPORTED = { "regexp-sticky-and-unicode-flags": false, "regexp-set-notation": false };

await build(
  async () => {
    register("./resolve.mjs", import.meta.url, { data: tools });
    const { componentize } = await import(pathToFileURL(componentizer));
    const values = {
      [path.join(here, "properties.js")]: properties(),
      [path.join(here, "normalization.js")]: JSON.stringify(normalization()),
    };
    const source = await bundleGuest({ modules, standIns: here, supported: SUPPORTED, values });
    // The tool that makes the snapshot wants a folder to cache in, and what it has for a home becomes a part of the
    // snapshot: a name that is the same in every build, for the folder that this one may write.
    const env = { HOME: "/proc/self/cwd" };
    const options = { witPath: wit, worldName: "starlingmonkey", disableFeatures: ["http", "fetch-event"], env };
    return (await componentize(source, options)).component;
  },
  (component) => writeFile(output, component),
);
