// A task sees the environment variables that it declares. Values come from the environment, or from .env.
//
// $ API_KEY=secret capsule run env.ts

import { task } from "@capsule-run/sdk";

export const main = task({ name: "main", compute: "LOW", envVariables: ["API_KEY"], allowedHosts: [] }, () => {
  const key = process.env.API_KEY;
  return {
    apiKey: key === undefined ? null : `${key.length} characters`,
    home: process.env.HOME ?? null,
    names: Object.keys(process.env).sort(),
  };
});
