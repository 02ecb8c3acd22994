/* Values that a program makes, and where they are placed. Nothing is freed: it goes with the sandbox. */
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define FIRST_CHUNK 64
#define LARGEST_CHUNK 4096
#define FEWEST_OPEN 32

/* New values, side by side. */
static inline capsule_value *take(size_t count) {
    static capsule_value *unused, *end;
    static size_t room = FIRST_CHUNK;
    if (count > (size_t)(end - unused)) {
        size_t all = count > room ? count : room;
        unused = malloc(all * sizeof *unused);
        end = unused + all;
        room = room < LARGEST_CHUNK ? room * 2 : room;
    }
    capsule_value *taken = unused;
    unused += count;
    return taken;
}

capsule_value *json_new(unsigned kind) {
    capsule_value *made = take(1);
    *made = (capsule_value){.tag = kind | (kind == JSON_ARRAY ? JSON_FLAT : 0)};
    return made;
}

/* ---- Placing ---- */

static capsule_value *own(capsule_value *box, capsule_value *value) {
    if (value == NULL) {
        return json_new(JSON_NULL);
    }
    /* A value can be in one place only. In itself it would never end. */
    return value->tag & JSON_PLACED || value == box ? capsule_of_json(value) : value;
}

static void place(capsule_value *box, capsule_value *value) {
    value->tag |= JSON_PLACED;
    if (box->last == 0) {
        value->next = 0;
    } else {
        capsule_value *last = json_last(box);
        value->next = json_distance(value, json_next(last));
        last->next = json_distance(last, value);
        if (value != last + 1) {
            box->tag &= ~(unsigned)JSON_FLAT;
        }
    }
    box->last = json_distance(box, value);
}

capsule_value *capsule_append_value(capsule_value *array, capsule_value *value) {
    if (json_kind(array) == JSON_ARRAY) {
        place(array, own(array, value));
        array->count++;
    }
    return array;
}

void capsule_add_value(capsule_value *object, capsule_value *key, capsule_value *value) {
    if (json_kind(object) == JSON_OBJECT && json_kind(key) == JSON_TEXT) {
        value = own(object, value);
        place(object, own(object, key));
        place(object, value);
        object->count++;
    }
}

static bool same_text(const capsule_value *a, const capsule_value *b) {
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

/* Like an assignment: takes the place of the first value under this key, and removes others. */
static void put(capsule_value *object, capsule_value *key, capsule_value *value) {
    if (json_kind(object) != JSON_OBJECT || json_kind(key) != JSON_TEXT) {
        return;
    }
    bool replaced = false;
    capsule_value *before = object->count == 0 ? NULL : json_last(object);
    for (uint32_t left = object->count; left > 0; left--) {
        capsule_value *here = json_next(before), *old = json_next(here), *behind = json_next(old);
        if (!same_text(here, key)) {
            before = old;
            continue;
        }
        capsule_value *last = json_last(object);
        if (!replaced) {
            replaced = true;
            value = own(object, value);
            value->tag |= JSON_PLACED;
            /* In an object of one pair, what follows the value is its own key. */
            value->next = json_distance(value, behind);
            here->next = json_distance(here, value);
            object->last = json_distance(object, last == old ? value : last);
            before = value;
        } else {
            before->next = json_distance(before, behind);
            object->last = json_distance(object, last == old ? before : last);
            object->count--;
        }
    }
    if (!replaced) {
        capsule_add_value(object, key, value);
    }
}

capsule_value *capsule_put_value(capsule_value *object, const char *key, capsule_value *value) {
    put(object, capsule_of_string(key), value);
    return object;
}

capsule_value *capsule_array_of(size_t count, capsule_value *const *values) {
    capsule_value *array = json_new(JSON_ARRAY);
    for (size_t i = 0; i < count; i++) {
        capsule_append_value(array, values[i]);
    }
    return array;
}

capsule_value *capsule_object_of(size_t count, capsule_value *const *values) {
    capsule_value *object = json_new(JSON_OBJECT);
    for (size_t i = 0; i + 1 < count; i += 2) {
        put(object, values[i], values[i + 1]);
    }
    return object;
}

/* ---- Making ---- */

capsule_value *capsule_of_long(int64_t value) {
    capsule_value *made = json_new(value < 0 ? JSON_NEGATIVE : JSON_UNSIGNED);
    made->negative = value;
    return made;
}

capsule_value *capsule_of_unsigned(uint64_t value) {
    capsule_value *made = json_new(JSON_UNSIGNED);
    made->number = value;
    return made;
}

capsule_value *capsule_of_double(double value) {
    capsule_value *made = json_new(JSON_REAL);
    made->real = value;
    return made;
}

capsule_value *capsule_of_bool(bool value) {
    return json_new(value ? JSON_TRUE : JSON_FALSE);
}

capsule_value *capsule_of_null(const void *value) {
    return json_new(JSON_NULL);
}

capsule_value *capsule_of_value(capsule_value *value) {
    return value == NULL ? json_new(JSON_NULL) : value;
}

static capsule_value *text_of(const char *text, size_t size) {
    capsule_value *made = json_new(JSON_TEXT);
    made->text = text;
    made->size = size;
    return made;
}

capsule_value *capsule_of_string(const char *value) {
    return value == NULL ? json_new(JSON_NULL) : text_of(value, strlen(value));
}

capsule_value *capsule_of_bytes(const char *text, size_t size) {
    char *copy = malloc(size + 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    return text_of(copy, size);
}

/* ---- Copying ---- */

/* An array or object, and its copy, which has no items yet. */
typedef struct {
    const capsule_value *box;
    capsule_value *copy;
} copying;

/* Without recursion, as reading: a value may nest as deeply as memory lets it. Texts are shared. */
capsule_value *capsule_of_json(const capsule_value *value) {
    capsule_value *made = json_new(JSON_NULL);
    if (value == NULL) {
        return made;
    }
    *made = *value;
    made->tag &= ~(unsigned)JSON_PLACED;
    size_t waiting = 0, room = FEWEST_OPEN;
    copying *open = NULL;
    for (copying now = {value, made}; json_holds(value); now = open[--waiting]) {
        uint32_t count = now.box->count * (json_kind(now.box) == JSON_OBJECT ? 2 : 1);
        if (count > 0) {
            const capsule_value *item = json_next(json_last(now.box));
            capsule_value *copies = take(count);
            for (uint32_t i = 0; i < count; i++, item = json_next(item)) {
                copies[i] = *item;
                copies[i].next = (int32_t)sizeof *copies;
                if (json_holds(item)) {
                    if (waiting == room || open == NULL) {
                        room *= 2;
                        open = realloc(open, room * sizeof *open);
                    }
                    open[waiting++] = (copying){item, &copies[i]};
                }
            }
            copies[count - 1].next = json_distance(&copies[count - 1], copies);
            now.copy->last = json_distance(now.copy, &copies[count - 1]);
            now.copy->tag |= json_kind(now.box) == JSON_ARRAY ? JSON_FLAT : 0;
        }
        if (waiting == 0) {
            break;
        }
    }
    free(open);
    return made;
}
