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

export async function load() {
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

export async function run(call) {
  begin();
  try {
    return await program.run(call);
  } catch {
    return NO_MEMORY;
  } finally {
    flush();
  }
}

export async function declared() {
  begin();
  return JSON.stringify(sdk.declared());
}

export async function turn() {}
