/* Numbers: integers of 64 bits exactly, everything else as the nearest double. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_power.h"

#define MOST_DIGITS 19 /* as many always fit 64 bits */
#define TEN_TO_19 UINT64_C(10000000000000000000)
#define EXACT_TENS 22 /* 10^22 is a double, 10^23 is none */
#define LARGEST_SCALE 340 /* what powers are there for, and a little less */
#define UNSURE 16 /* more than the error of a product, in units of its last bit */

static const double TENS[EXACT_TENS + 1] = {
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static inline bool is_digit(uint8_t byte) {
    return (uint8_t)(byte - '0') <= 9;
}

/* Adds digits to a number. How many there are tells whether it went over its end. */
static inline uint8_t *add_digits(uint8_t *at, uint64_t *number) {
    uint64_t sum = *number;
    for (uint32_t digit; (digit = *at - (uint32_t)'0') <= 9; at++) {
        sum = sum * 10 + digit;
    }
    *number = sum;
    return at;
}

/* The same, where there may be many of them: by eight, and by one. */
static inline uint8_t *add_many(uint8_t *at, uint64_t *number) {
    for (;;) {
        uint64_t eight;
        memcpy(&eight, at, sizeof eight);
        eight ^= UINT64_C(0x3030303030303030);
        /* Now a byte is a digit when it is below 10: then adding 118 doesn't reach its highest bit. */
        if (((eight + UINT64_C(0x7676767676767676)) | eight) & UINT64_C(0x8080808080808080)) {
            return add_digits(at, number);
        }
        /* Pairs of digits, then pairs of pairs; the first digit is in the lowest byte. */
        eight = (eight * 10 + (eight >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
        eight = (eight * 100 + (eight >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
        *number = *number * 100000000 + (uint32_t)(eight * 10000 + (eight >> 32));
        at += 8;
    }
}

/*
 * The double nearest to digits * 10^scale; false when it takes more precision to tell, which the C library has:
 * for halves between two doubles, and for numbers at the ends of their range.
 */
static bool scaled(uint64_t digits, int64_t scale, double *number) {
    if (digits <= UINT64_C(1) << 53 && scale >= -EXACT_TENS && scale <= EXACT_TENS) {
        /* Both are doubles: their product or quotient is rounded once. */
        *number = scale < 0 ? (double)digits / TENS[-scale] : (double)digits * TENS[scale];
        return true;
    }
    if (digits == 0 || scale < -LARGEST_SCALE || scale > LARGEST_SCALE) {
        return false;
    }
    int shift = __builtin_clzll(digits);
    json_power power = json_power_of_ten((int)scale);
    digits <<= shift;
    int exponent = power.exponent - shift + 64;
    /* 53 bits are kept of 128, and 75 decide on rounding. Mostly the upper half of the power is enough to tell how. */
    json_wide product = json_product(digits, power.high), half = (json_wide)1 << 74, unsure = (json_wide)2 << 64, rest;
    for (bool again = false;; again = true) {
        int top = product >> 127 == 0;
        rest = (product << top) & (half * 2 - 1);
        if (rest + unsure < half || rest > half + unsure) {
            product <<= top;
            exponent -= top;
            break;
        }
        if (again) {
            return false;
        }
        product = json_times(digits, power.high, power.low);
        unsure = UNSURE;
    }
    uint64_t mantissa = (uint64_t)(product >> 75);
    if (rest > half && ++mantissa == UINT64_C(1) << 53) {
        mantissa >>= 1;
        exponent++;
    }
    exponent += 75 + 1075;
    if (exponent < 1 || exponent > 2046) {
        return false;
    }
    union {
        uint64_t bits;
        double number;
    } made = {.bits = (mantissa & (UINT64_MAX >> 12)) | (uint64_t)exponent << 52};
    *number = made.number;
    return true;
}

/* A number with a fraction or an exponent, or too large for an integer: [at, end) is known to be a number without a sign. */
static bool real(const uint8_t *at, const uint8_t *end, int64_t exponent, double *number) {
    const uint8_t *start = at;
    uint64_t digits = 0;
    int64_t scale = 0;
    int taken = 0;
    bool point = false, more = false;
    for (; at < end && (*at | 0x20) != 'e'; at++) {
        if (*at == '.') {
            point = true;
        } else if (taken < MOST_DIGITS) {
            digits = digits * 10 + (*at - '0');
            taken += digits != 0;
            scale -= point;
        } else {
            more |= *at != '0';
            scale += !point;
        }
    }
    scale += exponent;
    double above;
    /* Digits that were left out make a difference only when one more in the last place does. */
    if (!scaled(digits, scale, number) || (more && (!scaled(digits + 1, scale, &above) || above != *number))) {
        *number = strtod((const char *)start, NULL);
    }
    return isfinite(*number);
}

uint8_t *json_read_number(uint8_t *at, capsule_value *into) {
    bool minus = *at == '-';
    uint8_t *start = at += minus;
    uint64_t digits = 0;
    at = add_digits(at, &digits);
    size_t count = at - start;
    if (count == 0 || (*start == '0' && count > 1)) {
        return NULL;
    }
    int64_t exponent = 0;
    if (*at != '.' && (*at | 0x20) != 'e') {
        /* With a digit more, a sum of 64 bits that went over its end is below 10^19 again. */
        bool fits = count <= MOST_DIGITS || (count == MOST_DIGITS + 1 && *start == '1' && digits >= TEN_TO_19);
        if (fits && (!minus || digits <= UINT64_C(1) << 63)) {
            into->tag = (minus && digits != 0 ? JSON_NEGATIVE : JSON_UNSIGNED) | JSON_PLACED;
            into->number = minus ? 0 - digits : digits;
            return at;
        }
    } else {
        size_t point = 0;
        if (*at == '.') {
            uint8_t *behind = ++at;
            at = add_many(at, &digits);
            point = at - behind;
            if (point == 0) {
                return NULL;
            }
        }
        if ((*at | 0x20) == 'e') {
            at++;
            bool small = *at == '-';
            at += small || *at == '+';
            uint8_t *behind = at;
            for (; is_digit(*at); at++) {
                exponent = exponent < 1000000000 ? exponent * 10 + (*at - '0') : exponent;
            }
            if (at == behind) {
                return NULL;
            }
            exponent = small ? -exponent : exponent;
        }
        into->tag = JSON_REAL | JSON_PLACED;
        if (count + point <= MOST_DIGITS && scaled(digits, exponent - (int64_t)point, &into->real)) {
            into->real = minus ? -into->real : into->real;
            return at;
        }
    }
    into->tag = JSON_REAL | JSON_PLACED;
    if (!real(start, at, exponent, &into->real)) {
        return NULL;
    }
    into->real = minus ? -into->real : into->real;
    return at;
}
