/*
 * The shortest decimal text of a double that reads as the same double; of the shortest, the nearest to it.
 *
 * A double v stands for all numbers that are nearer to it than to its neighbours. Let 10^k be the largest power of ten
 * that is not wider than that interval: then a multiple of 10^k is in it, and at most one multiple of 10^(k+1), which is
 * shorter. v and the ends of the interval are worked out in units of 10^k, with 70 bits behind the point. Where
 * that is too few to tell on which side a multiple lies, the C library prints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_power.h"

#define LEAST_EXPONENT (-1074)
#define HIDDEN (UINT64_C(1) << 52)
#define UNSURE 8 /* more than the error of what is compared, in units of its last bit */
#define HEADROOM 10 /* by as many bits a mantissa of 53 is shifted, and still fits 64 */
#define MOST_DIGITS 17
#define EIGHT_DIGITS 100000000

/* floor(log10(2^exponent)), and the same of 3/4 of it; the fractions are the logarithms in 32 bits. */
static int tens(int exponent, bool less) {
    return (int)((exponent * INT64_C(1292913986) - (less ? INT64_C(536607788) : 0)) >> 32);
}

static bool near(json_wide a, json_wide b, unsigned unsure) {
    return (a > b ? a - b : b - a) <= unsure && unsure != 0;
}

/*
 * Most numbers that people write have few decimals. No two decimals of 15 digits read as the same double, so
 * that one which reads as this double has the shortest digits that do.
 */
static bool few_decimals(double number, uint64_t *digits, int *scale) {
    double many = number * 1e6;
    if (many >= 1e15) {
        return false;
    }
    *digits = (uint64_t)(many + 0.5);
    *scale = -6;
    return *digits != 0 && (double)*digits / 1e6 == number;
}

/* digits * 10^scale for mantissa * 2^exponent; false when it can't be told. */
static bool shortest(uint64_t mantissa, int exponent, uint64_t *digits, int *scale) {
    /* Below a power of two, the neighbour is half as far. */
    bool less = mantissa == HIDDEN && exponent != LEAST_EXPONENT;
    bool even = mantissa % 2 == 0;
    *scale = tens(exponent, less);
    json_power power = json_power_of_ten(-*scale);
    unsigned unsure = power.exact ? 0 : UNSURE;
    int point = -(64 - HEADROOM + exponent + power.exponent);
    json_wide middle = json_times(mantissa << HEADROOM, power.high, power.low);
    json_wide half = ((json_wide)power.high << 64 | power.low) >> (64 - HEADROOM + 1);
    json_wide low = middle - (less ? half / 2 : half), high = middle + half;
    json_wide one = (json_wide)1 << point;

    uint64_t ten = (uint64_t)(high >> point) / 10 * 10;
    json_wide at = (json_wide)ten << point;
    if (near(high, at, unsure) || near(high, at + 10 * one, unsure) || near(low, at, unsure)) {
        return false;
    }
    if ((at > low || (at == low && even)) && (at < high || even)) {
        *digits = ten;
        return true;
    }
    uint64_t whole = (uint64_t)(middle >> point);
    json_wide rest = middle - ((json_wide)whole << point);
    if (near(rest, one / 2, unsure) || near(low, (json_wide)whole << point, unsure)) {
        return false;
    }
    bool up = rest > one / 2 || (rest == one / 2 && whole % 2 == 1) || (json_wide)whole << point < low;
    *digits = whole + up;
    return true;
}

/* The same by trying: fewer digits first. */
static void tried(double number, uint64_t *digits, int *scale) {
    char text[40];
    for (int count = 1; count <= MOST_DIGITS; count++) {
        snprintf(text, sizeof text, "%.*e", count - 1, number);
        if (strtod(text, NULL) == number) {
            break;
        }
    }
    int fraction = 0;
    const char *at = text;
    bool point = false;
    for (*digits = 0; *at != 'e'; at++) {
        if (*at == '.') {
            point = true;
        } else {
            *digits = *digits * 10 + (*at - '0');
            fraction += point;
        }
    }
    *scale = atoi(at + 1) - fraction;
}

static inline char *pair(char *to, uint32_t number) {
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
        "4950515253545556575859606162636465666768697071727374757677787980818283848586878889909192939495969798"
        "99";
    memcpy(to, pairs + number * 2, 2);
    return to + 2;
}

/* Digits of a number below 10^8, without zeros before it. */
static char *leading(char *to, uint32_t number) {
    if (number < 100) {
        if (number >= 10) {
            return pair(to, number);
        }
        *to = '0' + number;
        return to + 1;
    }
    return pair(leading(to, number / 100), number % 100);
}

static char *eight(char *to, uint32_t number) {
    uint32_t upper = number / 10000, lower = number % 10000;
    to = pair(pair(to, upper / 100), upper % 100);
    return pair(pair(to, lower / 100), lower % 100);
}

char *json_write_unsigned(char *to, uint64_t number) {
    if (number < EIGHT_DIGITS) {
        return leading(to, number);
    }
    return eight(json_write_unsigned(to, number / EIGHT_DIGITS), number % EIGHT_DIGITS);
}

/* As JavaScript prints it, but that a whole number keeps ".0": a reader sees that it is no integer. */
static char *laid_out(char *to, uint64_t digits, int scale) {
    for (; digits % 10000 == 0; digits /= 10000) {
        scale += 4;
    }
    for (; digits % 10 == 0; digits /= 10) {
        scale++;
    }
    char text[24];
    int count = (int)(json_write_unsigned(text, digits) - text);
    int point = count + scale; /* how many digits are before it */
    if (point > 21 || point < -5) {
        *to++ = text[0];
        if (count > 1) {
            *to++ = '.';
            memcpy(to, text + 1, count - 1);
            to += count - 1;
        }
        *to++ = 'e';
        if (point < 1) {
            *to++ = '-';
        }
        return json_write_unsigned(to, point < 1 ? 1 - point : point - 1);
    }
    if (point <= 0) {
        memcpy(to, "0.00000", 7);
        to += 2 - point;
        memcpy(to, text, count);
        return to + count;
    }
    int before = count < point ? count : point;
    memcpy(to, text, before);
    memset(to + before, '0', point - before);
    to += point;
    *to++ = '.';
    if (count <= point) {
        *to++ = '0';
        return to;
    }
    memcpy(to, text + point, count - point);
    return to + (count - point);
}

char *json_write_real(char *to, double number) {
    union {
        double number;
        uint64_t bits;
    } given = {.number = number};
    if (given.bits >> 63) {
        *to++ = '-';
        number = -number;
    }
    uint64_t mantissa = given.bits & (HIDDEN - 1);
    int exponent = given.bits >> 52 & 2047;
    if (number < 9007199254740992.0 && number == (double)(uint64_t)number) {
        to = json_write_unsigned(to, (uint64_t)number);
        memcpy(to, ".0", 2);
        return to + 2;
    }
    mantissa |= exponent == 0 ? 0 : HIDDEN;
    exponent = (exponent == 0 ? 1 : exponent) - 1075;
    uint64_t digits;
    int scale;
    if (!few_decimals(number, &digits, &scale) && !shortest(mantissa, exponent, &digits, &scale)) {
        tried(number, &digits, &scale);
    }
    return laid_out(to, digits, scale);
}
