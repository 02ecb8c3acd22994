import { task } from "@capsule-run/sdk";

async function ask(url: string) {
    const response = await fetch(url);
    return { status: response.status, body: await response.text() };
}

export const main = task({ name: "main", allowedHosts: ["127.0.0.1"] }, ask);

export const denied = task({ name: "denied", allowedHosts: ["example.com"] }, ask);
