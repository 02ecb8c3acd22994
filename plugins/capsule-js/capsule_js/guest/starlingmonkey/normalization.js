// What normalization needs, as JSON: `build.mjs` puts the table of `unicode.mjs` in this module's place. Few programs
// use it, and as text it costs less of every sandbox's memory.

export default '{ "canonical": {}, "compatible": {}, "marks": [], "pairs": [] }';
