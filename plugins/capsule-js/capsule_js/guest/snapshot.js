// The program of a component that has its program's top level in its snapshot: `{bundle, frames}`. The engine has none;
// `build.mjs` puts another module in this one's place.

export default null;
