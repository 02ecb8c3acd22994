/* Text between quotes: strict UTF-8, and escapes undone where they stand. */
#include "json_block.h"

/* Behind the characters that need no escape, ASCII or not; NULL when one is not UTF-8. */
static uint8_t *pass(uint8_t *at) {
    for (;;) {
        unsigned found;
        while ((found = block_special(wasm_v128_load(at))) == 0) {
            at += BLOCK;
        }
        at += __builtin_ctz(found);
        if (*at < 0x80) {
            return at;
        }
        do {
            unsigned size = character_size(at); /* a NUL ends the copy of the text, and continues nothing */
            if (size == 0) {
                return NULL;
            }
            at += size;
        } while (*at >= 0x80);
    }
}

/* Four hexadecimal digits; -1 when they are none. */
static int32_t unit(const uint8_t *at) {
    int32_t number = 0;
    for (int i = 0; i < 4; i++) {
        int digit = at[i] - '0';
        if (digit < 0 || digit > 9) {
            digit = (at[i] | 0x20) - 'a' + 10;
            if (digit < 10 || digit > 15) {
                return -1;
            }
        }
        number = number << 4 | digit;
    }
    return number;
}

static uint8_t *put(uint8_t *to, uint32_t character) {
    if (character < 0x80) {
        *to++ = character;
        return to;
    }
    if (character < 0x800) {
        *to++ = 0xC0 | character >> 6;
    } else {
        if (character < 0x10000) {
            *to++ = 0xE0 | character >> 12;
        } else {
            *to++ = 0xF0 | character >> 18;
            *to++ = 0x80 | (character >> 12 & 63);
        }
        *to++ = 0x80 | (character >> 6 & 63);
    }
    *to++ = 0x80 | (character & 63);
    return to;
}

/* Undoes an escape that begins behind a backslash. A surrogate that isn't one of a pair is refused. */
static uint8_t *unescape(uint8_t *at, uint8_t **to) {
    if (*at != 'u') {
        uint8_t meant;
        switch (*at) {
        case '"':
        case '\\':
        case '/':
            meant = *at;
            break;
        case 'b':
            meant = '\b';
            break;
        case 'f':
            meant = '\f';
            break;
        case 'n':
            meant = '\n';
            break;
        case 'r':
            meant = '\r';
            break;
        case 't':
            meant = '\t';
            break;
        default:
            return NULL;
        }
        *(*to)++ = meant;
        return at + 1;
    }
    int32_t character = unit(at + 1);
    at += 5;
    if (character < 0) {
        return NULL;
    }
    if (character >= 0xD800 && character <= 0xDFFF) {
        int32_t low = at[0] == '\\' && at[1] == 'u' ? unit(at + 2) : -1;
        if (character > 0xDBFF || low < 0xDC00 || low > 0xDFFF) {
            return NULL;
        }
        character = 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
        at += 6;
    }
    *to = put(*to, character);
    return at;
}

/*
 * Moves less than a block to the front. What lies behind it must stay, so that a part goes as two that overlap:
 * both are read before one is written.
 */
static inline void move_part(uint8_t *to, const uint8_t *at, unsigned size) {
    if (size >= 8) {
        uint64_t first, last;
        memcpy(&first, at, 8);
        memcpy(&last, at + size - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + size - 8, &last, 8);
    } else if (size >= 4) {
        uint32_t first, last;
        memcpy(&first, at, 4);
        memcpy(&last, at + size - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + size - 4, &last, 4);
    } else {
        for (unsigned i = 0; i < size; i++) {
            to[i] = at[i];
        }
    }
}

/* Moves text to the front, up to an escape or what ends it; NULL when it isn't UTF-8. */
static uint8_t *move(uint8_t *at, uint8_t **end) {
    for (uint8_t *to = *end;;) {
        v128_t bytes = wasm_v128_load(at);
        unsigned found = block_special(bytes);
        if (found == 0) {
            wasm_v128_store(to, bytes);
            to += BLOCK;
            at += BLOCK;
            continue;
        }
        unsigned size = __builtin_ctz(found);
        move_part(to, at, size);
        to += size;
        at += size;
        if (*at < 0x80) {
            *end = to;
            return at;
        }
        do {
            size = character_size(at);
            if (size == 0) {
                return NULL;
            }
            move_part(to, at, size);
            to += size;
            at += size;
        } while (*at >= 0x80);
    }
}

uint8_t *json_read_text(uint8_t *at, capsule_value *into) {
    uint8_t *start = at;
    at = pass(at);
    uint8_t *to = at;
    while (at != NULL && *at == '\\') {
        at = unescape(at + 1, &to);
        at = at == NULL ? NULL : move(at, &to);
    }
    if (at == NULL || *at != '"') {
        return NULL;
    }
    *to = '\0';
    into->text = (const char *)start;
    into->size = to - start;
    return at + 1;
}
