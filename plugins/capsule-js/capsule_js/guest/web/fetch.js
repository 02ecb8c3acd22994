// The Fetch API over the host's HTTP function. Bodies are whole on the wire; their streams are over a buffer.

import { send } from "../requests.js";
import { isDisturbed } from "./streams.js";
import { Blob, CONTENT, FormData, concat, decodeForm, encodeForm } from "./blob.js";

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NULL_BODY = new Set([101, 103, 204, 205, 304]);
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const NORMALIZED = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"]);

function headerName(name) {
  const text = String(name);
  if (!TOKEN.test(text)) throw new TypeError(`not a header name: ${JSON.stringify(text)}`);
  return text.toLowerCase();
}

function headerValue(value) {
  const text = String(value).replace(/^[\t\r\n ]+|[\t\r\n ]+$/g, "");
  if (/[\0\r\n]/.test(text)) throw new TypeError("a header's value holds a line break");
  return text;
}

class Headers {
  #map = new Map();
  #cookies = [];

  constructor(init) {
    if (init === undefined || init === null) return;
    if (typeof init[Symbol.iterator] === "function") {
      for (const pair of init) {
        const [name, value, ...rest] = pair;
        if (rest.length || value === undefined) throw new TypeError("headers are pairs of name and value");
        this.append(name, value);
      }
    } else {
      for (const name of Object.keys(init)) this.append(name, init[name]);
    }
  }
  append(name, value) {
    const key = headerName(name);
    const text = headerValue(value);
    if (key === "set-cookie") this.#cookies.push(text);
    else this.#map.set(key, this.#map.has(key) ? `${this.#map.get(key)}, ${text}` : text);
  }
  set(name, value) {
    const key = headerName(name);
    if (key === "set-cookie") this.#cookies = [headerValue(value)];
    else this.#map.set(key, headerValue(value));
  }
  get(name) {
    const key = headerName(name);
    if (key === "set-cookie") return this.#cookies.length ? this.#cookies.join(", ") : null;
    return this.#map.get(key) ?? null;
  }
  has(name) {
    return this.get(name) !== null;
  }
  delete(name) {
    const key = headerName(name);
    if (key === "set-cookie") this.#cookies = [];
    this.#map.delete(key);
  }
  getSetCookie() {
    return [...this.#cookies];
  }
  forEach(callback, self) {
    for (const [name, value] of this) callback.call(self, value, name, this);
  }
  *entries() {
    const pairs = [...this.#map, ...this.#cookies.map((cookie) => ["set-cookie", cookie])];
    yield* pairs.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
  }
  *keys() {
    for (const [name] of this) yield name;
  }
  *values() {
    for (const [, value] of this) yield value;
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  get [Symbol.toStringTag]() {
    return "Headers";
  }
}

const encoder = new TextEncoder();

/** A body as `{bytes | stream, type}`. */
function extract(init) {
  if (init instanceof ReadableStream) return { stream: init, type: null };
  if (init instanceof URLSearchParams) {
    return { bytes: encoder.encode(init.toString()), type: "application/x-www-form-urlencoded;charset=UTF-8" };
  }
  if (init instanceof FormData) return encodeForm(init);
  if (init instanceof Blob) return { bytes: init[CONTENT], type: init.type || null };
  if (init instanceof ArrayBuffer) return { bytes: new Uint8Array(init.slice(0)), type: null };
  if (ArrayBuffer.isView(init)) {
    return { bytes: new Uint8Array(init.buffer, init.byteOffset, init.byteLength).slice(), type: null };
  }
  if (typeof init === "object" && typeof init[Symbol.asyncIterator] === "function") {
    return { stream: ReadableStream.from(init), type: null };
  }
  return { bytes: encoder.encode(String(init)), type: "text/plain;charset=UTF-8" };
}

class Body {
  #bytes = null;
  #stream = null;
  #used = false;

  /** Takes a body, and gives the content type that it implies. */
  static fill(target, init) {
    if (init === undefined || init === null) return null;
    const { bytes, stream, type } = extract(init);
    if (stream?.locked) throw new TypeError("the body's stream is locked");
    target.#bytes = bytes ?? null;
    target.#stream = stream ?? null;
    return type;
  }
  static copy(target, source) {
    if (source.bodyUsed || source.#stream?.locked) throw new TypeError("the body has already been read");
    if (source.#stream) [source.#stream, target.#stream] = source.#stream.tee();
    else target.#bytes = source.#bytes;
  }
  /** The whole body; it counts as read then. */
  static async take(source) {
    if (source.bodyUsed) throw new TypeError("Body is unusable: it has already been read");
    if (source.#stream?.locked) throw new TypeError("Body is unusable: its stream is locked");
    source.#used = source.#bytes !== null || source.#stream !== null;
    if (!source.#stream) return source.#bytes ?? new Uint8Array();
    const pieces = [];
    for await (const piece of source.#stream) {
      if (typeof piece === "string") pieces.push(encoder.encode(piece));
      else pieces.push(piece);
    }
    return concat(pieces);
  }
  get body() {
    if (this.#bytes !== null && !this.#stream) {
      const bytes = this.#bytes;
      this.#stream = new Blob([bytes]).stream();
    }
    return this.#stream;
  }
  get bodyUsed() {
    return this.#used || (this.#stream !== null && isDisturbed(this.#stream));
  }
  async arrayBuffer() {
    return (await take(this)).slice().buffer;
  }
  async bytes() {
    return (await take(this)).slice();
  }
  async text() {
    return new TextDecoder().decode(await take(this));
  }
  async json() {
    return JSON.parse(await this.text());
  }
  async blob() {
    return new Blob([await take(this)], { type: this.headers.get("content-type") ?? "" });
  }
  async formData() {
    return decodeForm(this.headers.get("content-type") ?? "", await take(this));
  }
}

const { fill, copy, take } = Body;
for (const name of ["fill", "copy", "take"]) delete Body[name];

function absolute(input) {
  const url = new URL(String(input));
  if (url.username || url.password) throw new TypeError(`a URL with a user name can't be fetched: ${url.host}`);
  return url.href;
}

class Request extends Body {
  constructor(input, init = {}) {
    super();
    const from = input instanceof Request ? input : null;
    this.url = from ? from.url : absolute(input);
    const method = String(init.method ?? from?.method ?? "GET");
    if (!TOKEN.test(method)) throw new TypeError(`not an HTTP method: ${JSON.stringify(method)}`);
    this.method = NORMALIZED.has(method.toUpperCase()) ? method.toUpperCase() : method;
    this.headers = new Headers(init.headers ?? from?.headers);
    this.signal = init.signal ?? from?.signal ?? new AbortController().signal;
    this.redirect = init.redirect ?? from?.redirect ?? "follow";
    this.credentials = init.credentials ?? from?.credentials ?? "same-origin";
    this.mode = init.mode ?? from?.mode ?? "cors";
    this.cache = init.cache ?? from?.cache ?? "default";
    this.referrer = init.referrer ?? from?.referrer ?? "about:client";
    this.integrity = init.integrity ?? from?.integrity ?? "";
    this.keepalive = Boolean(init.keepalive ?? from?.keepalive);
    this.duplex = "half";
    const given = init.body ?? null;
    if ((given !== null || from?.body) && (this.method === "GET" || this.method === "HEAD")) {
      throw new TypeError(`a ${this.method} request has no body`);
    }
    if (given !== null) {
      const type = fill(this, given);
      if (type && !this.headers.has("content-type")) this.headers.set("content-type", type);
    } else if (from?.body) {
      copy(this, from);
    }
  }
  clone() {
    return new Request(this);
  }
  get [Symbol.toStringTag]() {
    return "Request";
  }
}

class Response extends Body {
  constructor(body = null, init = {}) {
    super();
    const status = init.status ?? 200;
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`init["status"] must be in the range of 200 to 599, inclusive.`);
    }
    this.status = status;
    this.statusText = String(init.statusText ?? "");
    this.headers = new Headers(init.headers);
    this.type = "default";
    this.url = "";
    this.redirected = false;
    if (body !== null && NULL_BODY.has(status)) throw new TypeError(`a response of status ${status} has no body`);
    const type = fill(this, body);
    if (type && !this.headers.has("content-type")) this.headers.set("content-type", type);
  }
  get ok() {
    return this.status >= 200 && this.status < 300;
  }
  clone() {
    const made = new Response(null, { status: this.status, statusText: this.statusText, headers: this.headers });
    copy(made, this);
    return Object.assign(made, { type: this.type, url: this.url, redirected: this.redirected });
  }
  static json(data, init = {}) {
    const headers = new Headers(init.headers);
    if (!headers.has("content-type")) headers.set("content-type", "application/json");
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("the data is not JSON serializable");
    return new Response(text, { ...init, headers });
  }
  static redirect(url, status = 302) {
    if (!REDIRECTS.has(status)) throw new RangeError(`not a redirect status: ${status}`);
    return new Response(null, { status, headers: { location: String(new URL(url)) } });
  }
  static error() {
    return Object.assign(new Response(), { type: "error", status: 0 });
  }
  get [Symbol.toStringTag]() {
    return "Response";
  }
}

async function fetch(input, init) {
  // Where the call stands: the engine forgets it at the first await.
  const { stack } = new Error();
  const request = new Request(input, init);
  const { signal } = request;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([respond(request), aborted]);
  } catch (error) {
    if (error instanceof TypeError) error.stack = stack.replace(/^Error(?=\n)/, () => String(error));
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function respond(request) {
  if (request.url.startsWith("data:")) return fromData(request.url);
  const body = request.body ? await take(request) : null;
  const headers = [...request.headers];
  if (!request.headers.has("accept")) headers.push(["accept", "*/*"]);
  let answer;
  try {
    const { method, url } = request;
    answer = await send({ method, url, headers, body, redirects: request.redirect === "follow" });
  } catch (error) {
    throw new TypeError(`fetch failed: ${error.message}`, { cause: error });
  }
  if (request.redirect === "error" && REDIRECTS.has(answer.status)) {
    throw new TypeError("fetch failed: unexpected redirect");
  }
  const { status } = answer;
  const response = new Response(NULL_BODY.has(status) ? null : answer.body, {
    status,
    statusText: answer.reason,
  });
  for (const [name, value] of answer.headers) response.headers.append(name, value);
  const [url] = answer.url.split("#");
  return Object.assign(response, { url, type: "basic", redirected: url !== request.url.split("#")[0] });
}

function fromData(url) {
  const match = /^data:([^,]*?)(;base64)?,(.*)$/s.exec(url);
  if (!match) throw new TypeError("fetch failed: not a data URL");
  const [, type, base64, data] = match;
  const text = decodeURIComponent(data);
  const bytes = base64 ? Uint8Array.fromBase64(text) : encoder.encode(text);
  return Object.assign(new Response(bytes, { headers: { "content-type": type || "text/plain;charset=US-ASCII" } }), { url });
}

Object.assign(globalThis, { Headers, Request, Response, fetch });
