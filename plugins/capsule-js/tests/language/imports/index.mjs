// Imports that can't be had, and what a module knows of itself.

import { createRequire } from "node:module";
import cjs from "./given.cjs";
import * as part from "./part.mjs";

const found = {};
const record = (name, value) => {
  found[name] = value;
};
const outcome = async (work) => {
  try {
    return typeof (await work());
  } catch (error) {
    return [error.code, error.message.split("\n")[0].replace(/ imported from.*/, "")];
  }
};

record("required, never", await outcome(() => cjs.missing()));
record("required, relative", await outcome(() => cjs.nowhere()));
record("required, built-in", await outcome(() => cjs.unknown()));
record("required, of a computed name", (await outcome(() => cjs.computed("not-installed")))[0]);
record("required, built-in of a computed name", await outcome(() => cjs.computed("node:nothing")));
record("resolved", [(await outcome(() => cjs.resolved()))[0], cjs.resolvedBuiltin()]);
record("in a try", cjs.optional);
record("imported", (await outcome(() => import("not-installed")))[0]);
record("imported, relative", (await outcome(() => import("./nowhere.mjs")))[0]);
record("imported, built-in", await outcome(() => import("node:nothing")));
record("required again", [await outcome(() => cjs.missing()), await outcome(() => cjs.missing())]);
record("by createRequire", (await outcome(() => createRequire(import.meta.url)("not-installed")))[0]);

record("meta", [typeof import.meta.url, typeof import.meta.filename, typeof import.meta.dirname, typeof import.meta, import.meta === import.meta]);
record("env", [import.meta.env, import.meta.env?.MODE ?? "none"]);
record("hot", import.meta.hot?.accept);
record("resolve", [import.meta.resolve("fs"), import.meta.resolve("node:path"), import.meta.resolve("https://example.com/a"), import.meta.resolve("./x.mjs").endsWith("/x.mjs")]);
record("resolve, not there", (await outcome(() => import.meta.resolve("not-installed")))[0]);
record("main elsewhere", [part.main ?? false, cjs.main]);
record("own", ((import.meta.own = 1), import.meta.own));

export const main = () => found;
