// Numbers in buffers: what is read, what is written, and what is refused.
const bytes = Buffer.from([0x81, 2, 3, 0x84, 5, 6, 0x87, 8, 9, 10]);
const methods = Object.getOwnPropertyNames(Buffer.prototype).filter((name) => /^(read|write)[A-Z]/.test(name)).sort();
await answer("methods", "", () => methods.join(" "));
for (const name of methods) {
  const several = /Int(LE|BE)$/.test(name);
  if (name.startsWith("read")) {
    for (const offset of [undefined, 0, 1, 9, 10, -1, 1.5, NaN, "1", null, 2 ** 40]) {
      await answer(name, offset, () => (several ? bytes[name](offset, 3) : bytes[name](offset)));
    }
  } else {
    for (const value of [0, 1, -1, 127, 255, 300, -200, 70000, -70000, 2 ** 33, 2 ** 53, 1.5, "7", NaN, undefined, 5n, -5n, 2n ** 64n, null]) {
      const target = Buffer.alloc(8);
      await answer(name, value, () => [several ? target[name](value, 0, 3) : target[name](value), target.toString("hex")]);
    }
    for (const offset of [undefined, 7, 8, -1, "1", 1.5]) await answer(`${name} at`, offset, () => (several ? Buffer.alloc(8)[name](1, offset, 6) : Buffer.alloc(8)[name](name.includes("Big") ? 1n : 1, offset)));
  }
  if (several) for (const size of [undefined, 0, 1, 6, 7, 2.5, "3", null, 2 ** 40]) await answer(`${name} size`, size, () => (name.startsWith("read") ? bytes[name](0, size) : Buffer.alloc(8)[name](1, 0, size)));
}
for (const value of [undefined, null, 5, true, Symbol("s"), {}, [1, "2", 300, -1], { length: 2, 0: 7 }, new Uint16Array([1, 258]), new String("x"), Object.create(null)]) {
  await answer("Buffer.from", value, () => Buffer.from(value));
}
