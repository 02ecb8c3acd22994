import implementation from "unenv/node/punycode";

export * from "unenv/node/punycode";
export default implementation;
