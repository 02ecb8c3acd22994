/*
 * Names of yyjson's for capsule's values.
 *
 * Programs were written when <capsule.h> brought the library yyjson. What such programs use of it goes on working:
 * its functions for reading, building, parsing and writing, in terms of what <capsule.h> declares. Nothing
 * in here is yyjson's. Not here: its files, allocators, pointers and patches, flags, and removal. A program that brings
 * yyjson itself gets its own: a folder of the program's is searched before this one.
 */
#ifndef CAPSULE_YYJSON_H
#define CAPSULE_YYJSON_H

#include <capsule.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef capsule_value yyjson_val, yyjson_mut_val;

/* Values belong to no document any more: one is a root, and what takes one ignores it. */
typedef struct capsule_document_root {
    capsule_value *root;
} yyjson_doc, yyjson_mut_doc;

static inline yyjson_mut_doc *capsule_document(void) {
    static yyjson_mut_doc document;
    return &document;
}

/* ---- Reading, the same for values that were parsed and that were made -------------------------- */

#define CAPSULE_READER(TYPE, NAME, AS) \
    static inline TYPE yyjson_##NAME(const yyjson_val *value) { return AS; } \
    static inline TYPE yyjson_mut_##NAME(const yyjson_mut_val *value) { return AS; }

CAPSULE_READER(bool, is_null, capsule_is_null(value))
CAPSULE_READER(bool, is_bool, capsule_is_bool(value))
CAPSULE_READER(bool, is_true, capsule_as_bool(value))
CAPSULE_READER(bool, is_false, capsule_is_bool(value) && !capsule_as_bool(value))
CAPSULE_READER(bool, is_int, capsule_is_integer(value))
CAPSULE_READER(bool, is_uint, capsule_is_integer(value) && capsule_type(value)[0] == 'u')
CAPSULE_READER(bool, is_sint, capsule_is_integer(value) && capsule_type(value)[0] == 's')
CAPSULE_READER(bool, is_real, capsule_is_number(value) && !capsule_is_integer(value))
CAPSULE_READER(bool, is_num, capsule_is_number(value))
CAPSULE_READER(bool, is_str, capsule_is_string(value))
CAPSULE_READER(bool, is_arr, capsule_is_array(value))
CAPSULE_READER(bool, is_obj, capsule_is_object(value))
CAPSULE_READER(bool, is_ctn, capsule_is_array(value) || capsule_is_object(value))
CAPSULE_READER(bool, get_bool, capsule_as_bool(value))
CAPSULE_READER(int, get_int, (int)capsule_as_long(value))
CAPSULE_READER(int64_t, get_sint, capsule_as_long(value))
CAPSULE_READER(uint64_t, get_uint, capsule_as_unsigned(value))
CAPSULE_READER(double, get_num, capsule_as_double(value))
CAPSULE_READER(double, get_real, capsule_is_integer(value) ? 0 : capsule_as_double(value))
CAPSULE_READER(const char *, get_str, capsule_as_string(value))
CAPSULE_READER(size_t, get_len, capsule_size(value))
CAPSULE_READER(const char *, get_type_desc, value == NULL ? "unknown" : capsule_type(value))
CAPSULE_READER(size_t, arr_size, capsule_is_array(value) ? capsule_size(value) : 0)
CAPSULE_READER(size_t, obj_size, capsule_is_object(value) ? capsule_size(value) : 0)

#define CAPSULE_FINDERS(VALUE, PREFIX)                                                           \
    static inline VALUE *PREFIX##arr_get(const VALUE *array, size_t index) {                     \
        return capsule_at(array, index);                                                         \
    }                                                                                            \
    static inline VALUE *PREFIX##arr_get_first(const VALUE *array) {                             \
        return capsule_at(array, 0);                                                             \
    }                                                                                            \
    static inline VALUE *PREFIX##arr_get_last(const VALUE *array) {                              \
        return capsule_at(array, capsule_size(array) - 1);                                       \
    }                                                                                            \
    static inline VALUE *PREFIX##obj_get(const VALUE *object, const char *key) {                 \
        return capsule_get(object, key);                                                         \
    }                                                                                            \
    static inline bool PREFIX##equals_str(const VALUE *value, const char *text) {                \
        return text != NULL && capsule_is_string(value) && capsule_size(value) == strlen(text) && \
               memcmp(capsule_as_string(value), text, capsule_size(value)) == 0;                 \
    }

