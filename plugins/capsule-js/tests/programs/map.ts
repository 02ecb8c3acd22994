import { task } from "@capsule-run/sdk";

const square = task({ name: "square" }, (number: number) => number * number);

export const main = task({ name: "main" }, () => Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((n) => square(n))));
