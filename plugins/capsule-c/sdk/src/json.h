/*
 * JSON values, and what the parts that read, make and write them share.
 *
 * A value is 16 bytes in a sandbox. The values of a document that was read lie side by side in the
 * order of its text, so that reading needs one piece of memory, which may move while it grows:
 * values therefore name each other by distances, not by addresses.
 */
#ifndef CAPSULE_JSON_H
#define CAPSULE_JSON_H

#include <capsule.h>

enum {
    JSON_NULL = 1,
    JSON_FALSE,
    JSON_TRUE,
    JSON_UNSIGNED,
    JSON_NEGATIVE, /* an integer below zero */
    JSON_REAL,
    JSON_TEXT,
    JSON_ARRAY,
    JSON_OBJECT, /* keys and values in turn */
    JSON_KIND = 15,
    JSON_PLACED = 16, /* it is in an array or an object: `next` says where it goes on */
    JSON_FLAT = 32,   /* an array whose items lie side by side, so that any of them is found at once */
};

struct capsule_value {
    uint32_t tag;
    int32_t next; /* the distance to the item behind this one; behind the last one is the first */
    union {
        uint64_t number;
        int64_t negative;
        double real;
        struct {
            const char *text;
            size_t size; /* of a text, in bytes */
        };
        struct {
            int32_t last;   /* the distance to the last item; 0 when there is none */
            uint32_t count; /* items of an array, pairs of an object */
        };
    };
};

static inline unsigned json_kind(const capsule_value *value) {
    return value == NULL ? 0 : value->tag & JSON_KIND;
}

static inline bool json_holds(const capsule_value *value) {
    return json_kind(value) >= JSON_ARRAY;
}

static inline int32_t json_distance(const capsule_value *from, const capsule_value *to) {
    return (int32_t)((const char *)to - (const char *)from);
}

static inline capsule_value *json_step(const capsule_value *from, int32_t distance) {
    return (capsule_value *)((const char *)from + distance);
}

static inline capsule_value *json_next(const capsule_value *item) {
    return json_step(item, item->next);
}

static inline capsule_value *json_last(const capsule_value *box) {
    return json_step(box, box->last);
}

/* A new value of this kind, in no place yet. */
capsule_value *json_new(unsigned kind);

/* The value of JSON text; NULL when it is none. */
capsule_value *json_read(const char *text, size_t size);
/* JSON text of a value, with a NUL behind it; NULL, with the reason, when it can't be written. */
char *json_write(const capsule_value *value, size_t *size, const char **reason);

/*
 * Parts of the reader: each takes a place in a copy of the text, with 16 bytes of NUL behind its end, and returns the
 * place behind what it read, or NULL. A text is unescaped where it is.
 */
uint8_t *json_read_text(uint8_t *at, capsule_value *into);
uint8_t *json_read_number(uint8_t *at, capsule_value *into);

/* Writes a number as the shortest text that reads as the same one, JSON_LONGEST bytes at most. Returns its end. */
#define JSON_LONGEST 32
char *json_write_real(char *to, double number);
char *json_write_unsigned(char *to, uint64_t number);

#endif
