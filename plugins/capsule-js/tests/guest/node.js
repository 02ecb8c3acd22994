const { Readable, Transform, Writable, pipeline: callbackPipeline } = require("node:stream");
const events = require("node:events");
const util = require("node:util");

test("path is Node's, for POSIX", () => {
  const path = require("node:path");
  assert.equal(path.join("/a", "..", "b", "./c"), "/b/c");
  assert.equal(path.resolve("x"), "/x");
  assert.equal(path.relative("/a/b", "/a/c"), "../c");
  assert.deepEqual(path.parse("/x/y.tar.gz"), { root: "/", dir: "/x", base: "y.tar.gz", ext: ".gz", name: "y.tar" });
  assert.equal(path.posix, path);
  assert(path.win32.isAbsolute("C:\\x"));
});

test("Unicode is known: properties in expressions, and normal forms", () => {
  assert.deepEqual("1ä_Ж 語🎉".match(new RegExp("\\p{L}", "gu")), ["ä", "Ж", "語"]);
  assert.equal("ä1_Ж".match(new RegExp("[^\\p{Letter}\\P{Nd}x]+", "u"))[0], "1");
  assert.equal("aЖb".replace(new RegExp("\\p{Script=Cyrillic}", "gu"), "-"), "a-b");
  assert.equal("ab1".replace(new RegExp("[\\p{L}--[b]]", "gv"), ""), "b1");
  assert(new RegExp("^[\\P{L}]$", "u").test("1") && new RegExp("\\p{L}", "u") instanceof RegExp && /x/.constructor === RegExp);
  assert.throws(() => new RegExp("\\p{Nonsense}", "u"), SyntaxError);
  assert.equal(new RegExp("\\p{L}").source, "\\p{L}");
  assert.equal("e\u0301".normalize(), "é");
  assert.equal("é".normalize("NFD").length, 2);
  assert.equal("ﬁ²가".normalize("NFKD"), "fi2\u1100\u1161");
  assert.equal("a\u0301\u0323".normalize("NFC"), "\u1ea1\u0301");
  assert.throws(() => "a".normalize("NFX"), RangeError);
});

test("url, querystring and punycode work", () => {
  const url = require("node:url");
  const querystring = require("node:querystring");
  assert.equal(url.parse("http://a:80/x?y=1").pathname, "/x");
  assert.equal(url.resolve("http://a/b/c", "../d"), "http://a/d");
  assert.equal(url.fileURLToPath("file:///a%20b"), "/a b");
  assert.equal(url.pathToFileURL("/a b").href, "file:///a%20b");
  assert.deepEqual({ ...querystring.parse("a=1&b=2&a=3") }, { a: ["1", "3"], b: "2" });
  assert.equal(querystring.stringify({ a: [1, 2], b: "x y" }), "a=1&a=2&b=x%20y");
  assert.equal(require("node:punycode").toASCII("mañana.com"), "xn--maana-pta.com");
});

test("Buffer speaks Node's encodings", () => {
  assert.equal(Buffer.from("aGk", "base64").toString(), "hi");
  assert.equal(Buffer.from("_-8", "base64url").toString("hex"), "ffef");
  assert.equal(Buffer.from([255, 254]).toString("base64url"), "__4");
  assert.equal(Buffer.from("aG\nk=trailing", "base64").toString(), "hi");
  assert.equal(Buffer.from("ffzz", "hex").length, 1);
  assert.equal(Buffer.from("hä€😀").toString("base64"), "aMOk4oKs8J+YgA==");
  assert.equal(Buffer.from("héllo", "latin1").length, 5);
  assert.equal(Buffer.from([0xff, 0x61]).toString(), "\ufffda");
  assert.equal(Buffer.byteLength("€"), 3);
  assert.equal(Buffer.from("abcdef").toString("utf8", 1, 3), "bc");
  assert.equal(Buffer.alloc(3).write("€"), 3);
});

