import { overlap } from "#libs/text/words";

const PAGES: Record<string, string> = {
  sandboxes: "Each task runs in a sandbox of its own",
  builds: "A build of all members shares what it can",
};

/** The page that has most words in common with a question. */
export function main(question = "what runs in a sandbox?"): string {
  return Object.keys(PAGES).sort((a, b) => overlap(question, PAGES[b]) - overlap(question, PAGES[a]))[0];
}
