// Values as the host's interface takes them. What it doesn't expect would end the sandbox, where a program has only
// made an ordinary mistake: so whatever a program has a say in passes here on its way.

const U64 = 2 ** 63; // what no double below it exceeds, on both engines

/** A number for a `u64` of the interface. Throws a `RangeError` for any other. */
export function u64(value) {
  const number = Number(value);
  if (number >= 0 && number < U64) return Math.trunc(number);
  throw Object.assign(new RangeError(`The value is out of range. It must be >= 0 and < 2 ** 63. Received ${number}`), { code: "ERR_OUT_OF_RANGE" });
}

/** A text for the interface, which has no surrogates that stand alone. */
export const text = (value) => String(value).toWellFormed();
