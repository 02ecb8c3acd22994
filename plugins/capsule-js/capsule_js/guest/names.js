// Options under the names that a program's author writes: the host has them as Python does.

import OPTIONS from "./options.json";

const OWN = new Map(Object.entries(OPTIONS).map(([own, hosts]) => [hosts, own]));
const HOSTS = new RegExp(`\\b(?:${[...OWN.keys()].filter((name) => name.includes("_")).join("|")})\\b`, "g");

/** A sentence of the host's, with the options in it as they are written here. */
export const inOwnNames = (sentence) => sentence.replace(HOSTS, (name) => OWN.get(name));
