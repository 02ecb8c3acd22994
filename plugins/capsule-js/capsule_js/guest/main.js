// The engine's exports.

import "./web/index.js";
import { require } from "./node/index.js";
import { isSnapshot } from "./entries.js";
import "./floating.js";
import { describe } from "./failure.js";
import { isAwake, wake } from "./fresh.js";
import { restartTimers } from "./loop.js";
import { flush } from "./output.js";
import * as program from "./program.js";
import * as sdk from "./sdk.js";

// What is left to say when there is no memory to say more with: `program.run` catches everything else.
const NO_MEMORY = '{"error":{"error_type":"out_of_memory","message":"InternalError: out of memory","traceback":null}}';

if (isSnapshot) {
  try {
    await program.preload(require);
  } catch (error) {
    throw new Error(`capsule-load-error ${JSON.stringify(describe(error))}`);
  }
}

function begin() {
  if (isAwake()) return;
  wake();
  restartTimers();
}

// What calls an export waits by `then` and for what this makes: both are the promise's own, so that a program that
// replaced those of all promises does no harm.
function own(promise) {
  return defineProperties(promise, { then: { value: then }, constructor: { value: { [Symbol.species]: undefined } } });
}

const { defineProperties } = Object;
const { then } = Promise.prototype;

async function loading() {
  begin();
  try {
    if (!isSnapshot) await program.load(require);
  } catch (error) {
    // The binding turns the thrown text into the result's error.
    throw JSON.stringify(describe(error));
  } finally {
    flush();
  }
}

async function running(call) {
  begin();
  try {
    return await program.run(call);
  } catch {
    return NO_MEMORY;
  } finally {
    flush();
  }
}

async function listing() {
  begin();
  return JSON.stringify(sdk.declared());
}

export const load = () => own(loading());
export const run = (call) => own(running(call));
export const declared = () => own(listing());

export async function turn() {}
