// Atomics: QuickJS is built without it, packages expect it. There is one thread, so plain accesses are atomic.

function exchange(combine) {
  return (array, index, value) => {
    const before = array[index];
    array[index] = combine(before, value);
    return before;
  };
}

const Atomics = {
  load: (array, index) => array[index],
  store(array, index, value) {
    array[index] = value;
    return value;
  },
  add: exchange((before, value) => before + value),
  sub: exchange((before, value) => before - value),
  and: exchange((before, value) => before & value),
  or: exchange((before, value) => before | value),
  xor: exchange((before, value) => before ^ value),
  exchange: exchange((_, value) => value),
  compareExchange(array, index, expected, replacement) {
    const before = array[index];
    if (before === expected) array[index] = replacement;
    return before;
  },
  isLockFree: (size) => [1, 2, 4, 8].includes(size),
  notify: () => 0,
  wait() {
    throw new TypeError("Atomics.wait: a sandbox has one thread, nothing could wake it");
  },
};

Object.defineProperty(Atomics, Symbol.toStringTag, { value: "Atomics" });
globalThis.Atomics ??= Atomics;
