const fs = require("node:fs");
const { pipeline } = require("node:stream/promises");

test("files are read as text and as bytes, at relative and absolute paths", () => {
  assert.equal(fs.readFileSync("./output/in.txt", "utf8"), "häl\nzwei\ndrei");
  assert.equal(fs.readFileSync("/data/given.txt", { encoding: "latin1" }), "given");
  assert.deepEqual([...fs.readFileSync(new URL("file:///data/given.txt"))], [103, 105, 118, 101, 110]);
});

test("files are written, appended to and truncated", () => {
  fs.writeFileSync("/output/a.bin", Buffer.from([1, 2, 3]));
  fs.appendFileSync("/output/a.bin", "x");
  assert.deepEqual([...fs.readFileSync("/output/a.bin")], [1, 2, 3, 120]);
  fs.writeFileSync("/output/a.bin", "short");
  fs.truncateSync("/output/a.bin", 2);
  assert.equal(fs.readFileSync("/output/a.bin", "utf8"), "sh");
});

test("folders are made, listed and removed", () => {
  assert.equal(fs.mkdirSync("/output/p/q/r", { recursive: true }), "/output/p");
  assert.equal(fs.mkdirSync("/output/p/q/r", { recursive: true }), undefined);
  fs.writeFileSync("/output/p/f.txt", "");
  assert.deepEqual(fs.readdirSync("/output"), ["in.txt", "p"]);
  assert.deepEqual(fs.readdirSync("/output", { recursive: true }), ["in.txt", "p", "p/f.txt", "p/q", "p/q/r"]);
  const [file, folder] = fs.readdirSync("/output", { withFileTypes: true });
  assert(file.isFile() && folder.isDirectory() && folder.name === "p" && folder.parentPath === "/output");
  assert.throws(() => fs.rmdirSync("/output/p"), { code: "ENOTEMPTY" });
  assert.throws(() => fs.rmSync("/output/p"), { code: "ERR_FS_EISDIR" });
  fs.rmSync("/output/p", { recursive: true });
  fs.rmSync("/output/p", { recursive: true, force: true });
  assert.deepEqual(fs.readdirSync("/output"), ["in.txt"]);
  assert.throws(() => fs.mkdirSync("/output/in.txt"), { code: "EEXIST" });
});

test("stat knows size, kind and times", () => {
  const stats = fs.statSync("/output/in.txt");
  assert(stats.isFile() && !stats.isDirectory() && stats.size === 14);
  assert(Math.abs(stats.mtime - Date.now()) < 60_000);
  fs.utimesSync("/output/in.txt", 1, new Date(2000));
  assert.equal(fs.statSync("/output/in.txt").mtimeMs, 2000);
  assert.equal(fs.statSync("/output/none", { throwIfNoEntry: false }), undefined);
  assert(fs.existsSync("/output") && !fs.existsSync("/output/none") && !fs.existsSync("/etc/passwd"));
});

test("files are copied, renamed and removed", () => {
  fs.copyFileSync("/data/given.txt", "/output/copy.txt");
  assert.throws(() => fs.copyFileSync("/data/given.txt", "/output/copy.txt", fs.constants.COPYFILE_EXCL), { code: "EEXIST" });
  fs.renameSync("/output/copy.txt", "/output/moved.txt");
  assert.equal(fs.readFileSync("/output/moved.txt", "utf8"), "given");
  fs.cpSync("/data", "/output/tree", { recursive: true });
  assert.equal(fs.readFileSync("/output/tree/given.txt", "utf8"), "given");
  fs.unlinkSync("/output/moved.txt");
  assert(!fs.existsSync("/output/moved.txt"));
});

test("symbolic links are made and followed", () => {
  fs.symlinkSync("in.txt", "/output/link");
  assert(fs.lstatSync("/output/link").isSymbolicLink() && fs.statSync("/output/link").isFile());
  assert.equal(fs.readlinkSync("/output/link"), "in.txt");
  assert.equal(fs.realpathSync("/output/link"), "/output/in.txt");
});

test("a symbolic link does not lead out of the policy's folders", () => {
  fs.symlinkSync("../data/given.txt", "/output/out");
  assert.throws(() => fs.readFileSync("/output/out"), { code: "EPERM" });
});

test("descriptors are read from and written to at positions", () => {
  const fd = fs.openSync("/output/fd", "w+");
  assert.equal(fs.writeSync(fd, "hello world"), 11);
  const buffer = Buffer.alloc(8);
  assert.equal(fs.readSync(fd, buffer, 1, 5, 6), 5);
  assert.equal(buffer.toString("utf8", 1, 6), "world");
  assert.equal(fs.readSync(fd, buffer), 0);
  assert.equal(fs.fstatSync(fd).size, 11);
  fs.closeSync(fd);
  assert.throws(() => fs.closeSync(fd), { code: "EBADF" });
});

