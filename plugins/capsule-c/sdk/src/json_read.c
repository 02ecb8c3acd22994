/*
 * The reader: one pass over a copy of the text, and no recursion, so that nesting costs no stack.
 *
 * While an array or object is open, its `next` is the distance back to what it is in, and its `last` and `count` are
 * those so far of what it is in.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_block.h"

#define PADDING 17 /* a NUL, and what a block that begins there reads */
#define FEWEST 16
#define BYTES_PER_VALUE 8 /* a guess; there is more memory when it was wrong */
#define SIZE ((int32_t)sizeof(capsule_value))

typedef struct {
    capsule_value *values, *free, *end;
    capsule_value *box;  /* the innermost array or object that is open; NULL outside of all */
    capsule_value *last; /* what was placed last in it */
    uint32_t count;      /* items in it, or pairs */
} reading;

static void grow(reading *in) {
    size_t used = in->free - in->values, room = in->end - in->values;
    size_t box = in->box - in->values, last = in->last - in->values;
    room += room / 2 + FEWEST;
    in->values = realloc(in->values, room * sizeof *in->values);
    in->free = in->values + used;
    in->end = in->values + room;
    in->box = in->box == NULL ? NULL : in->values + box;
    in->last = in->last == NULL ? NULL : in->values + last;
}

static inline uint8_t *blank(uint8_t *at) {
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') {
        at++;
    }
    return at;
}

static void open(reading *in, capsule_value *made, uint8_t kind) {
    made->tag = kind | JSON_PLACED;
    made->next = in->box == NULL ? 0 : json_distance(made, in->box);
    made->last = in->box == NULL ? 0 : json_distance(in->box, in->last);
    made->count = in->count;
    in->box = made;
    in->last = NULL;
    in->count = 0;
}

static void close(reading *in) {
    capsule_value *box = in->box, *first = box + 1;
    capsule_value *outer = box->next == 0 ? NULL : json_step(box, box->next);
    uint32_t count = in->count;
    in->count = box->count;
    if (count > 0) {
        in->last->next = json_distance(in->last, first);
        box->last = json_distance(box, in->last);
    } else {
        box->last = 0;
    }
    if ((box->tag & JSON_KIND) == JSON_ARRAY && (count == 0 || (uint32_t)(in->last - first) == count - 1)) {
        box->tag |= JSON_FLAT;
    }
    box->count = count;
    box->next = json_distance(box, in->free);
    in->box = outer;
    in->last = box;
}

static uint8_t *word(uint8_t *at, const char *text, size_t size, unsigned kind, capsule_value *into) {
    into->tag = kind | JSON_PLACED;
    return memcmp(at, text, size) == 0 ? at + size : NULL;
}

/* Most texts are short and plain, and end within a block. */
static inline uint8_t *short_text(uint8_t *at, capsule_value *into) {
    unsigned found = block_special(wasm_v128_load(at));
    unsigned size = found == 0 ? 0 : __builtin_ctz(found);
    if (at[size] != '"') {
        return json_read_text(at, into);
    }
    at[size] = '\0';
    into->text = (const char *)at;
    into->size = size;
    return at + size + 1;
}

/* A value without parts, at its first byte. */
static inline uint8_t *scalar(uint8_t *at, capsule_value *into) {
    into->next = SIZE;
    switch (*at) {
    case '"':
        into->tag = JSON_TEXT | JSON_PLACED;
        return short_text(at + 1, into);
    case 't':
        return word(at, "true", 4, JSON_TRUE, into);
    case 'f':
        return word(at, "false", 5, JSON_FALSE, into);
    case 'n':
        return word(at, "null", 4, JSON_NULL, into);
    default:
        return json_read_number(at, into);
    }
}

static inline bool is_object(const capsule_value *box) {
    return (box->tag & JSON_KIND) == JSON_OBJECT;
}

/* A key and the colon behind it. */
static inline uint8_t *key(uint8_t *at, capsule_value *into) {
    if (*at != '"') {
        return NULL;
    }
    into->tag = JSON_TEXT | JSON_PLACED;
    into->next = SIZE;
    at = short_text(at + 1, into);
    if (at == NULL) {
        return NULL;
    }
    at = *at == ':' ? at : blank(at);
    return *at == ':' ? blank(at + 1) : NULL;
}

/* The whole text up to its NUL; NULL for what isn't a document. */
static uint8_t *document(reading *in, uint8_t *at) {
    for (at = blank(at);; at = blank(at + 1)) {
        if (in->end - in->free < 2) {
            grow(in);
        }
        capsule_value *made = in->free;
        if (in->box != NULL && is_object(in->box)) {
            at = key(at, made++);
            if (at == NULL) {
                return NULL;
            }
        }
        in->free = made + 1;
        in->last = made;
        in->count++;
        if (*at == '[' || *at == '{') {
            uint8_t kind = *at == '[' ? JSON_ARRAY : JSON_OBJECT;
            open(in, made, kind);
            uint8_t *inside = blank(at + 1);
            if (*inside != (kind == JSON_ARRAY ? ']' : '}')) {
                continue;
            }
            at = inside;
        } else {
            at = scalar(at, made);
            if (at == NULL) {
                return NULL;
            }
            if (*at != ',') {
                at = blank(at);
            }
        }
        /* Behind a value: what it is in goes on, or ends. */
        while (in->box != NULL && *at != ',') {
            if (*at != (is_object(in->box) ? '}' : ']')) {
                return NULL;
            }
            close(in);
            at = blank(at + 1);
        }
        if (in->box == NULL) {
            return at;
        }
    }
}

capsule_value *json_read(const char *text, size_t size) {
    uint8_t *copy = malloc(size + PADDING);
    memcpy(copy, text, size);
    memset(copy + size, 0, PADDING);
    size_t room = size / BYTES_PER_VALUE + FEWEST;
    reading in = {.values = malloc(room * sizeof(capsule_value))};
    in.free = in.values;
    in.end = in.values + room;
    uint8_t *at = document(&in, copy);
    if (at != copy + size) {
        free(copy);
        free(in.values);
        return NULL;
    }
    capsule_value *root = realloc(in.values, (in.free - in.values) * sizeof(capsule_value));
    root->tag &= ~(unsigned)JSON_PLACED;
    root->next = 0;
    return root;
}
