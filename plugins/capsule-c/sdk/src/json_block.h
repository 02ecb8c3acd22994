/* Text by blocks of 16 bytes, and by characters. */
#ifndef CAPSULE_JSON_BLOCK_H
#define CAPSULE_JSON_BLOCK_H

#include <string.h>
#include <wasm_simd128.h>

#include "json.h"

#define BLOCK 16

/*
 * A bit for each byte of a block that can't stand between quotes as it is, or is not ASCII. Bytes beyond ASCII are
 * below zero as signed numbers, and so below the first character that is no control.
 */
static inline unsigned block_special(v128_t bytes) {
    v128_t controls = wasm_i8x16_lt(bytes, wasm_i8x16_const_splat(0x20));
    v128_t quotes = wasm_i8x16_eq(bytes, wasm_i8x16_const_splat('"'));
    v128_t escapes = wasm_i8x16_eq(bytes, wasm_i8x16_const_splat('\\'));
    return wasm_i8x16_bitmask(wasm_v128_or(controls, wasm_v128_or(quotes, escapes)));
}

static inline bool byte_special(uint8_t byte) {
    return byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\';
}

/*
 * How many bytes the character has that begins here with a byte of 0x80 or more; 0 when it is not UTF-8. Reads four.
 * Each kind of character is recognised by the bits that all its bytes have, first byte lowest.
 */
static inline unsigned character_size(const uint8_t *at) {
    uint32_t four;
    memcpy(&four, at, sizeof four);
    if ((four & 0x00C0C0F0) == 0x008080E0) {
        uint32_t top = four & 0x0000200F; /* 0: it would fit two bytes; 0x200D: a surrogate */
        return top != 0 && top != 0x0000200D ? 3 : 0;
    }
    if ((four & 0x0000C0E0) == 0x000080C0) {
        return (four & 0x1E) != 0 ? 2 : 0;
    }
    if ((four & 0xC0C0C0F8) == 0x808080F0) {
        uint32_t character = (four & 7) << 18 | (four >> 8 & 63) << 12; /* and what doesn't matter here */
        return character >= 0x10000 && character <= 0x10FFFF ? 4 : 0;
    }
    return 0;
}

#endif
