// http and https: the client, over the host's HTTP function. A response is whole before its first event.

import { send } from "../requests.js";
import { setTimeout, clearTimeout } from "../loop.js";
import stream from "./stream.js";
import { unavailable } from "./unavailable.js";

const STATUS_CODES = {
  100: "Continue", 101: "Switching Protocols", 200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information",
  204: "No Content", 205: "Reset Content", 206: "Partial Content", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Found",
  303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized",
  402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout",
  409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed", 413: "Payload Too Large", 414: "URI Too Long",
  415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed", 418: "I'm a Teapot", 421: "Misdirected Request",
  422: "Unprocessable Entity", 425: "Too Early", 426: "Upgrade Required", 428: "Precondition Required", 429: "Too Many Requests",
  431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons", 500: "Internal Server Error", 501: "Not Implemented",
  502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
};
const METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

class Agent {
  constructor(options = {}) {
    this.options = options;
    Object.assign(this, { sockets: {}, requests: {}, freeSockets: {}, maxSockets: Infinity, keepAlive: Boolean(options.keepAlive) });
  }
  destroy() {}
}

class IncomingMessage extends stream.Readable {
  constructor({ status, reason, headers, body, url }) {
    super();
    this.statusCode = status;
    this.statusMessage = reason || STATUS_CODES[status] || "";
    this.httpVersion = "1.1";
    this.url = url;
    this.headers = {};
    this.rawHeaders = headers.flat();
    this.complete = true;
    this.socket = { remoteAddress: undefined, destroy() {} };
    for (const [name, value] of headers) {
      const key = name.toLowerCase();
      if (key === "set-cookie") (this.headers[key] ??= []).push(value);
      else this.headers[key] = key in this.headers ? `${this.headers[key]}, ${value}` : value;
    }
    if (body.length) this.push(Buffer.from(body));
    this.push(null);
  }
  _read() {}
  setTimeout() {
    return this;
  }
}

class ClientRequest extends stream.Writable {
  #pieces = [];
  #headers = new Map();
  #options;
  #timer;

  constructor(options, callback) {
    // The request is over when its response is, not when it has been written.
    super({ autoDestroy: false });
    this.#options = options;
    this.method = (options.method ?? "GET").toUpperCase();
    this.path = options.path ?? "/";
    this.host = options.hostname ?? options.host ?? "localhost";
    this.protocol = options.protocol;
    this.aborted = false;
    this.reusedSocket = false;
    const given = options.headers ?? {};
    for (const [name, value] of Array.isArray(given) ? pairs(given) : Object.entries(given)) this.setHeader(name, value);
    if (options.auth && !this.hasHeader("authorization")) {
      this.setHeader("Authorization", `Basic ${Buffer.from(options.auth).toString("base64")}`);
    }
    if (callback) this.once("response", callback);
    if (options.timeout) this.setTimeout(options.timeout);
    options.signal?.addEventListener("abort", () => this.destroy(options.signal.reason), { once: true });
  }
  setHeader(name, value) {
    this.#headers.set(name.toLowerCase(), [name, value]);
    return this;
  }
  getHeader(name) {
    return this.#headers.get(name.toLowerCase())?.[1];
  }
  getHeaders() {
    return Object.fromEntries([...this.#headers].map(([key, [, value]]) => [key, value]));
  }
  getHeaderNames() {
    return [...this.#headers.keys()];
  }
  hasHeader(name) {
    return this.#headers.has(name.toLowerCase());
  }
  removeHeader(name) {
    this.#headers.delete(name.toLowerCase());
  }
  setTimeout(delay, callback) {
    if (callback) this.once("timeout", callback);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.emit("timeout"), delay).unref();
    return this;
  }
  setNoDelay() {}
  setSocketKeepAlive() {}
  flushHeaders() {}
  abort() {
    this.aborted = true;
    this.destroy();
  }
  _write(chunk, encoding, done) {
    this.#pieces.push(typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk);
    done();
  }
  _final(done) {
    done();
    this.#send().catch((error) => {
      if (!this.destroyed) this.destroy(error);
    });
  }
  _destroy(error, done) {
    clearTimeout(this.#timer);
    done(error ?? (this.aborted ? Object.assign(new Error("socket hang up"), { code: "ECONNRESET" }) : null));
  }
  async #send() {
    const { port, defaultPort } = this.#options;
    const authority = `${this.host.includes(":") && !this.host.startsWith("[") ? `[${this.host}]` : this.host}${port && Number(port) !== defaultPort ? `:${port}` : ""}`;
    const headers = [...this.#headers.values()].flatMap(([name, value]) => [value].flat().map((one) => [name, String(one)]));
    const response = await send({
      method: this.method,
      url: `${this.protocol}//${authority}${this.path}`,
      // The host writes these two itself.
      headers: headers.filter(([name]) => !/^(host|content-length|connection|transfer-encoding)$/i.test(name)),
      body: this.#pieces.length ? Buffer.concat(this.#pieces) : null,
      redirects: false,
    });
    clearTimeout(this.#timer);
    if (this.destroyed && this.aborted) return;
    const message = new IncomingMessage(response);
    message.req = this;
    this.res = message;
    if (!this.emit("response", message)) message.resume();
  }
}

function* pairs(flat) {
  for (let index = 0; index < flat.length; index += 2) yield [flat[index], flat[index + 1]];
}

function fromUrl(input) {
  const url = typeof input === "string" ? new URL(input) : input;
  if (!(url instanceof URL)) return { ...input };
  const options = { protocol: url.protocol, hostname: url.hostname, port: url.port, path: url.pathname + url.search };
  if (url.username) options.auth = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return options;
}

function client(protocol, defaultPort) {
  function request(input, options, callback) {
    if (typeof options === "function") [options, callback] = [undefined, options];
    const given = typeof input === "string" || input instanceof URL ? { ...fromUrl(input), ...options } : { ...input };
    return new ClientRequest({ ...given, protocol: given.protocol ?? protocol, defaultPort }, callback);
  }
  function get(...args) {
    const made = request(...args);
    made.end();
    return made;
  }
  return {
    ...unavailable(protocol.slice(0, -1), "a sandbox can't listen for connections", ["createServer", "Server"]),
    Agent,
    ClientRequest,
    IncomingMessage,
    METHODS,
    OutgoingMessage: ClientRequest,
    STATUS_CODES,
    get,
    globalAgent: new Agent(),
    maxHeaderSize: 16384,
    request,
    validateHeaderName() {},
    validateHeaderValue() {},
  };
}

const http = client("http:", 80);
export const https = client("https:", 443);
export default http;
