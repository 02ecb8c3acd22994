// Built-ins that a sandbox can't have: they import, and fail when they are used.

/** Functions that throw, saying what is not there and why. They can be subclassed, too. */
export function unavailable(module, why, names) {
  const table = {};
  for (const name of names) {
    table[name] = {
      [name]: function () {
        const error = new Error(`${module}.${name} is not available in a capsule sandbox: ${why}`);
        throw Object.assign(error, { code: "ERR_CAPSULE_UNAVAILABLE" });
      },
    }[name];
  }
  return table;
}
