/* Powers of ten, and products with them, for numbers that are read and written. */
#ifndef CAPSULE_JSON_POWER_H
#define CAPSULE_JSON_POWER_H

#include <stdbool.h>
#include <stdint.h>

/* A power of ten: (high, low) * 2^exponent, its highest bit set, at most 4 too small in `low`. */
typedef struct {
    uint64_t high, low;
    int exponent;
    bool exact;
} json_power;

/* For powers from -351 to 377. */
json_power json_power_of_ten(int power);

typedef unsigned __int128 json_wide;

/* A sandbox has no instruction for this, and the compiler's way is a call. */
static inline json_wide json_product(uint64_t a, uint64_t b) {
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t low = a0 * b0;
    uint64_t middle = a1 * b0 + (low >> 32); /* can't go over its end, nor can the next */
    uint64_t other = a0 * b1 + (uint32_t)middle;
    uint64_t high = a1 * b1 + (middle >> 32) + (other >> 32);
    return (json_wide)high << 64 | (other << 32 | (uint32_t)low);
}

/* The upper 128 bits of a product of 64 and 128 bits, the lower 64 of which are dropped. */
static inline json_wide json_times(uint64_t factor, uint64_t high, uint64_t low) {
    json_wide product = json_product(factor, high);
    return low == 0 ? product : product + (uint64_t)(json_product(factor, low) >> 64);
}

#endif
