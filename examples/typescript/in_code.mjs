// Sandboxes from an ordinary Node program: this file runs on the host, the files it names in sandboxes.
//
// $ npm install && node in_code.mjs

import { fileURLToPath } from "node:url";
import { run } from "@capsule-run/sdk/runner";

const here = fileURLToPath(new URL(".", import.meta.url));

const snippets = {
  arithmetic: "6 * 7",
  "standard library": "new Intl.NumberFormat('en').format(1234567)",
  error: "null.x",
  endless: "for (;;);",
  greedy: "new Uint8Array(500_000_000).length",
};

// Each snippet has a sandbox of its own; they run side by side and can't disturb each other.
const outcomes = await Promise.all(
  Object.values(snippets).map((code) => run({ file: "untrusted.ts", args: [code], cwd: here })),
);
for (const [index, name] of Object.keys(snippets).entries()) {
  console.log(`${name}: ${JSON.stringify(outcomes[index].result)}`);
}
