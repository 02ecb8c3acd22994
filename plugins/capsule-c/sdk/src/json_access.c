/* What a program asks a value. Each takes NULL too, so that a path through a document needs one check at its end. */
#include <string.h>

#include "json.h"

bool capsule_is_null(const capsule_value *value) { return json_kind(value) == JSON_NULL; }
bool capsule_is_string(const capsule_value *value) { return json_kind(value) == JSON_TEXT; }
bool capsule_is_array(const capsule_value *value) { return json_kind(value) == JSON_ARRAY; }
bool capsule_is_object(const capsule_value *value) { return json_kind(value) == JSON_OBJECT; }

bool capsule_is_bool(const capsule_value *value) {
    return json_kind(value) == JSON_FALSE || json_kind(value) == JSON_TRUE;
}

bool capsule_is_integer(const capsule_value *value) {
    return json_kind(value) == JSON_UNSIGNED || json_kind(value) == JSON_NEGATIVE;
}

bool capsule_is_number(const capsule_value *value) {
    return capsule_is_integer(value) || json_kind(value) == JSON_REAL;
}

const char *capsule_type(const capsule_value *value) {
    static const char *const names[] = {
        [JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true", [JSON_UNSIGNED] = "uint",
        [JSON_NEGATIVE] = "sint", [JSON_REAL] = "real", [JSON_TEXT] = "string", [JSON_ARRAY] = "array",
        [JSON_OBJECT] = "object",
    };
    return value == NULL ? "nothing" : names[json_kind(value)];
}

bool capsule_as_bool(const capsule_value *value) {
    return json_kind(value) == JSON_TRUE;
}

int64_t capsule_as_long(const capsule_value *value) {
    return capsule_is_integer(value) ? value->negative : 0;
}

uint64_t capsule_as_unsigned(const capsule_value *value) {
    return capsule_is_integer(value) ? value->number : 0;
}

double capsule_as_double(const capsule_value *value) {
    switch (json_kind(value)) {
    case JSON_UNSIGNED:
        return (double)value->number;
    case JSON_NEGATIVE:
        return (double)value->negative;
    case JSON_REAL:
        return value->real;
    default:
        return 0;
    }
}

const char *capsule_as_string(const capsule_value *value) {
    return capsule_is_string(value) ? value->text : NULL;
}

size_t capsule_size(const capsule_value *value) {
    return capsule_is_string(value) ? value->size : json_holds(value) ? value->count : 0;
}

capsule_value *capsule_first(const capsule_value *box) {
    return json_holds(box) && box->count > 0 ? json_next(json_last(box)) : NULL;
}

capsule_value *capsule_next(const capsule_value *box, const capsule_value *item) {
    const capsule_value *end = capsule_is_object(box) ? json_next(item) : item;
    return end == json_last(box) ? NULL : json_next(end);
}

capsule_value *capsule_behind(const capsule_value *key) {
    return key == NULL ? NULL : json_next(key);
}

capsule_value *capsule_at(const capsule_value *array, size_t index) {
    if (!capsule_is_array(array) || index >= array->count) {
        return NULL;
    }
    capsule_value *item = json_next(json_last(array));
    if (array->tag & JSON_FLAT) {
        return item + index;
    }
    while (index-- > 0) {
        item = json_next(item);
    }
    return item;
}

capsule_value *capsule_get(const capsule_value *object, const char *key) {
    if (!capsule_is_object(object) || key == NULL || object->count == 0) {
        return NULL;
    }
    size_t size = strlen(key);
    capsule_value *here = json_next(json_last(object));
    for (uint32_t left = object->count; left > 0; left--) {
        if (here->size == size && memcmp(here->text, key, size) == 0) {
            return json_next(here);
        }
        here = json_next(json_next(here));
    }
    return NULL;
}
