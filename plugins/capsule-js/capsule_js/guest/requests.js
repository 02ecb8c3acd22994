// HTTP requests, made by the host.

import * as http from "capsule:runtime/http@1.0.0";
import { DENIED } from "./failure.js";
import { needHost } from "./fresh.js";
import { ended } from "./loop.js";
import { inOwnNames } from "./names.js";
import { flush } from "./output.js";

/** A request that failed: `code` is the host's reason, or Node's name for it. */
export class RequestError extends Error {
  constructor({ reason, message }) {
    super(inOwnNames(message));
    this.code = CODES[reason] ?? "ERR_HTTP";
    this.reason = reason;
    if (reason === "denied") Object.defineProperty(this, DENIED, { value: true });
  }
  get name() {
    return "RequestError";
  }
}

const CODES = {
  denied: "EACCES",
  "invalid-request": "ERR_INVALID_ARG_VALUE",
  network: "ECONNREFUSED",
  timeout: "ETIMEDOUT",
  "too-large": "ERR_RESPONSE_TOO_LARGE",
};

/**
 * Sends `{method, url, headers: [[name, value]], body: Uint8Array | null, redirects, timeout?}` and gives
 * `{status, reason, url, headers, body: Uint8Array}`; rejects with a `RequestError`.
 */
export async function send({ method, url, headers, body, redirects, timeout = null }) {
  needHost("a request");
  flush();
  const handle = http.start(
    JSON.stringify({ method, url, headers, body: body ? body.toBase64() : null, timeout, redirects }),
  );
  await ended(handle);
  try {
    const response = JSON.parse(http.response(handle));
    response.body = Uint8Array.fromBase64(response.body ?? "");
    return response;
  } catch (error) {
    throw error?.payload?.reason ? new RequestError(error.payload) : error;
  }
}
