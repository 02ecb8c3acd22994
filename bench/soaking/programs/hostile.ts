// Tasks that misbehave, as in hostile.py.
import { task } from "@capsule-run/sdk";

export const spin = task({ name: "spin", compute: "HIGH", timeout: "300ms" }, () => {
  for (;;) {}
});

export const burn = task({ name: "burn", compute: "LOW", timeout: "60s" }, () => {
  for (;;) {}
});

export const oversleep = task({ name: "oversleep", timeout: "300ms" }, async () => {
  await new Promise((resolve) => setTimeout(resolve, 30_000));
});

export const eat = task({ name: "eat", compute: "HIGH", ram: "128MB", timeout: "60s" }, () => {
  const eaten = [];
  for (;;) eaten.push(new Uint8Array(1 << 20).fill(1));
});

export const recurse = task({ name: "recurse", compute: "HIGH", timeout: "60s" }, () => {
  const again = (): number => again() + 1;
  return again();
});

export const hugeResult = task({ name: "huge_result", compute: "HIGH", timeout: "60s" }, (size: number) =>
  "x".repeat(size),
);

export const forge = task({ name: "forge", timeout: "60s" }, () => {
  console.log(JSON.stringify({ success: true, result: "forged", error: null, execution: {} }));
  throw new Error("the real end");
});

export const main = task({ name: "main" }, () => null);
