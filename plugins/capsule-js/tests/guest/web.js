const SERVER = process.env.SERVER;

test("fetch sends and receives JSON", async () => {
  const response = await fetch(`${SERVER}/x?y=1`, {
    method: "post",
    body: JSON.stringify({ ä: 1 }),
    headers: { "Content-Type": "application/json", "X-A": "b" },
  });
  assert(response.ok && response.status === 200 && response.url === `${SERVER}/x?y=1`);
  const echo = await response.json();
  assert.equal(echo.method, "POST");
  assert.equal(echo.headers["content-type"], "application/json");
  assert.equal(Buffer.from(echo.body, "latin1").toString(), '{"ä":1}');
  await assert.rejects(response.text(), /already been read/);
});

test("fetch resolves for an error status, and follows redirects", async () => {
  assert.equal((await fetch(`${SERVER}/missing`)).status, 404);
  const moved = await fetch(`${SERVER}/moved`);
  assert(moved.redirected && moved.url === `${SERVER}/there`);
  assert.equal((await fetch(`${SERVER}/moved`, { redirect: "manual" })).status, 302);
  await assert.rejects(fetch(`${SERVER}/moved`, { redirect: "error" }), TypeError);
});

test("fetches run side by side", async () => {
  const started = performance.now();
  const responses = await Promise.all([1, 2, 3, 4].map((n) => fetch(`${SERVER}/slow${n}`)));
  assert.deepEqual(await Promise.all(responses.map(async (response) => (await response.json()).path)), ["/slow1", "/slow2", "/slow3", "/slow4"]);
  assert(performance.now() - started < 1100);
});

test("a fetch is aborted by its signal", async () => {
  await assert.rejects(fetch(`${SERVER}/slow`, { signal: AbortSignal.timeout(30) }), { name: "TimeoutError" });
  const controller = new AbortController();
  const pending = fetch(`${SERVER}/slow`, { signal: controller.signal });
  controller.abort(new Error("changed my mind"));
  await assert.rejects(pending, /changed my mind/);
});

test("a host that the policy does not name is refused", async () => {
  await assert.rejects(fetch("http://example.com/"), (error) => error instanceof TypeError && /example\.com/.test(error.message));
});

test("bodies of every kind arrive with their content type", async () => {
  const sent = async (body) => (await fetch(SERVER, { method: "POST", body })).json();
  const form = new FormData();
  form.append("a", "b");
  form.append("f", new File(["xyz"], "n.txt", { type: "text/plain" }));
  assert.match((await sent(form)).body, /name="f"; filename="n\.txt"\r\nContent-Type: text\/plain\r\n\r\nxyz/);
  assert.equal((await sent(new URLSearchParams({ a: "1 2" }))).body, "a=1+2");
  assert.equal((await sent(new Blob(["blob"], { type: "a/b" }))).headers["content-type"], "a/b");
  assert.equal((await sent(new Uint8Array([104, 105]))).body, "hi");
  assert.equal((await sent("text")).headers["content-type"], "text/plain;charset=UTF-8");
  assert.equal((await sent(ReadableStream.from([new Uint8Array([120])]))).body, "x");
});

test("a response is read as a stream, cloned and turned into a form", async () => {
  const response = await fetch(SERVER);
  const copy = response.clone();
  let length = 0;
  for await (const chunk of response.body) length += chunk.length;
  assert.equal((await copy.arrayBuffer()).byteLength, length);
  const form = await new Response(new URLSearchParams({ a: "1" })).formData();
  assert.equal(form.get("a"), "1");
  assert.equal(await Response.json({ a: 1 }).text(), '{"a":1}');
});

test("a form survives encoding and decoding", async () => {
  const form = new FormData();
  form.append("näme", "line\nbreak");
  form.append("file", new File([new Uint8Array([0, 255, 13, 10])], 'q"uote.bin'));
  const decoded = await new Response(form).formData();
  assert.equal(decoded.get("näme"), "line\r\nbreak");
  assert.equal(decoded.get("file").name, 'q"uote.bin');
  assert.deepEqual([...(await decoded.get("file").bytes())], [0, 255, 13, 10]);
});

