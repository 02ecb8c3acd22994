// path: POSIX, as in every sandbox.

import posix from "path-browserify";
import * as windows from "unenv/node/path/win32";
import { unavailable } from "./unavailable.js";

const { basename, dirname, extname, isAbsolute, parse } = windows;
const WHY = "paths in a sandbox are POSIX paths";
const win32 = {
  ...unavailable("path.win32", WHY, ["format", "join", "normalize", "relative", "resolve", "toNamespacedPath"]),
  basename,
  delimiter: ";",
  dirname,
  extname,
  isAbsolute,
  parse,
  sep: "\\",
};

const path = Object.assign(posix, { posix, toNamespacedPath: (text) => text, win32 });
win32.posix = posix;
win32.win32 = win32;

export default path;
