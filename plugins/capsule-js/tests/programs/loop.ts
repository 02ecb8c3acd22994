import { task } from "@capsule-run/sdk";

function count(): never {
    for (let number = 0; ; number++);
}

export const main = task({ name: "main", compute: "HIGH", timeout: "1s" }, () => count());

export const fuel = task({ name: "fuel", compute: 1000000 }, () => count());
