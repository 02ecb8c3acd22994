// Deep equality, as `assert.deepEqual` and `assert.deepStrictEqual` define it.

/** Whether two values are deeply equal; strictly by `Object.is` and prototypes, else by `==`. */
export function deepEqual(one, other, strict) {
  return compare(one, other, strict, []);
}

function same(one, other, strict) {
  return strict ? Object.is(one, other) : one == other || (Number.isNaN(one) && Number.isNaN(other));
}

function compare(one, other, strict, above) {
  if (Object.is(one, other)) return true;
  const objects = typeof one === "object" && one !== null && typeof other === "object" && other !== null;
  if (!objects) return typeof one !== "object" && typeof other !== "object" ? same(one, other, strict) : !strict && one == other;
  const tag = Object.prototype.toString.call(one);
  if (tag !== Object.prototype.toString.call(other)) return false;
  if (strict && Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  if (above.some(([left, right]) => left === one && right === other)) return true;
  const here = [...above, [one, other]];
  if (one instanceof Date && one.getTime() !== other.getTime()) return false;
  if (one instanceof RegExp && (String(one) !== String(other) || one.lastIndex !== other.lastIndex)) return false;
  if (one instanceof Error && (one.message !== other.message || one.name !== other.name)) return false;
  if (one instanceof Number || one instanceof String || one instanceof Boolean || one instanceof BigInt || one instanceof Symbol) {
    if (!Object.is(one.valueOf(), other.valueOf())) return false;
  }
  if (ArrayBuffer.isView(one) || one instanceof ArrayBuffer) return sameBytes(one, other);
  if (one instanceof Set && !sameSet(one, other, strict, here)) return false;
  if (one instanceof Map && !sameMap(one, other, strict, here)) return false;
  const keys = ownKeys(one, strict);
  if (keys.length !== ownKeys(other, strict).length || (Array.isArray(one) && one.length !== other.length)) return false;
  return keys.every((key) => Object.hasOwn(other, key) && compare(one[key], other[key], strict, here));
}

function ownKeys(value, strict) {
  const keys = Object.keys(value);
  if (!strict) return keys;
  return keys.concat(Object.getOwnPropertySymbols(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key)));
}

function sameBytes(one, other) {
  if (one.byteLength !== other.byteLength) return false;
  const bytes = (value) => new Uint8Array(value.buffer ?? value, value.byteOffset ?? 0, value.byteLength);
  const right = bytes(other);
  return bytes(one).every((byte, index) => byte === right[index]);
}

function sameSet(one, other, strict, above) {
  if (one.size !== other.size) return false;
  const left = [...other];
  return [...one].every((value) => {
    const at = other.has(value) ? left.indexOf(value) : left.findIndex((candidate) => compare(value, candidate, strict, above));
    if (at < 0) return other.has(value);
    left.splice(at, 1);
    return true;
  });
}

function sameMap(one, other, strict, above) {
  if (one.size !== other.size) return false;
  const left = [...other];
  return [...one].every(([key, value]) => {
    const at = left.findIndex(([k, v]) => compare(key, k, strict, above) && compare(value, v, strict, above));
    if (at < 0) return false;
    left.splice(at, 1);
    return true;
  });
}
