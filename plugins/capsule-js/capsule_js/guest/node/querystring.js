import implementation from "unenv/node/querystring";

export * from "unenv/node/querystring";
export default implementation;
