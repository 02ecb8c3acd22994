// Closures among parameters share the parameters with the body: each entry is what Node says that it is.
// Function declarations and methods, arrows, destructuring, classes, async functions, generators, evaluated code.

const found = {};
const record = (name, value) => {
  found[name] = value;
};

record("arrow", ((x, get = () => x) => { x++; return [x, get()]; })(1));
record("arrow with an expression", ((x, get = () => x) => [x++, x, get()])(1));
record("arrow that gives an object", ((x, get = () => x) => ({ y: ++x, z: get() }))(1));
record("setter", (function (a, set = (v) => { a = v; }) { set(7); return a; })(1));
record("both ways", (function (x, set = (v) => { x = v; }, get = () => x) { const own = () => x; set(5); return [x, own(), get()]; })(1));
record("object pattern", (({ x, get = () => x }) => { x++; return [x, get()]; })({ x: 1 }));
record("array pattern", (([x, get = () => x]) => { x++; return [x, get()]; })([1]));
record("pattern with a default", (({ x, get = () => x } = { x: 3 }) => { x++; return [x, get()]; })());
record("rest", (function (x, get = () => x, ...[y, more = () => [x, y]]) { x = 2; y = 5; return [get(), more()]; })(1, undefined, 3));
record("rest array", (function (x, get = () => [x, rest], ...rest) { x = 2; rest = rest.map((n) => n * 2); return get(); })(1, undefined, 3, 4));
record("nested closures", (function (x, get = (inner = () => x) => inner()) { x = 2; return get(); })(1));
record("class in a default", (function (x, C = class { m() { return x; } }) { x = 2; return new C().m(); })(1));
record("object with methods in a default", (function (x, o = { m() { return x; }, get y() { return x * 2; } }) { x = 2; return [o.m(), o.y]; })(1));
record("update in the closure", (function (n, next = () => ++n) { next(); next(); return n; })(0));
record("destructuring assignment", (function (a, b, swap = () => { [a, b] = [b, a]; }) { swap(); return [a, b]; })(1, 2));
record("loop variable", (function (k, get = () => k) { const seen = []; for (k of [1, 2]) seen.push(get()); for (k in { z: 1 }) seen.push(get()); return seen; })(0));
record("named for what it is", (function (x, reading = () => x) { x = 2; return reading.name; })(1));
record("given, not defaulted", (function (x, get = () => x) { x = 2; return get(); })(1, () => "given"));
record("this and arguments", function (x, get = () => [this.v, x, arguments.length]) { x = 2; return get(); }.call({ v: 1 }, 1));
record("lengths", [(x, get = () => x++) => x, ({ x, get = () => x++ }) => x, (a, b, { x }, get = () => x++) => x, (get = () => x++, x) => x].map((f) => f.length));
record("names of functions", [function one(x, get = () => x++) {}, { two(x, get = () => x++) {} }.two].map((f) => f.name));
record("a later parameter is not there yet", (() => { try { return (function (x = y, y = () => x++) {})(); } catch (error) { return error.name; } })());
record("a var of the body is another", (function (a, get = () => a) { var a; a = 9; return [a, get()]; })(1));
record("a function of the body is another", (function (x, get = () => typeof x) { function x() {} x = 1; return [typeof x, get()]; })("s"));
record("recursion", (function count(n, down = () => (n > 0 ? count(n - 1) : "end")) { n = n > 3 ? 3 : n; return n ? down() : "end"; })(5));
record("evaluated in the body", (function (x, get = () => x) { eval("x = 4"); return [x, get()]; })(1));
record("evaluated in a default", (function (x, get = () => eval("x")) { x = 5; return [x, get()]; })(1));

class Held {
  #held = 0;
  constructor(x, get = () => x) { x = 3; this.get = get; }
  method(x, get = () => x) { x = 2; return get(); }
  static method(x, get = () => x) { x = 2; return get(); }
  #own(x, get = () => x) { x = 4; return get(); }
  own() { return this.#own(1); }
  set value({ x, get = () => x }) { x = 8; this.#held = get(); }
  get held() { return this.#held; }
}
class Derived extends Held {
  constructor(x, get = () => [x, typeof this]) { x = 6; super(x); this.later = get; }
  method(x, get = () => super.method(x)) { x = "super"; return get(); }
}
const held = new Held(1);
held.value = { x: 1 };
record("class", [held.get(), held.method(1), Held.method(1), held.own(), held.held]);
record("derived class", [new Derived(1).later(), new Derived(1).method(1)]);
record("object", (() => { let seen; const o = { m(x, g = () => x) { x = 2; return g(); }, set s({ x, g = () => x }) { x = 3; seen = g(); }, f: (x, g = () => x) => { x = 4; return g(); } }; o.s = { x: 1 }; return [o.m(1), seen, o.f(1)]; })());
record("generator", [...(function* (x, get = () => x) { x = 2; yield get(); yield x; })(1)]);
record("when defaults run", (() => { const seen = []; const f = function* (x, y = seen.push("default"), get = () => x) { seen.push("body"); yield get(); }; const g = f(1); seen.push("called"); g.next(); return seen; })());
record("errors of defaults of async functions", await (async (x, get = () => x++, y = x.no.no) => 1)(1).catch((error) => error.name));
record("async", await (async (x, get = async () => x) => { x++; await null; return [x, await get()]; })(1));
record("async generator", await (async () => { const seen = []; for await (const y of (async function* (x, get = () => x) { x = 2; yield get(); })(1)) seen.push(y); return seen; })());
record("callbacks that clear themselves", (function (callback, done = () => { callback = null; }) { done(); return callback; })(1));

export const main = () => found;