CAPSULE_FINDERS(yyjson_val, yyjson_)
CAPSULE_FINDERS(yyjson_mut_val, yyjson_mut_)

/* ---- Loops -------------------------------------------------------------------------------------- */

typedef struct capsule_iterator {
    const capsule_value *box;
    capsule_value *next;
    size_t idx, max;
} yyjson_arr_iter, yyjson_obj_iter, yyjson_mut_arr_iter, yyjson_mut_obj_iter;

static inline capsule_value *capsule_iterate(yyjson_arr_iter *iterator) {
    capsule_value *item = iterator->next;
    if (item != NULL) {
        iterator->next = capsule_next(iterator->box, item);
        iterator->idx++;
    }
    return item;
}

#define CAPSULE_ITERATORS(PREFIX, KIND, IS)                                                  \
    static inline bool PREFIX##_iter_init(const capsule_value *box, PREFIX##_iter *iterator) { \
        bool fits = IS(box);                                                                 \
        iterator->box = box;                                                                 \
        iterator->next = fits ? capsule_first(box) : NULL;                                   \
        iterator->idx = 0;                                                                   \
        iterator->max = fits ? capsule_size(box) : 0;                                        \
        return fits;                                                                         \
    }                                                                                        \
    static inline PREFIX##_iter PREFIX##_iter_with(const capsule_value *box) {               \
        PREFIX##_iter iterator;                                                              \
        PREFIX##_iter_init(box, &iterator);                                                  \
        return iterator;                                                                     \
    }                                                                                        \
    static inline bool PREFIX##_iter_has_next(PREFIX##_iter *iterator) {                     \
        return iterator->next != NULL;                                                       \
    }                                                                                        \
    static inline capsule_value *PREFIX##_iter_next(PREFIX##_iter *iterator) {               \
        return capsule_iterate(iterator);                                                    \
    }

CAPSULE_ITERATORS(yyjson_arr, arr, capsule_is_array)
CAPSULE_ITERATORS(yyjson_obj, obj, capsule_is_object)
CAPSULE_ITERATORS(yyjson_mut_arr, arr, capsule_is_array)
CAPSULE_ITERATORS(yyjson_mut_obj, obj, capsule_is_object)

static inline yyjson_val *yyjson_obj_iter_get_val(yyjson_val *key) { return capsule_behind(key); }
static inline yyjson_mut_val *yyjson_mut_obj_iter_get_val(yyjson_mut_val *key) { return capsule_behind(key); }

#define yyjson_arr_foreach(ARRAY, INDEX, COUNT, ITEM)                                          \
    for ((INDEX) = 0, (COUNT) = yyjson_arr_size(ARRAY), (ITEM) = (COUNT) > 0 ? capsule_first(ARRAY) : NULL; \
         (INDEX) < (COUNT); (INDEX)++, (ITEM) = capsule_next((ARRAY), (ITEM)))
#define yyjson_obj_foreach(OBJECT, INDEX, COUNT, KEY, VALUE)                                   \
    for ((INDEX) = 0, (COUNT) = yyjson_obj_size(OBJECT), (KEY) = (COUNT) > 0 ? capsule_first(OBJECT) : NULL, \
        (VALUE) = capsule_behind(KEY);                                                         \
         (INDEX) < (COUNT); (INDEX)++, (KEY) = capsule_next((OBJECT), (KEY)), (VALUE) = capsule_behind(KEY))
#define yyjson_mut_arr_foreach yyjson_arr_foreach
#define yyjson_mut_obj_foreach yyjson_obj_foreach

/* ---- Building ----------------------------------------------------------------------------------- */

