// Memory that is kept back for saying that there is none left.
//
// A promise that can't be made for want of memory ends the engine with a panic. Before the event loop waits, it sees
// to it that there is some: what is missing then, is the program's.

const KEPT = 512 * 1024;
const NEEDED = 8 * 1024;

let reserve = new ArrayBuffer(KEPT);
let exhausted = false;

/** Gives the reserve back. */
export function useReserve() {
  reserve = null;
}

/** Gives the reserve back if there is no memory besides. */
export function checkMemory() {
  if (reserve === null) return;
  try {
    new ArrayBuffer(NEEDED);
  } catch {
    reserve = null;
    exhausted = true;
  }
}

/** Whether all memory was in use once: errors are then likely to be about that, whatever they say. */
export const wasExhausted = () => exhausted;
