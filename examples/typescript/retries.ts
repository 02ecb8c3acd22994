// A task that fails is tried again, each time in a fresh sandbox.
//
// $ capsule run retries.ts

import fs from "node:fs";
import { task } from "@capsule-run/sdk";

const ATTEMPTS = "output/attempts.txt";

/** Fails that many times. Only a file outlives an attempt: memory does not. */
export const unsteady = task(
  { name: "unsteady", compute: "LOW", maxRetries: 3, allowedFiles: ["./output"], allowedHosts: [] },
  (failures: number): string => {
    const attempt = fs.existsSync(ATTEMPTS) ? Number(fs.readFileSync(ATTEMPTS, "utf8")) + 1 : 1;
    fs.writeFileSync(ATTEMPTS, String(attempt));
    if (attempt <= failures) throw new Error(`attempt ${attempt} failed`);
    return `attempt ${attempt} went well`;
  },
);

export const main = task(
  { name: "main", compute: "LOW", allowedFiles: ["./output"], allowedHosts: [] },
  (failures: number = 2) => {
    fs.rmSync(ATTEMPTS, { force: true });
    const { success, result, error, execution } = unsteady(failures);
    return { success, result, retries: execution.retries, error: error && error.message };
  },
);