static inline yyjson_mut_val *yyjson_mut_arr(yyjson_mut_doc *in) { return in ? capsule_array_of(0, NULL) : NULL; }
static inline yyjson_mut_val *yyjson_mut_obj(yyjson_mut_doc *in) { return in ? capsule_object_of(0, NULL) : NULL; }
static inline bool capsule_added(bool fits, yyjson_mut_val *array, yyjson_mut_val *value) {
    if (fits && value != NULL) {
        capsule_append_value(array, value);
    }
    return fits && value != NULL;
}
static inline bool yyjson_mut_arr_append(yyjson_mut_val *array, yyjson_mut_val *value) {
    return capsule_added(capsule_is_array(array), array, value);
}
static inline bool yyjson_mut_obj_add(yyjson_mut_val *object, yyjson_mut_val *key, yyjson_mut_val *value) {
    bool fits = capsule_is_object(object) && capsule_is_string(key) && value != NULL;
    if (fits) {
        capsule_add_value(object, key, value);
    }
    return fits;
}
static inline bool yyjson_mut_obj_put(yyjson_mut_val *object, yyjson_mut_val *key, yyjson_mut_val *value) {
    bool fits = capsule_is_object(object) && capsule_is_string(key) && value != NULL;
    if (fits) {
        capsule_put_value(object, capsule_as_string(key), value);
    }
    return fits;
}

/* From one kind of C value: a value, one that is appended to an array, and one that is added to an object. */
#define CAPSULE_BUILDERS(NAME, TAKES, MAKES)                                                                 \
    static inline yyjson_mut_val *yyjson_mut_##NAME(yyjson_mut_doc *in, TAKES x) { return in ? MAKES : NULL; } \
    CAPSULE_ADDERS(NAME, TAKES, MAKES)
#define CAPSULE_ADDERS(NAME, TAKES, MAKES)                                                                   \
    static inline bool yyjson_mut_arr_add_##NAME(yyjson_mut_doc *in, yyjson_mut_val *array, TAKES x) {       \
        return in && yyjson_mut_arr_append(array, MAKES);                                                    \
    }                                                                                                        \
    static inline bool yyjson_mut_obj_add_##NAME(yyjson_mut_doc *in, yyjson_mut_val *object, const char *key, TAKES x) { \
        return in && yyjson_mut_obj_add(object, capsule_of_string(key), MAKES);                              \
    }

CAPSULE_BUILDERS(bool, bool, capsule_of_bool(x))
CAPSULE_BUILDERS(uint, uint64_t, capsule_of_unsigned(x))
CAPSULE_BUILDERS(sint, int64_t, capsule_of_long(x))
CAPSULE_BUILDERS(int, int64_t, capsule_of_long(x))
CAPSULE_BUILDERS(real, double, capsule_of_double(x))
CAPSULE_BUILDERS(str, const char *, x ? capsule_of_string(x) : NULL)
CAPSULE_BUILDERS(strcpy, const char *, x ? capsule_of_bytes(x, strlen(x)) : NULL)
CAPSULE_ADDERS(val, yyjson_mut_val *, x)

#define CAPSULE_CONSTANTS(NAME, MAKES)                                                            \
    static inline yyjson_mut_val *yyjson_mut_##NAME(yyjson_mut_doc *in) { return in ? MAKES : NULL; } \
    CAPSULE_CONSTANT_ADDERS(NAME, MAKES)
#define CAPSULE_CONSTANT_ADDERS(NAME, MAKES)                                                      \
    static inline bool yyjson_mut_arr_add_##NAME(yyjson_mut_doc *in, yyjson_mut_val *array) {     \
        return in && yyjson_mut_arr_append(array, MAKES);                                         \
    }                                                                                             \
    static inline bool yyjson_mut_obj_add_##NAME(yyjson_mut_doc *in, yyjson_mut_val *object, const char *key) { \
        return in && yyjson_mut_obj_add(object, capsule_of_string(key), MAKES);                   \
    }

CAPSULE_CONSTANTS(null, capsule_of_null(NULL))
CAPSULE_CONSTANTS(true, capsule_of_bool(true))
CAPSULE_CONSTANTS(false, capsule_of_bool(false))

