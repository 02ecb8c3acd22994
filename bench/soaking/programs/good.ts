// Tasks whose results are known, as in good.py.
import { task } from "@capsule-run/sdk";
import fs from "fs/promises";

export const hello = task(
  { name: "hello", compute: "LOW", ram: "64MB", timeout: "60s" },
  (name: string): string => `Hello, ${name}!`,
);

export const roundTrip = task({ name: "round_trip", timeout: "60s" }, (value: object): object =>
  JSON.parse(JSON.stringify(value)),
);

export const square = task(
  { name: "square", compute: "LOW", timeout: "60s" },
  (number: number): number => number * number,
);

export const squares = task({ name: "squares", timeout: "60s" }, async (numbers: number[]) =>
  Promise.all(numbers.map(async (number) => (await square(number)).unwrap())),
);

export const files = task(
  { name: "files", timeout: "60s", allowedFiles: ["data"] },
  async (name: string, text: string) => {
    await fs.writeFile(`data/${name}`, text);
    try {
      return await fs.readFile(`data/${name}`, "utf8");
    } finally {
      await fs.unlink(`data/${name}`);
    }
  },
);

export const ask = task(
  { name: "ask", timeout: "60s", allowedHosts: ["127.0.0.1"] },
  async (url: string, text: string) => {
    const response = await fetch(url, { method: "POST", body: JSON.stringify({ text }) });
    return (await response.json()).text;
  },
);

export const nap = task({ name: "nap", timeout: "60s" }, async (seconds: number) => {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return seconds;
});

export const endless = task({ name: "endless", compute: "HIGH", timeout: "60s" }, async (spin: boolean) => {
  while (spin) {}
  await new Promise((resolve) => setTimeout(resolve, 50_000));
});

export const main = task({ name: "main" }, () => null);