test("Headers are case-insensitive, sorted and checked", () => {
  const headers = new Headers([["X-B", "1"], ["x-a", " 2 "]]);
  headers.append("X-b", "3");
  headers.append("set-cookie", "a=1");
  headers.append("set-cookie", "b=2");
  assert.deepEqual([...headers], [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-a", "2"], ["x-b", "1, 3"]]);
  assert.deepEqual(headers.getSetCookie(), ["a=1", "b=2"]);
  assert.throws(() => headers.set("bad name", ""), TypeError);
  assert.throws(() => headers.set("x", "a\r\nb: c"), TypeError);
});

test("requests are checked", () => {
  assert.throws(() => new Request("/relative"), TypeError);
  assert.throws(() => new Request("http://a/", { method: "GET", body: "x" }), TypeError);
  assert.throws(() => new Request("http://a/", { method: "BAD METHOD" }), TypeError);
  assert.throws(() => new Request("http://user:secret@a/"), TypeError);
  assert.equal(new Request(new Request("http://a/", { method: "put", headers: { a: "b" } })).headers.get("a"), "b");
});

test("URLs are parsed as in browsers", () => {
  assert.equal(new URL("../x?y#z", "http://ä.de/a/b/").href, "http://xn--4ca.de/a/x?y#z");
  assert.equal(new URL("http://[::1]:80/").host, "[::1]");
  assert(URL.canParse("http://a") && !URL.canParse("a"));
  const url = new URL("http://a/?b=1");
  url.searchParams.append("c", "ü ");
  assert.equal(url.search, "?b=1&c=%C3%BC+");
  assert.throws(() => new URL("nonsense"), TypeError);
});

test("text is encoded and decoded, also in pieces and in other charsets", () => {
  const text = `plain ${"ä€😀".repeat(50)}`;
  assert.equal(new TextDecoder().decode(new TextEncoder().encode(text)), text);
  assert.equal(new TextDecoder().decode(new TextEncoder().encode("x".repeat(1000))), "x".repeat(1000));
  assert.deepEqual([...new TextEncoder().encode("\ud800")], [0xef, 0xbf, 0xbd]);
  assert.equal(new TextDecoder().decode(new Uint8Array([0x41, 0xff])), "A\ufffd");
  assert.equal(new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x41])), "A");
  assert.throws(() => new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([255])), TypeError);
  assert.equal(new TextDecoder("utf-16le").decode(new Uint8Array([65, 0])), "A");
  const decoder = new TextDecoder();
  assert.equal(decoder.decode(new Uint8Array([0xe2, 0x82]), { stream: true }) + decoder.decode(new Uint8Array([0xac])), "€");
  assert.equal(new TextDecoder().decode(new Uint8Array([0, 1, 65, 66, 67]).subarray(2)), "ABC");
});

test("structuredClone copies what it can and refuses the rest", () => {
  const circle = { map: new Map([[1, new Set([2])]]), date: new Date(1), bytes: new Uint8Array([1]), error: new TypeError("x") };
  circle.self = circle;
  const copy = structuredClone(circle);
  assert(copy !== circle && copy.self === copy && copy.map.get(1).has(2) && copy.date.getTime() === 1 && copy.bytes[0] === 1);
  assert(copy.error instanceof TypeError);
  assert.throws(() => structuredClone(() => 1), { name: "DataCloneError" });
});

test("events bubble to listeners, and abort signals combine", async () => {
  const target = new EventTarget();
  let detail;
  target.addEventListener("x", (event) => (detail = event.detail), { once: true });
  target.dispatchEvent(new CustomEvent("x", { detail: 4 }));
  target.dispatchEvent(new CustomEvent("x", { detail: 5 }));
  assert.equal(detail, 4);
  const controller = new AbortController();
  const any = AbortSignal.any([controller.signal, AbortSignal.timeout(10_000)]);
  controller.abort();
  assert(any.aborted && any.reason.name === "AbortError");
  assert.throws(() => any.throwIfAborted(), { name: "AbortError" });
  const timeout = AbortSignal.timeout(5);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(timeout.reason.name, "TimeoutError");
  assert.throws(() => new AbortSignal(), TypeError);
});

