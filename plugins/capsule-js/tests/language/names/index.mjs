// What programs can see of names: of functions and classes, also of those that several modules call the same.

import anonymous, { Shape as Other, shape as other } from "./other.mjs";
import Default from "./named.mjs";

class Shape {
  static made = "here";
}
function shape() {}
const found = {};
const record = (name, value) => {
  found[name] = value;
};

const mixed = (Base) => class Mixed extends Base {};
const inline = (Base) => class extends Base {};
record("class expressions", [mixed(Object).name, inline(Object).name, (class {}).name, (class Own {}).name]);
record("function expressions", [(function own() {}).name, (function () {}).name, (() => {}).name, (async function own() {}).name, (function* own() {}).name]);
record("classes of one name", [Shape.name, Other.name, new Shape().constructor.name, new Other().constructor.name, Shape.made]);
record("functions of one name", [shape.name, other.name]);
record("default exports", [anonymous.name, Default.name]);
const assigned = () => 1;
let later;
later = function () {};
const { picked = () => 2, [`com${"puted"}`]: renamed = class {} } = {};
const [listed = () => 3] = [];
record("what is assigned", [assigned.name, later.name, picked.name, renamed.name, listed.name]);
const symbol = Symbol("described");
const object = { method() {}, arrow: () => 1, "a string": () => 2, 7: () => 3, [symbol]: () => 4, [`x${1}`]: () => 5, get got() { return 1; }, async later() {}, own: function different() {} };
record("members", [object.method.name, object.arrow.name, object["a string"].name, object[7].name, object[symbol].name, object.x1.name, object.later.name, object.own.name]);
record("getters", Object.getOwnPropertyDescriptor(object, "got").get.name);
class Fields {
  field = () => 1;
  static shared = function () {};
  static name = "of its own";
  #hidden = () => 2;
  hidden() { return this.#hidden.name; }
}
record("fields", [new Fields().field.name, Fields.shared.name, Fields.name, new Fields().hidden()]);
class NamedByMethod {
  static name() { return "method"; }
}
record("a static method called name", NamedByMethod.name());
record("in blocks", (() => { const names = []; for (const n of [1, 2]) { class Inner {} function inner() {} names.push(Inner.name, inner.name, n); } { const Shape = class {}; names.push(Shape.name); } return names; })());
record("bound and made", [shape.bind(null).name, new Function("return 1").name]);
record("recursion by name", (function fact(n) { return n < 2 ? 1 : n * fact(n - 1); })(5));
record("own names are constants", (() => { try { (function own() { own = 1; })(); return "written"; } catch (error) { return error.name; } })());
record("constants stay constant", (() => { const fixed = 1; try { eval("fixed = 2"); } catch (error) { return [error.name, fixed]; } return ["written", fixed]; })());
record("errors", (() => { class ShapeError extends Error { name = this.constructor.name; } try { throw new ShapeError("x"); } catch (error) { return [String(error), error.constructor.name]; } })());
record("lengths and kinds", [mixed.length, Shape.length, typeof Shape, Object.getOwnPropertyNames(shape).sort(), Object.getOwnPropertyDescriptor(shape, "name")]);
record("expressions at once", [(function at() { return typeof at; })(), !function () { return 1; }(), (function tagged() {}).name.length, new (class Made {})().constructor.name]);

export const main = () => found;
