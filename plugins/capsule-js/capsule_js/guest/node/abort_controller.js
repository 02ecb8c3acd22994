// What packages import as "abort-controller".

const { AbortController, AbortSignal } = globalThis;
export { AbortController, AbortSignal };
export default AbortController;
