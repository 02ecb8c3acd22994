/* CPU-bound work, each a function of its size: compiled for a sandbox and for this machine alike. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Five bodies that attract each other, in steps of 0.01. Returns the energy, which hardly changes. */
static double nbody(long steps) {
    double x[5] = {0, 4.84, 8.34, 12.89, 15.37}, y[5] = {0, -1.16, 4.12, -15.11, -25.9};
    double z[5] = {0, -0.10, -0.40, -0.22, 0.18};
    double u[5] = {0, 0.606, -1.01, 1.08, 0.979}, v[5] = {0, 2.81, 1.82, 0.868, 0.594};
    double w[5] = {0, -0.02, 0.008, -0.010, -0.034}, m[5] = {39.47, 0.037, 0.011, 0.0017, 0.002};
    for (long step = 0; step < steps; step++) {
        for (int i = 0; i < 5; i++) {
            for (int j = i + 1; j < 5; j++) {
                double a = x[i] - x[j], b = y[i] - y[j], c = z[i] - z[j];
                double d = a * a + b * b + c * c;
                double pull = 0.01 / (d * sqrt(d));
                u[i] -= a * m[j] * pull, v[i] -= b * m[j] * pull, w[i] -= c * m[j] * pull;
                u[j] += a * m[i] * pull, v[j] += b * m[i] * pull, w[j] += c * m[i] * pull;
            }
        }
        for (int i = 0; i < 5; i++) {
            x[i] += 0.01 * u[i], y[i] += 0.01 * v[i], z[i] += 0.01 * w[i];
        }
    }
    double energy = 0;
    for (int i = 0; i < 5; i++) {
        energy += 0.5 * m[i] * (u[i] * u[i] + v[i] * v[i] + w[i] * w[i]);
    }
    return energy;
}

static uint32_t turn(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

/* SHA-256 over `blocks` blocks of 64 bytes. Returns the first word of the state. */
static double sha256(long blocks) {
    static uint32_t k[64];
    if (k[0] == 0) { /* the roots of the primes, as the standard has it */
        for (int n = 2, i = 0; i < 64; n++) {
            int prime = 1;
            for (int d = 2; d * d <= n; d++) {
                prime &= n % d != 0;
            }
            if (prime) {
                double root = cbrt(n);
                k[i++] = (uint32_t)((root - floor(root)) * 4294967296.0);
            }
        }
    }
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint32_t w[64];
    for (long block = 0; block < blocks; block++) {
        for (int i = 0; i < 16; i++) {
            w[i] = (uint32_t)(block * 16 + i) * 2654435761u;
        }
        for (int i = 16; i < 64; i++) {
            uint32_t a = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
            uint32_t b = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;
            w[i] = w[i - 16] + a + w[i - 7] + b;
        }
        uint32_t s[8];
        memcpy(s, h, sizeof s);
        for (int i = 0; i < 64; i++) {
            uint32_t e = turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25);
            uint32_t first = s[7] + e + (s[6] ^ (s[4] & (s[5] ^ s[6]))) + k[i] + w[i];
            uint32_t a = turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22);
            uint32_t second = a + ((s[0] & s[1]) | (s[2] & (s[0] | s[1])));
            memmove(s + 1, s, 7 * sizeof *s);
            s[4] += first;
            s[0] = first + second;
        }
        for (int i = 0; i < 8; i++) {
            h[i] += s[i];
        }
    }
    return h[0];
}

/* A heap sort of `count` numbers that look random. Returns the one in the middle. */
static double heapsort_numbers(long count) {
    uint32_t *a = malloc((size_t)count * sizeof *a);
    uint32_t seed = 12345;
    for (long i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        a[i] = seed >> 4;
    }
    for (long start = count / 2, end = count; end > 1;) {
        uint32_t moved;
        if (start > 0) {
            moved = a[--start];
        } else {
            moved = a[--end];
            a[end] = a[0];
        }
        long hole = start;
        for (long child; (child = 2 * hole + 1) < end; hole = child) {
            child += child + 1 < end && a[child + 1] > a[child];
            if (a[child] <= moved) {
                break;
            }
            a[hole] = a[child];
        }
        a[hole] = moved;
    }
    double middle = a[count / 2];
    free(a);
    return middle;
}
