import { task } from "@capsule-run/sdk";

// What it doesn't say, a task has: without these options, the public internet, 4 GiB and no deadline.
export const main = task(
  { name: "main", compute: "LOW", ram: "64MB", timeout: "5s", allowedHosts: [] },
  (name: string = "Capsule"): string => `Hello from ${name}!`,
);
