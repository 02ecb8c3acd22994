import { task } from "@capsule-run/sdk";

export const main = task({ name: "main", compute: "LOW", ram: "64MB" }, (name: string = "Capsule"): string => {
  return `Hello from ${name}!`;
});
