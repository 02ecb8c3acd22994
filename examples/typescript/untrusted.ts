// Runs code that nobody has read, such as an agent's, with next to nothing allowed.
//
// $ capsule run untrusted.ts "[1, 2, 3].map((n) => n * n)"
// $ capsule run untrusted.ts "for (;;);"

import { task } from "@capsule-run/sdk";

/** Evaluates the code; its last expression comes back. */
export const evaluate = task(
  {
    name: "evaluate",
    compute: 50_000_000,
    ram: "64MB",
    timeout: "2s",
    allowedFiles: [],
    allowedHosts: [],
    envVariables: [],
  },
  // Called by another name, eval sees globals and not the variables of this file.
  (code: string): unknown => (0, eval)(code),
);

/** Whatever the code does ends its own sandbox only: here it is an outcome to look at. */
export const main = task({ name: "main", compute: "LOW", allowedHosts: [] }, (code: string) => {
  const outcome = evaluate(code);
  if (outcome.success) return { result: outcome.result };
  return { errorType: outcome.error.error_type, message: outcome.error.message };
});
