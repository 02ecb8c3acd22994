// Unicode properties: `build.mjs` puts the table of `unicode.mjs` in this module's place.

export default { runs: {}, names: {} };
