// The Web APIs, in the order in which they need each other.

import "./atomics.js";
import "../fresh.js";
import "./performance.js";
import "../loop.js";
import "core-js/actual/url/index.js";
import "core-js/actual/url-search-params/index.js";
import "./intl.js";
import "./encoding.js";
import "./console.js";
import "./abort.js";
import "core-js/actual/structured-clone.js";
import "./streams.js";
import "./stream_additions.js";
import "./crypto.js";
import "./blob.js";
import "./compression.js";
import "./fetch.js";
import "./scope.js";
