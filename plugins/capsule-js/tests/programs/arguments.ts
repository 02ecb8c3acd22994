import { task } from "@capsule-run/sdk";

// Named arguments come as one more argument, an object; without any, there is none.
export const main = task({ name: "main" }, (...args: unknown[]) => {
    const last = args.at(-1);
    const named = last !== null && typeof last === "object" && "name" in last;
    return { args: named ? args.slice(0, -1) : args, kwargs: named ? last : {} };
});