test("errors have Node's codes, and say where", () => {
  assert.throws(() => fs.readFileSync("/output/none"), { code: "ENOENT", syscall: "open", path: "/output/none" });
  assert.throws(() => fs.readFileSync("/output"), { code: "EISDIR" });
  assert.throws(() => fs.readdirSync("/output/in.txt"), { code: "ENOTDIR" });
  assert.throws(() => fs.openSync("/output/in.txt", "wx"), { code: "EEXIST" });
  assert.throws(() => fs.readFileSync(5), { code: "EBADF" });
  assert.throws(() => fs.readFileSync(null), { code: "ERR_INVALID_ARG_TYPE" });
  assert.throws(() => fs.readFileSync("a\0b"), { code: "ERR_INVALID_ARG_VALUE" });
});

test("what the policy does not give is refused", () => {
  for (const path of ["/etc/passwd", "/output/../etc/passwd", "../../etc/passwd", "/outputs", "/"]) {
    assert.throws(() => fs.readFileSync(path), { code: "EACCES" }, path);
  }
  assert.throws(() => fs.writeFileSync("/data/new.txt", ""), (error) => ["EPERM", "EROFS", "EACCES"].includes(error.code));
  assert.throws(() => fs.unlinkSync("/data/given.txt"), (error) => ["EPERM", "EROFS", "EACCES"].includes(error.code));
});

test("fs/promises does the same, and rejects with the same errors", async () => {
  const promises = require("node:fs/promises");
  await promises.mkdir("/output/d");
  await promises.writeFile("/output/d/a", "text");
  assert.equal(await promises.readFile("/output/d/a", "utf8"), "text");
  assert.deepEqual(await promises.readdir("/output/d"), ["a"]);
  assert.equal((await promises.stat("/output/d/a")).size, 4);
  await promises.rm("/output/d", { recursive: true });
  await assert.rejects(promises.access("/output/d"), { code: "ENOENT" });
  await assert.rejects(promises.readFile("/etc/passwd"), { code: "EACCES" });
  const handle = await promises.open("/output/h", "w+");
  await handle.write("one\ntwo\n");
  const { bytesRead } = await handle.read(Buffer.alloc(3), 0, 3, 4);
  assert.equal(bytesRead, 3);
  await handle.close();
});

test("callbacks get errors and results, after the call has returned", async () => {
  let returned = false;
  const text = await new Promise((resolve, reject) => {
    fs.readFile("/data/given.txt", "utf8", (error, data) => (error || !returned ? reject(error) : resolve(data)));
    returned = true;
  });
  assert.equal(text, "given");
  assert.equal(await new Promise((resolve) => fs.stat("/none", (error) => resolve(error.code))), "EACCES");
});

test("streams read and write files, in pieces and by line", async () => {
  fs.writeFileSync("/output/big", Buffer.alloc(300_000, "abc"));
  let length = 0;
  for await (const chunk of fs.createReadStream("/output/big", { start: 1, end: 200_000 })) length += chunk.length;
  assert.equal(length, 200_000);
  await pipeline(fs.createReadStream("/output/big"), fs.createWriteStream("/output/big2"));
  assert.equal(fs.statSync("/output/big2").size, 300_000);
  const lines = [];
  const input = fs.createReadStream("/output/in.txt");
  for await (const line of require("node:readline").createInterface({ input })) lines.push(line);
  assert.deepEqual(lines, ["häl", "zwei", "drei"]);
  await assert.rejects(pipeline(fs.createReadStream("/output/none"), fs.createWriteStream("/output/x")), { code: "ENOENT" });
});

test("megabytes survive writing and reading", () => {
  const big = Buffer.alloc(3 << 20, "0123456789");
  fs.writeFileSync("/output/big", big);
  const read = fs.readFileSync("/output/big");
  assert.equal(read.length, big.length);
  assert.equal(read.toString("latin1", big.length - 12), big.toString("latin1", big.length - 12));
});

const denied = (message) => ({ code: "EACCES", message });

test("a path outside all folders says why, with the options as they are written here", () => {
  const said = (syscall, path) => denied(`EACCES: permission denied, ${syscall} '${path}': ${path} is not in allowedFiles`);
  assert.throws(() => fs.readFileSync("elsewhere/x"), said("open", "elsewhere/x"));
  assert.throws(() => fs.writeFileSync("/elsewhere/x", ""), said("open", "/elsewhere/x"));
  assert.throws(() => fs.readdirSync("elsewhere"), said("scandir", "elsewhere"));
  assert.throws(() => fs.mkdirSync("elsewhere/x", { recursive: true }), said("mkdir", "elsewhere/x"));
  assert.throws(() => fs.statSync("elsewhere/x"), said("stat", "elsewhere/x"));
  assert.throws(() => fs.accessSync("elsewhere/x"), said("access", "elsewhere/x"));
  assert.throws(() => fs.renameSync("/output/in.txt", "elsewhere/x"), said("rename", "elsewhere/x"));
});

test("what is read-only says so when it is written", () => {
  assert.throws(() => fs.writeFileSync("/data/given.txt", ""), (error) => {
    assert(/^E(PERM|ROFS): .*, open '\/data\/given.txt': \/data\/given.txt is not in allowedFiles$/.test(error.message));
    return true;
  });
});

test("nobody is asked about what only was looked for", () => {
  assert(!fs.existsSync("elsewhere/x"));
});