test("crypto digests, signs and makes random values", async () => {
  const hex = async (name) => Buffer.from(await crypto.subtle.digest(name, Buffer.from("ab"))).toString("hex");
  assert.equal(await hex("SHA-256"), "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603");
  assert.equal((await hex({ name: "sha-512" })).length, 128);
  const key = await crypto.subtle.importKey("raw", Buffer.from("key"), { name: "HMAC", hash: "SHA-256" }, true, ["sign", "verify"]);
  const signature = await crypto.subtle.sign("HMAC", key, Buffer.from("x"));
  assert(await crypto.subtle.verify("HMAC", key, signature, Buffer.from("x")));
  assert(!(await crypto.subtle.verify("HMAC", key, signature, Buffer.from("y"))));
  await assert.rejects(crypto.subtle.encrypt({}, key, Buffer.from("x")), { name: "NotSupportedError" });
  assert.notDeepEqual(crypto.getRandomValues(new Uint8Array(16)), new Uint8Array(16));
  const rsa = { kty: "RSA", e: "AQAB", n: "u1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt" };
  await assert.rejects(crypto.subtle.importKey("jwk", rsa, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, true, ["verify"]), {
    name: "NotSupportedError",
  });
  assert.throws(() => crypto.getRandomValues(new Float32Array(1)));
  assert.throws(() => crypto.getRandomValues(new Uint8Array(70_000)), { name: "QuotaExceededError" });
});

test("streams transform, tee and compress", async () => {
  const upper = new TransformStream({ transform: (chunk, controller) => controller.enqueue(chunk.toUpperCase()) });
  let text = "";
  for await (const chunk of ReadableStream.from(["a", "b"]).pipeThrough(upper)) text += chunk;
  assert.equal(text, "AB");
  const packed = new Blob(["abc"]).stream().pipeThrough(new CompressionStream("gzip"));
  assert.equal(await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).text(), "abc");
  const [one, two] = ReadableStream.from(["x"]).tee();
  assert.equal((await one.getReader().read()).value + (await two.getReader().read()).value, "xx");
  const [left, right] = new Blob(["xyz"]).stream().tee();
  assert.equal((await new Response(left).text()) + (await new Response(right).text()), "xyzxyz");
});

test("blobs are sliced and read", async () => {
  const blob = new Blob(["ab", new Uint8Array([99]), new Blob(["d"])], { type: "Text/Plain" });
  assert.equal(blob.size, 4);
  assert.equal(blob.type, "text/plain");
  assert.equal(await blob.slice(1, -1).text(), "bc");
  assert.equal(new File([], "n").name, "n");
});

test("ports of a MessageChannel talk", async () => {
  const { port1, port2 } = new MessageChannel();
  const received = new Promise((resolve) => (port1.onmessage = ({ data }) => resolve(data)));
  port2.postMessage({ a: [1] });
  assert.deepEqual(await received, { a: [1] });
});

test("performance counts from the start of the sandbox", () => {
  assert(performance.now() >= 0 && performance.now() < 60_000);
  assert(Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 1000);
  performance.mark("a");
  assert(performance.measure("m", "a").duration >= 0);
});

test("base64 functions and Atomics are there", () => {
  assert.equal(atob(btoa("x\xff")), "x\xff");
  assert.throws(() => btoa("€"));
  assert.equal(Atomics.add(new Int32Array(1), 0, 5), 0);
});

test("data URLs are fetched without a host", async () => {
  assert.equal(await (await fetch("data:text/plain;base64,aGk=")).text(), "hi");
  assert.equal(await (await fetch("data:,a%20b")).text(), "a b");
});
