// Numbers in a Buffer: Node's methods, with its checks.

import { outOfRange, validateNumber, wrongType } from "./validators.js";

const BITS = { Int8: 8, Uint8: 8, Int16: 16, Uint16: 16, Int32: 32, Uint32: 32, BigInt64: 64, BigUint64: 64, Float32: 32, Float64: 64 };
const NAMES = { Int8: "Int8", Uint8: "UInt8", Int16: "Int16", Uint16: "UInt16", Int32: "Int32", Uint32: "UInt32", BigInt64: "BigInt64", BigUint64: "BigUInt64", Float32: "Float", Float64: "Double" };

class OutOfBounds extends RangeError {
  code = "ERR_BUFFER_OUT_OF_BOUNDS";
  constructor() {
    super("Attempt to access memory outside buffer bounds");
  }
  get name() {
    return "RangeError";
  }
}

function view(buffer, offset, size) {
  if (offset >= 0 && offset + size <= buffer.length && Number.isInteger(offset)) {
    return new DataView(buffer.buffer, buffer.byteOffset + offset, size);
  }
  if (typeof offset !== "number") throw wrongType("offset", "number", offset);
  if (Math.floor(offset) !== offset) throw outOfRange("offset", "an integer", offset);
  if (buffer.length < size) throw new OutOfBounds();
  throw outOfRange("offset", `>= 0 and <= ${buffer.length - size}`, offset);
}

function checkValue(value, low, high, bits) {
  if (!(value < low || value > high)) return;
  const n = typeof low === "bigint" ? "n" : "";
  let range = `>= ${low}${n} and <= ${high}${n}`;
  if (bits > 32) range = low ? `>= -(2${n} ** ${bits - 1}${n}) and < 2${n} ** ${bits - 1}${n}` : `>= 0${n} and < 2${n} ** ${bits}${n}`;
  throw outOfRange("value", range, value);
}

function limits(kind, bits) {
  const [two, one, count] = kind.startsWith("Big") ? [2n, 1n, BigInt(bits)] : [2, 1, bits];
  return kind.includes("Uint") ? [two - two, two ** count - one] : [-(two ** (count - one)), two ** (count - one) - one];
}

/** Puts the methods on the prototype. */
export function addNumbers(prototype) {
  const define = (name, method) => {
    Object.defineProperty(method, "name", { value: name });
    prototype[name] = method;
    if (name.includes("UInt")) prototype[name.replace("UInt", "Uint")] = method;
  };
  for (const [kind, bits] of Object.entries(BITS)) {
    const size = bits / 8;
    const [get, set] = [DataView.prototype[`get${kind}`], DataView.prototype[`set${kind}`]];
    const float = kind.startsWith("Float");
    const [low, high] = limits(kind, bits);
    for (const [suffix, little] of size === 1 ? [["", true]] : [["LE", true], ["BE", false]]) {
      define(`read${NAMES[kind]}${suffix}`, function (offset = 0) {
        return get.call(view(this, offset, size), 0, little);
      });
      define(`write${NAMES[kind]}${suffix}`, function (value, offset = 0) {
        if (typeof low !== "bigint") value = +value;
        if (!float) {
          if (typeof offset !== "number") view(this, offset, size);
          checkValue(value, low, high, bits);
          if (typeof value !== typeof low) throw new TypeError("Cannot mix BigInt and other types, use explicit conversions");
        }
        set.call(view(this, offset, size), 0, value, little);
        return offset + size;
      });
    }
  }
  for (const signed of [true, false]) {
    for (const little of [true, false]) {
      const suffix = `${signed ? "" : "U"}Int${little ? "LE" : "BE"}`;
      define(`read${suffix}`, function (offset, byteLength) {
        if (offset === undefined) throw wrongType("offset", "number", offset);
        const size = length(byteLength);
        const at = view(this, offset, size);
        let number = 0;
        for (let index = 0; index < size; index++) number = number * 256 + at.getUint8(little ? size - 1 - index : index);
        return signed && number >= 2 ** (size * 8 - 1) ? number - 2 ** (size * 8) : number;
      });
      define(`write${suffix}`, function (value, offset, byteLength) {
        const size = length(byteLength);
        const bits = size * 8;
        value = +value;
        if (signed) checkValue(value, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, bits);
        else checkValue(value, 0, 2 ** bits - 1, bits);
        if (offset === undefined) throw wrongType("offset", "number", offset);
        const at = view(this, offset, size);
        let rest = Math.trunc(value) || 0;
        if (rest < 0) rest += 2 ** bits;
        for (let index = 0; index < size; index++) {
          at.setUint8(little ? index : size - 1 - index, rest % 256);
          rest = Math.floor(rest / 256);
        }
        return offset + size;
      });
    }
  }
}

function length(byteLength) {
  if (byteLength === undefined) throw wrongType("byteLength", "number", byteLength);
  validateNumber(byteLength, "byteLength");
  if (Number.isInteger(byteLength) && byteLength >= 1 && byteLength <= 6) return byteLength;
  if (Math.floor(byteLength) !== byteLength) throw outOfRange("byteLength", "an integer", byteLength);
  throw outOfRange("byteLength", ">= 1 and <= 6", byteLength);
}
