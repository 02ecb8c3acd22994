exports.missing = () => require("not-installed");
exports.nowhere = () => require("./nowhere");
exports.unknown = () => require("node:nothing");
exports.computed = (name) => require(name);
exports.resolved = () => require.resolve("not-installed");
exports.resolvedBuiltin = () => require.resolve("node:fs");
exports.main = require.main === module;
try {
  exports.optional = require("node:nothing");
} catch (error) {
  exports.optional = error.code;
}
