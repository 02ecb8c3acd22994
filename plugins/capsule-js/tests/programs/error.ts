import { task } from "@capsule-run/sdk";

export const main = task({ name: "main", maxRetries: 1 }, () => {
    throw new RangeError("no soup for 42"); // HERE
});