test("Buffer reads, writes, slices and compares", () => {
  const buffer = Buffer.alloc(16);
  buffer.writeUInt32BE(0xdeadbeef, 0);
  buffer.writeDoubleLE(1.5, 4);
  assert.equal(buffer.readUInt32BE(0), 0xdeadbeef);
  assert.equal(buffer.readDoubleLE(4), 1.5);
  assert(Buffer.isBuffer(buffer.subarray(2)) && buffer.subarray(2).buffer === buffer.buffer);
  assert.equal(Buffer.concat([Buffer.from("a"), Buffer.from("b")]).toString(), "ab");
  assert(Buffer.from("abc").equals(Buffer.from("abc")) && Buffer.compare(Buffer.from("a"), Buffer.from("b")) < 0);
  assert.equal(JSON.stringify(Buffer.from("a")), '{"type":"Buffer","data":[97]}');
  assert.equal(Buffer.from("hello").indexOf("l"), 2);
});

test("string_decoder keeps characters whole", () => {
  const decoder = new (require("node:string_decoder").StringDecoder)("utf8");
  assert.equal(decoder.write(Buffer.from([0xe2, 0x82])) + decoder.write(Buffer.from([0xac])), "€");
});

test("events emit, and are awaited", async () => {
  class Emitter extends events {}
  const emitter = new Emitter();
  let count = 0;
  emitter.once("a", () => count++);
  emitter.emit("a");
  emitter.emit("a");
  assert.equal(count, 1);
  setTimeout(() => emitter.emit("b", 5), 1);
  assert.deepEqual(await events.once(emitter, "b"), [5]);
  setTimeout(() => emitter.emit("c", 1), 1);
  for await (const [value] of events.on(emitter, "c")) {
    assert.equal(value, 1);
    break;
  }
  assert.throws(() => emitter.emit("error", new Error("nobody listens")), /nobody listens/);
});

test("util inspects, formats, promisifies and compares", async () => {
  assert.equal(util.inspect({ a: { b: { c: { d: 1 } } } }), "{ a: { b: { c: [Object] } } }");
  assert.equal(util.format("%s %d %j %o", "x", 2, { a: 1 }, 1), 'x 2 {"a":1} 1');
  assert.equal(await util.promisify((value, done) => done(null, value + 1))(1), 2);
  await assert.rejects(util.promisify((done) => done(new Error("no")))(), /no/);
  assert.equal(await new Promise((resolve) => util.callbackify(async () => 3)((_, value) => resolve(value))), 3);
  assert(util.isDeepStrictEqual(new Map([[{ a: 1 }, new Set([1])]]), new Map([[{ a: 1 }, new Set([1])]])));
  assert(!util.isDeepStrictEqual([1, 2], [1, "2"]) && !util.isDeepStrictEqual({ a: undefined }, {}));
  assert(util.types.isPromise(Promise.resolve()) && util.types.isRegExp(/x/) && !util.types.isDate({}));
  function Old() {}
  util.inherits(Old, events);
  assert(new Old() instanceof events);
});

test("assert throws AssertionError with a readable message", () => {
  assert.throws(() => assert.strictEqual(1, 2), { name: "AssertionError", code: "ERR_ASSERTION" });
  assert.throws(() => assert.deepStrictEqual({ a: 1 }, { a: "1" }), /strictly deep-equal/);
  assert.throws(() => assert(0, "falsy"), /falsy/);
  assert.throws(() => assert.throws(() => {}), /Missing expected exception/);
  assert.throws(() => assert.throws(() => { throw new TypeError("x"); }, { message: "y" }));
  assert.deepEqual(new Set([{ a: 1 }]), new Set([{ a: 1 }]));
  assert.notDeepStrictEqual([1], ["1"]);
});

test("streams transform, pipe and stop at errors", async () => {
  const { pipeline } = require("node:stream/promises");
  const upper = new Transform({ transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()) });
  const pieces = [];
  await pipeline(Readable.from(["a", "b"]), upper, async function (source) {
    for await (const piece of source) pieces.push(String(piece));
  });
  assert.equal(pieces.join(""), "AB");
  const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error("disk full")) });
  await assert.rejects(pipeline(Readable.from(["x"]), broken), /disk full/);
  assert.equal(await require("node:stream/consumers").text(Readable.from(["x", "y"])), "xy");
  assert.equal(await new Response(Readable.toWeb(Readable.from(["q"]))).text(), "q");
  await new Promise((resolve) => callbackPipeline(Readable.from([]), new Writable(), resolve));
});

