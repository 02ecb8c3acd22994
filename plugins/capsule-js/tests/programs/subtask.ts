import { task } from "@capsule-run/sdk";

const add = task({ name: "add" }, (a: number, b: number) => a + b);

const fails = task({ name: "fails" }, () => {
    throw new Error("as it should");
});

export const main = task({ name: "main" }, async () => ({ sum: await add(19, 23), failed: await fails() }));
