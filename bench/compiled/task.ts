// The kernels of `kernels.h` that don't depend on 32-bit arithmetic, as a TypeScript task.
import { task } from "@capsule-run/sdk";

function nbody(steps: number): number {
  const x = [0, 4.84, 8.34, 12.89, 15.37], y = [0, -1.16, 4.12, -15.11, -25.9], z = [0, -0.1, -0.4, -0.22, 0.18];
  const u = [0, 0.606, -1.01, 1.08, 0.979], v = [0, 2.81, 1.82, 0.868, 0.594], w = [0, -0.02, 0.008, -0.01, -0.034];
  const m = [39.47, 0.037, 0.011, 0.0017, 0.002];
  for (let step = 0; step < steps; step++) {
    for (let i = 0; i < 5; i++) {
      for (let j = i + 1; j < 5; j++) {
        const a = x[i] - x[j], b = y[i] - y[j], c = z[i] - z[j];
        const d = a * a + b * b + c * c;
        const pull = 0.01 / (d * Math.sqrt(d));
        u[i] -= a * m[j] * pull; v[i] -= b * m[j] * pull; w[i] -= c * m[j] * pull;
        u[j] += a * m[i] * pull; v[j] += b * m[i] * pull; w[j] += c * m[i] * pull;
      }
    }
    for (let i = 0; i < 5; i++) {
      x[i] += 0.01 * u[i]; y[i] += 0.01 * v[i]; z[i] += 0.01 * w[i];
    }
  }
  return m.reduce((energy, mass, i) => energy + 0.5 * mass * (u[i] * u[i] + v[i] * v[i] + w[i] * w[i]), 0);
}

function heapsortNumbers(count: number): number {
  const a: number[] = [];
  let seed = 12345;
  for (let i = 0; i < count; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    a.push(seed >>> 4);
  }
  for (let start = count >> 1, end = count; end > 1;) {
    let moved: number;
    if (start > 0) {
      moved = a[--start];
    } else {
      moved = a[--end];
      a[end] = a[0];
    }
    let hole = start;
    for (let child; (child = 2 * hole + 1) < end; hole = child) {
      if (child + 1 < end && a[child + 1] > a[child]) child++;
      if (a[child] <= moved) break;
      a[hole] = a[child];
    }
    a[hole] = moved;
  }
  return a[count >> 1];
}

export const main = task({ name: "main", compute: "HIGH", timeout: "120s" }, (kernel: string, size: number) => {
  const before = performance.now();
  const result = kernel === "nbody" ? nbody(size) : heapsortNumbers(size);
  return { seconds: (performance.now() - before) / 1000, result };
});
