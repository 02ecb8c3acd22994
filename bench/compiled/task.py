"""The kernels of `kernels.h` that don't depend on 32-bit arithmetic, as a Python task."""

import math
import time

from capsule import task


def nbody(steps: int) -> float:
    x, y, z = [0, 4.84, 8.34, 12.89, 15.37], [0, -1.16, 4.12, -15.11, -25.9], [0, -0.10, -0.40, -0.22, 0.18]
    u, v, w = [0, 0.606, -1.01, 1.08, 0.979], [0, 2.81, 1.82, 0.868, 0.594], [0, -0.02, 0.008, -0.010, -0.034]
    m = [39.47, 0.037, 0.011, 0.0017, 0.002]
    for _ in range(steps):
        for i in range(5):
            for j in range(i + 1, 5):
                a, b, c = x[i] - x[j], y[i] - y[j], z[i] - z[j]
                d = a * a + b * b + c * c
                pull = 0.01 / (d * math.sqrt(d))
                u[i] -= a * m[j] * pull
                v[i] -= b * m[j] * pull
                w[i] -= c * m[j] * pull
                u[j] += a * m[i] * pull
                v[j] += b * m[i] * pull
                w[j] += c * m[i] * pull
        for i in range(5):
            x[i] += 0.01 * u[i]
            y[i] += 0.01 * v[i]
            z[i] += 0.01 * w[i]
    return sum(0.5 * m[i] * (u[i] * u[i] + v[i] * v[i] + w[i] * w[i]) for i in range(5))


def heapsort_numbers(count: int) -> int:
    a, seed = [], 12345
    for _ in range(count):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        a.append(seed >> 4)
    start, end = count // 2, count
    while end > 1:
        if start > 0:
            start -= 1
            moved = a[start]
        else:
            end -= 1
            moved = a[end]
            a[end] = a[0]
        hole = start
        while (child := 2 * hole + 1) < end:
            if child + 1 < end and a[child + 1] > a[child]:
                child += 1
            if a[child] <= moved:
                break
            a[hole] = a[child]
            hole = child
        a[hole] = moved
    return a[count // 2]


@task(name="main", compute="HIGH", timeout="120s")
def main(kernel: str, size: int) -> dict[str, float]:
    work = nbody if kernel == "nbody" else heapsort_numbers
    before = time.perf_counter()
    result = work(size)
    return {"seconds": time.perf_counter() - before, "result": result}
