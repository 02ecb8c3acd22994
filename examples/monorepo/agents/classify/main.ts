import { task } from "@capsule-run/sdk";
import { overlap } from "#libs/text/words";

const KINDS: Record<string, string> = {
  invoice: "please pay the amount due by the date",
  question: "how why what when can you tell me",
};

export const main = task({ name: "main", compute: "LOW" }, (text: string = "Can you tell me how this works?") =>
  Object.entries(KINDS).reduce((best, kind) => (overlap(text, kind[1]) > overlap(text, best[1]) ? kind : best))[0],
);