test("crypto hashes as everybody does", () => {
  const crypto = require("node:crypto");
  const digest = "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603";
  assert.equal(crypto.createHash("sha256").update("a").update(Buffer.from("b")).digest("hex"), digest);
  assert.equal(crypto.createHash("SHA-256").update("ab").copy().digest("hex"), digest);
  assert.equal(crypto.createHash("md5").digest("hex"), "d41d8cd98f00b204e9800998ecf8427e");
  assert.equal(
    crypto.createHmac("sha256", "key").update("The quick brown fox jumps over the lazy dog").digest("hex"),
    "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
  );
  assert.throws(() => crypto.createHash("sha0"), /not supported/);
  const hash = crypto.createHash("sha1");
  hash.digest();
  assert.throws(() => hash.update("x"), { code: "ERR_CRYPTO_HASH_FINALIZED" });
});

test("crypto makes random values of the right shape", async () => {
  const crypto = require("node:crypto");
  assert.equal(crypto.randomBytes(100_000).length, 100_000);
  assert.notDeepEqual(crypto.randomBytes(16), crypto.randomBytes(16));
  assert.match(crypto.randomUUID(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  for (let round = 0; round < 50; round++) assert(crypto.randomInt(3, 6) >= 3 && crypto.randomInt(3, 6) < 6);
  assert(crypto.timingSafeEqual(Buffer.from("a"), Buffer.from("a")));
  assert.throws(() => crypto.timingSafeEqual(Buffer.from("a"), Buffer.from("ab")));
  assert.equal((await util.promisify(crypto.randomBytes)(3)).length, 3);
});

test("zlib packs and unpacks, at once, by callback and in streams", async () => {
  const zlib = require("node:zlib");
  const { pipeline } = require("node:stream/promises");
  const text = "häl".repeat(1000);
  for (const [pack, unpack] of [["gzip", "gunzip"], ["deflate", "inflate"], ["deflateRaw", "inflateRaw"], ["gzip", "unzip"]]) {
    assert.equal(zlib[`${unpack}Sync`](zlib[`${pack}Sync`](text)).toString(), text);
    assert.equal((await util.promisify(zlib[unpack])(await util.promisify(zlib[pack])(text))).toString(), text);
  }
  const pieces = [];
  await pipeline(Readable.from([Buffer.from(text)]), zlib.createGzip(), zlib.createGunzip(), async function (source) {
    for await (const piece of source) pieces.push(piece);
  });
  assert.equal(Buffer.concat(pieces).toString(), text);
  assert.throws(() => zlib.gunzipSync("bad"), { code: "Z_DATA_ERROR" });
  assert.throws(() => zlib.gunzipSync(zlib.gzipSync(text), { maxOutputLength: 10 }), { code: "ERR_BUFFER_TOO_LARGE" });
  assert.equal(zlib.crc32("hello"), 907060870);
});

test("process knows its environment and nothing more", () => {
  assert.equal(process.env.FOO, "bar");
  assert.deepEqual(Object.keys(process.env).sort(), ["FOO", "SERVER"]);
  assert.equal(process.cwd(), "/");
  assert.equal(process.argv.length, 2);
  assert(process.hrtime.bigint() > 0n && process.uptime() >= 0 && process.uptime() < 60);
  assert.equal(require("process"), process);
});

test("nextTick, promises, timers and immediates come in order", async () => {
  const order = [];
  // A second apart: on a loaded machine, it can take long from one line to the next.
  setTimeout(() => order.push("timeout 1000"), 1000);
  setTimeout(() => order.push("timeout 1"), 1);
  process.nextTick(() => order.push("tick"));
  Promise.resolve().then(() => order.push("promise"));
  order.push("sync");
  await new Promise((resolve) => setTimeout(resolve, 1001));
  assert.deepEqual(order, ["sync", "tick", "promise", "timeout 1", "timeout 1000"]);
});

test("timers are cleared, repeat, refresh and carry arguments", async () => {
  const timers = require("node:timers/promises");
  clearTimeout(setTimeout(() => assert.fail("was cleared"), 1));
  clearImmediate(setImmediate(() => assert.fail("was cleared")));
  const cleared = setTimeout(() => assert.fail("was cleared by its number"), 1);
  clearTimeout(Number(cleared));
  let count = 0;
  await new Promise((resolve) => {
    const interval = setInterval((step) => {
      count += step;
      if (count < 6) return;
      clearInterval(interval);
      resolve();
    }, 1, 2);
  });
  assert.equal(count, 6);
  assert.equal(await timers.setTimeout(1, "value"), "value");
  assert.equal(await timers.setImmediate("value"), "value");
  const controller = new AbortController();
  const waiting = timers.setTimeout(10_000, null, { signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, { name: "AbortError" });
});

test("microtasks between two timers are all run", async () => {
  const order = [];
  setTimeout(() => {
    order.push("first");
    let promise = Promise.resolve();
    for (let step = 0; step < 50; step++) promise = promise.then(() => order.push(step));
  }, 1);
  setTimeout(() => order.push("second"), 1);
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(order.indexOf("second"), 51);
});

test("http.request posts and gets, with Node's response", async () => {
  const http = require("node:http");
  const response = await new Promise((resolve, reject) => {
    const request = http.request(`${process.env.SERVER}/h?x=1`, { method: "POST", headers: { "X-A": "b" } }, resolve);
    request.on("error", reject);
    request.write("bo");
    request.end("dy");
  });
  response.setEncoding("utf8");
  let text = "";
  for await (const piece of response) text += piece;
  const echo = JSON.parse(text);
  assert.deepEqual([echo.method, echo.path, echo.body, echo.headers["x-a"]], ["POST", "/h?x=1", "body", "b"]);
  assert.equal(response.statusCode, 200);
  assert.deepEqual(response.headers["set-cookie"], ["a=1", "b=2"]);
});

test("http.get reports a connection that fails, and does not follow redirects", async () => {
  const http = require("node:http");
  const error = await new Promise((resolve) => http.get("http://127.0.0.1:1/").on("error", resolve));
  assert.equal(error.code, "ECONNREFUSED");
  const { statusCode, headers } = await new Promise((resolve) => http.get(`${process.env.SERVER}/moved`, resolve));
  assert.equal(statusCode, 302);
  assert.equal(headers.location, "/there");
});

test("what a sandbox can't have fails when it is used, and says why", () => {
  assert.throws(() => require("child_process").spawn("ls"), /child_process\.spawn is not available in a capsule sandbox: a sandbox can't start processes/);
  assert.throws(() => new (require("net").Socket)(), /no sockets/);
  assert.throws(() => new (require("worker_threads").Worker)("x"), /one thread/);
  assert.throws(() => require("http").createServer(), /can't listen/);
  assert.throws(() => require("crypto").createCipheriv("aes-128-gcm"), /no ciphers/);
  assert.throws(() => require("vm").runInNewContext("1"), /one global object/);
  class Subclass extends require("net").Socket {}
  assert.throws(() => new Subclass(), /no sockets/);
  assert.equal(require("net").isIP("::1"), 6);
  assert.equal(require("worker_threads").isMainThread, true);
});

test("an unknown module is not found", () => {
  assert.throws(() => require("left-pad"), { code: "MODULE_NOT_FOUND" });
  assert(require("module").isBuiltin("node:fs") && !require("module").isBuiltin("left-pad"));
});

test("built-in classes keep their names", () => {
  for (const made of [Blob, Headers, Request, Response, URL, TextEncoder, Event, FormData, AbortSignal, ReadableStream]) {
    assert.equal(globalThis[made.name], made);
  }
  assert.equal(require("string_decoder").StringDecoder.name, "StringDecoder");
});

test("stacks look as in V8, and call sites can be asked for", () => {
  const { stack } = new TypeError("bad");
  assert.match(stack, /^TypeError: bad\n    at <input>:\d+:\d+$/);
  function named() {
    const target = {};
    Error.captureStackTrace(target);
    return target.stack;
  }
  assert.match(named(), /\n    at named \(<input>:\d+:\d+\)\n/);
  const before = Error.prepareStackTrace;
  Error.prepareStackTrace = (_, sites) => sites;
  const sites = new Error().stack;
  Error.prepareStackTrace = before;
  assert.equal(typeof sites[0].getLineNumber(), "number");
});
