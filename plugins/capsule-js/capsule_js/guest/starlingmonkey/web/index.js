// The Web APIs: the engine's own where they do, else the guest's.
//
// The guest's are timers, requests and the console, which the policy and the deadline bound; events and the abort API,
// because an error in a listener has to fail the task; bodies, of which the engine has only a part; and Web Crypto,
// because the engine breaks down when it is given an RSA or ECDSA key.

import "../regexp.js";
import "../text.js";
import "../../web/atomics.js";
import "../../fresh.js";
import "../../web/performance.js";
import "../../loop.js";
import "../../web/intl.js";
import "../../web/console.js";
import "../../web/abort.js";
import "./url.js";
import "./streams.js";
import "../../web/stream_additions.js";
import "../../web/crypto.js";
import "../../web/blob.js";
import "../../web/fetch.js";
import "../../web/scope.js";

// What a worker has, and this is none: packages take it for a browser's.
for (const name of ["location", "WorkerLocation", "addEventListener", "removeEventListener", "dispatchEvent"]) {
  delete globalThis[name];
}
