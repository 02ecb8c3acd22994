/* The writer: no recursion either, and nothing but JSON comes out of it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json_block.h"

#define FIRST_ROOM 256
#define FEWEST_OPEN 32
#define SLACK (JSON_LONGEST + BLOCK) /* for anything but a text, with the signs around it, or for a block */

typedef struct {
    char *start, *end;
} output;

/* A place for so many bytes, and some more. */
static inline char *room(output *out, char *to, size_t size) {
    size += SLACK;
    if ((size_t)(out->end - to) < size) {
        size_t used = to - out->start, all = out->end - out->start;
        all = all + all / 2 > used + size ? all + all / 2 : used + size;
        out->start = realloc(out->start, all);
        out->end = out->start + all;
        to = out->start + used;
    }
    return to;
}

static char *escaped(char *to, uint8_t byte) {
    static const char digits[] = "0123456789ABCDEF", letters[] = "btn\0fr"; /* from 8 on */
    *to++ = '\\';
    if (byte == '"' || byte == '\\') {
        *to++ = byte;
    } else if (byte >= '\b' && byte <= '\r' && letters[byte - '\b'] != '\0') {
        *to++ = letters[byte - '\b'];
    } else {
        memcpy(to, "u00", 3);
        to[3] = digits[byte >> 4];
        to[4] = digits[byte & 15];
        to += 5;
    }
    return to;
}

/* Whether a block may be read here, wherever the text ends: memory is there by pages of 64 KiB. */
static inline bool readable(const uint8_t *at) {
    return ((uintptr_t)at & 0xFFFF) <= 0x10000 - BLOCK;
}

/* Copies what needs no escape; there is room for it and a block. */
static inline const uint8_t *copy_plain(char **to, const uint8_t *at, const uint8_t *end) {
    while (at < end) {
        unsigned left = end - at < BLOCK ? end - at : BLOCK;
        unsigned clean = 0;
        if (left == BLOCK || readable(at)) {
            v128_t bytes = wasm_v128_load(at);
            clean = __builtin_ctz(block_special(bytes) | 1u << left);
            wasm_v128_store(*to, bytes);
        } else {
            for (; clean < left && !byte_special(at[clean]); clean++) {
                (*to)[clean] = at[clean];
            }
        }
        *to += clean;
        at += clean;
        if (clean < left) {
            break;
        }
    }
    return at;
}

/* A character beyond ASCII at the end of a text, which may not have the four bytes that are looked at. */
static inline const uint8_t *copy_last(char **to, const uint8_t *at, const uint8_t *end) {
    uint8_t four[4] = {0};
    memcpy(four, at, end - at < 4 ? end - at : 4);
    unsigned size = character_size(four);
    memcpy(*to, four, 4);
    *to += size;
    return size == 0 ? NULL : at + size;
}

/* Text between quotes; NULL when it isn't UTF-8. */
static char *write_text(output *out, char *to, const char *text, size_t size) {
    const uint8_t *at = (const uint8_t *)text, *end = at + size;
    to = room(out, to, size);
    *to++ = '"';
    while ((at = copy_plain(&to, at, end)) < end) {
        if (*at < 0x80) {
            to = escaped(to, *at++);
            to = room(out, to, end - at);
            continue;
        }
        while (end - at >= 4) {
            unsigned bytes = *at < 0x80 ? at[1] >= 0x80 && !byte_special(*at) : character_size(at);
            if (bytes == 0) {
                break;
            }
            memcpy(to, at, 4);
            to += bytes;
            at += bytes;
        }
        if (at < end && *at >= 0x80) {
            at = copy_last(&to, at, end);
            if (at == NULL) {
                return NULL;
            }
        }
    }
    *to++ = '"';
    return to;
}

/* A value without parts, or an empty one. */
static char *scalar(output *out, char *to, const capsule_value *value, const char **reason) {
    switch (json_kind(value)) {
    case JSON_TEXT:
        to = write_text(out, to, value->text, value->size);
        *reason = to == NULL ? "invalid utf-8 encoding in string" : *reason;
        return to;
    case JSON_UNSIGNED:
        return json_write_unsigned(to, value->number);
    case JSON_NEGATIVE:
        *to++ = '-';
        return json_write_unsigned(to, 0 - value->number);
    case JSON_REAL:
        if (!isfinite(value->real)) {
            *reason = "nan or inf number is not allowed";
            return NULL;
        }
        return json_write_real(to, value->real);
    case JSON_TRUE:
        memcpy(to, "true", 4);
        return to + 4;
    case JSON_FALSE:
        memcpy(to, "false", 5);
        return to + 5;
    case JSON_ARRAY:
        memcpy(to, "[]", 2);
        return to + 2;
    case JSON_OBJECT:
        memcpy(to, "{}", 2);
        return to + 2;
    default:
        memcpy(to, "null", 4);
        return to + 4;
    }
}

/* An array or object that is begun: how many items of it are left, keys and values of an object. */
typedef struct {
    const capsule_value *box;
    size_t left;
} begun;

char *json_write(const capsule_value *value, size_t *size, const char **reason) {
    output out = {.start = malloc(FIRST_ROOM)};
    out.end = out.start + FIRST_ROOM;
    char *to = out.start;
    const char *why = NULL;
    size_t depth = 0, most = FEWEST_OPEN;
    begun *open = malloc(most * sizeof *open);
    for (const capsule_value *item = value;;) {
        to = room(&out, to, 0);
        if (json_holds(item) && item->count > 0) {
            bool object = json_kind(item) == JSON_OBJECT;
            *to++ = object ? '{' : '[';
            if (depth == most) {
                most *= 2;
                open = realloc(open, most * sizeof *open);
            }
            open[depth++] = (begun){item, object ? (size_t)item->count * 2 : item->count};
            item = json_next(json_last(item));
            continue;
        }
        to = scalar(&out, to, item, &why);
        if (to == NULL) {
            break;
        }
        while (depth > 0 && --open[depth - 1].left == 0) {
            item = open[--depth].box;
            to = room(&out, to, 0);
            *to++ = json_kind(item) == JSON_OBJECT ? '}' : ']';
        }
        if (depth == 0) {
            break;
        }
        const begun *top = &open[depth - 1];
        *to++ = json_kind(top->box) == JSON_OBJECT && top->left % 2 == 1 ? ':' : ',';
        item = json_next(item);
    }
    free(open);
    if (to == NULL) {
        free(out.start);
        if (reason != NULL) {
            *reason = why;
        }
        return NULL;
    }
    *to = '\0';
    if (size != NULL) {
        *size = to - out.start;
    }
    return out.start;
}
