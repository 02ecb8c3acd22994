import { mean } from "../../../libs/numeric/stats";
import { words } from "../../../libs/text/words";

/** How long the words of a text are. */
export const main = (text = "one three seven"): number => mean(words(text).map((word) => word.length));
