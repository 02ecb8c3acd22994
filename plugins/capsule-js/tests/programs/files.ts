import fs from "node:fs";

import { task } from "@capsule-run/sdk";

const allowedFiles = [{ path: "./data", mode: "read-only" }, "./out"];

export const main = task({ name: "main", allowedFiles }, () => {
    fs.writeFileSync("out/out.txt", fs.readFileSync("data/in.txt", "utf8").toUpperCase());
    return { secret: read("secret.txt"), written: write("data/new.txt") };
});

function read(name: string): string | null {
    try {
        return fs.readFileSync(name, "utf8");
    } catch {
        return null;
    }
}

function write(name: string): boolean {
    try {
        fs.writeFileSync(name, "new");
        return true;
    } catch {
        return false;
    }
}
