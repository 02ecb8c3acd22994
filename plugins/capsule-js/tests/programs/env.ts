import { task } from "@capsule-run/sdk";

export const main = task({ name: "main", envVariables: ["GREETING"] }, () => ({
    granted: process.env.GREETING ?? null,
    other: process.env.SECRET ?? null,
}));