/* An empty one, which is returned. */
#define CAPSULE_BOXES(KIND)                                                                                 \
    static inline yyjson_mut_val *yyjson_mut_arr_add_##KIND(yyjson_mut_doc *in, yyjson_mut_val *array) {    \
        yyjson_mut_val *made = yyjson_mut_##KIND(in);                                                       \
        return yyjson_mut_arr_append(array, made) ? made : NULL;                                            \
    }                                                                                                       \
    static inline yyjson_mut_val *yyjson_mut_obj_add_##KIND(yyjson_mut_doc *in, yyjson_mut_val *object, const char *key) { \
        yyjson_mut_val *made = yyjson_mut_##KIND(in);                                                       \
        return yyjson_mut_obj_add(object, capsule_of_string(key), made) ? made : NULL;                      \
    }

CAPSULE_BOXES(arr)
CAPSULE_BOXES(obj)

/* Texts of a given size are always copied. */
static inline yyjson_mut_val *yyjson_mut_strncpy(yyjson_mut_doc *in, const char *text, size_t size) {
    return in && text ? capsule_of_bytes(text, size) : NULL;
}
static inline yyjson_mut_val *yyjson_mut_strn(yyjson_mut_doc *in, const char *text, size_t size) {
    return yyjson_mut_strncpy(in, text, size);
}
static inline yyjson_mut_val *yyjson_val_mut_copy(yyjson_mut_doc *in, const yyjson_val *value) {
    return in && value ? capsule_of_json(value) : NULL;
}
static inline yyjson_mut_val *yyjson_mut_val_mut_copy(yyjson_mut_doc *in, const yyjson_mut_val *value) {
    return in && value ? capsule_of_json(value) : NULL;
}

/* ---- Documents, and JSON text: what is written is the caller's to free -------------------------- */

typedef uint32_t yyjson_read_flag, yyjson_write_flag;
#define YYJSON_READ_NOFLAG 0
#define YYJSON_WRITE_NOFLAG 0

static inline yyjson_doc *capsule_rooted(capsule_value *root) {
    capsule_value *holder = root == NULL ? NULL : capsule_of_bytes((const char *)&root, sizeof root);
    return holder == NULL ? NULL : (yyjson_doc *)(void *)capsule_as_string(holder);
}
static inline yyjson_doc *yyjson_read(const char *text, size_t size, yyjson_read_flag flags) {
    return flags == 0 && text != NULL ? capsule_rooted(capsule_parse_bytes(text, size)) : NULL;
}
static inline yyjson_val *yyjson_doc_get_root(const yyjson_doc *document) { return document ? document->root : NULL; }
static inline void yyjson_doc_free(yyjson_doc *document) { (void)document; }
static inline yyjson_mut_doc *yyjson_mut_doc_new(const void *allocator) {
    return allocator ? NULL : capsule_rooted(capsule_of_null(NULL));
}
static inline yyjson_mut_val *yyjson_mut_doc_get_root(const yyjson_mut_doc *document) { return document ? document->root : NULL; }
static inline void yyjson_mut_doc_set_root(yyjson_mut_doc *document, yyjson_mut_val *root) {
    if (document) {
        document->root = root;
    }
}
static inline void yyjson_mut_doc_free(yyjson_mut_doc *document) { (void)document; }

static inline char *yyjson_val_write(const yyjson_val *value, yyjson_write_flag flags, size_t *size) {
    char *text = flags == 0 && value != NULL ? (char *)capsule_text(value) : NULL;
    if (size != NULL) {
        *size = text == NULL ? 0 : strlen(text);
    }
    return text;
}
static inline char *yyjson_mut_val_write(const yyjson_mut_val *value, yyjson_write_flag flags, size_t *size) {
    return yyjson_val_write(value, flags, size);
}
static inline char *yyjson_write(const yyjson_doc *document, yyjson_write_flag flags, size_t *size) {
    return yyjson_val_write(yyjson_doc_get_root(document), flags, size);
}
static inline char *yyjson_mut_write(const yyjson_mut_doc *document, yyjson_write_flag flags, size_t *size) {
    return yyjson_val_write(yyjson_mut_doc_get_root(document), flags, size);
}

#ifdef __cplusplus
}
#endif
#endif
