import { task } from "@capsule-run/sdk";

export const main = task({ name: "main", ram: "64MB", timeout: "30s" }, () => {
    const taken: Uint8Array[] = [];
    for (;;) taken.push(new Uint8Array(1 << 20));
});
