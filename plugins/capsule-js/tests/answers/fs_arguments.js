// What fs says to arguments that are odd.
const file = `${ROOT}/x`;
fs.writeFileSync(file, "hello");
const fd = fs.openSync(file, "r+");
function named() {}
const four = () => Buffer.alloc(4);
const ODD = [undefined, null, 0, -1, -5, 1.5, NaN, Infinity, 2 ** 31, 2 ** 53, 2 ** 60, 2 ** 64, 1e300, -1e300, "1", "x", "", true, 3n, -7n, 2n ** 64n, {}, [], named, Symbol("s")];

for (const value of ODD) {
  await answer("read at", value, () => fs.readSync(fd, four(), 0, 4, value));
  await answer("read from offset", value, () => fs.readSync(fd, four(), value, 1, 0));
  await answer("read length", value, () => typeof value !== "bigint" && fs.readSync(fd, four(), 0, value, 0));
  await answer("read into", value, () => fs.readSync(fd, value, 0, 1, 0));
  await answer("read of", value, () => (value === 0 ? "stdin" : fs.readSync(value, four(), 0, 1, 0)));
  await answer("write offset", value, () => fs.writeSync(fd, four(), value, 1, 0));
  await answer("write length", value, () => fs.writeSync(fd, four(), 0, value, 0));
  await answer("write of", value, () => (typeof value === "string" ? 0 : fs.writeSync(fd, value)));
  await answer("ftruncate", value, () => (value > 1e6 && Number.isSafeInteger(value) ? "too large" : fs.ftruncateSync(fd, value)));
  await answer("path", value, () => (typeof value === "string" ? 0 : fs.statSync(value)));
  await answer("exists", value, () => typeof value !== "string" && fs.existsSync(value));
  await answer("rename from", value, () => (typeof value === "string" ? 0 : fs.renameSync(value, file)));
  await answer("rename to", value, () => (typeof value === "string" ? 0 : fs.renameSync(file, value)));
  await answer("promises.readFile", value, () => (typeof value === "string" || value === 0 ? 0 : fs.promises.readFile(value)));
}
for (const value of [undefined, null, NaN, Infinity, {}, [], Symbol("s"), 3n, "x", true]) {
  await answer("utimes", value, () => fs.utimesSync(file, value, 1));
}
await answer("after all", "", () => fs.readFileSync(file).length);
await answer("null byte", "", () => fs.readFileSync("a\0b"));
await answer("no callback", "", () => fs.readFile(file));
await answer("not a callback", "", () => fs.stat(file, 5));
fs.closeSync(fd);
await answer("closed", "", () => fs.readSync(fd, four(), 0, 4, 0));
