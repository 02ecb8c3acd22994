/** The words of a text, in lower case. */
export function words(text: string): string[] {
  return text.toLowerCase().match(/[a-zà-ÿ']+/g) ?? [];
}

/** How many words two texts have in common. */
export function overlap(first: string, second: string): number {
  const other = new Set(words(second));
  return new Set(words(first).filter((word) => other.has(word))).size;
}
