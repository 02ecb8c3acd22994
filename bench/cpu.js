// Four CPU-bound programs, the same as in cpu.py. `measure` gives milliseconds.

function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

function random() {
  let state = 12345;
  return () => (state = (state * 16807) % 2147483647);
}

const kernels = {
  fib: () => fib(24),
  sort: () => Array.from({ length: 20000 }, random()).sort((a, b) => a - b).length,
  json: () => {
    let data = Array.from({ length: 500 }, (_, n) => ({ id: n, name: `item ${n}`, tags: ["a", "b"], price: n / 3 }));
    for (let round = 0; round < 10; round++) data = JSON.parse(JSON.stringify(data));
    return data.length;
  },
  text: () => {
    let text = "";
    for (let n = 0; n < 50000; n++) text += `${n},`;
    return text.split(",").map((part) => part.toUpperCase()).join("-").length;
  },
};

function measure(name) {
  const started = performance.now();
  kernels[name]();
  return performance.now() - started;
}
