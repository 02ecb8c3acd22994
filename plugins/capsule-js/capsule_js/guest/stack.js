// What stacks of both languages' engines have in common.

// The bundler names the functions that it wraps modules in after their files.
const MODULE_NAME = /[\\/]|\.[cm]?[jt]sx?$/;

/** Whether a function's name says nothing to the user. SpiderMonkey's guesses end in "<". */
export const isHidden = (name) => !name || name === "<anonymous>" || name.endsWith("<") || MODULE_NAME.test(name);

/** The line above an error's frames. */
export function header(error) {
  const name = error?.name === undefined ? "Error" : String(error.name);
  const message = error?.message === undefined ? "" : String(error.message);
  return name && message ? `${name}: ${message}` : name || message;
}
