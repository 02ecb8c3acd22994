// The program's entries: from the host, or from the component's own snapshot.

import { get } from "capsule:runtime/program@1.0.0";
import snapshot from "./snapshot.js";

/** Whether the program is part of this component. */
export const isSnapshot = snapshot !== null;

/** The text of an entry; null when there is none. */
export function entry(name) {
  return (isSnapshot ? snapshot[name] : get(name)) ?? null;
}
