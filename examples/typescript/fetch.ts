// HTTP from inside a task, and what an allow-list refuses.
//
// $ capsule run fetch.ts https://example.com/

import https from "node:https";
import http from "node:http";
import { task } from "@capsule-run/sdk";

/** May reach two places, whatever it is asked for. */
export const locked = task(
  { name: "locked", compute: "LOW", allowedHosts: ["api.example.com", "*.example.org"] },
  async (url: string): Promise<string> => {
    try {
      const { status } = await fetch(url, { signal: AbortSignal.timeout(10_000) });
      return `answered ${status}`;
    } catch (error) {
      return `denied: ${(error as Error).message}`;
    }
  },
);

// "*" is the public internet. A host on this machine or its network has to be named.
export const main = task(
  { name: "main", timeout: "30s", allowedHosts: ["*", "localhost", "127.0.0.1"] },
  async (url: string) => {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    return {
      status: response.status,
      type: response.headers.get("Content-Type"),
      bytes: (await response.arrayBuffer()).byteLength,
      bytesWithNodeHttp: await sizeWithNodeHttp(url),
      locked: (await locked(url)).unwrap(),
    };
  },
);

/** Node's own client goes the same way, under the same rules. */
function sizeWithNodeHttp(url: string): Promise<number> {
  const client = url.startsWith("https:") ? https : http;
  return new Promise((resolve, reject) => {
    const request = client.get(url, (response) => {
      let size = 0;
      response.on("data", (chunk: Buffer) => (size += chunk.length));
      response.on("end", () => resolve(size));
    });
    request.on("error", reject);
  });
}
