/*
 * Tasks in C (and C++) for capsule.
 *
 *     #include <capsule.h>
 *
 *     CAPSULE_TASK(main, "compute=LOW", "timeout=5s") {
 *         return capsule_return("Hello from C");
 *     }
 *
 * A task runs in a sandbox of its own, once: memory need not be freed, it goes with the sandbox.
 * Text is UTF-8, ended by a NUL.
 */
#ifndef CAPSULE_H
#define CAPSULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Declaring tasks ---------------------------------------------------------------------- */

/*
 * Declares the task NAME and begins its body. What follows the name are options, each a string
 * "option=value" under the names of the guide: compute, ram, timeout, max_retries, allowed_files,
 * allowed_hosts, env_variables. The values of a list are separated by commas; an option may be given
 * again to add to its list. "name=other-name" gives a name that is no C identifier.
 * The options are read from the source before anything is compiled: write them as plain literals.
 */
#define CAPSULE_TASK(NAME, ...)                    \
    CAPSULE_C_LINKAGE capsule_outcome capsule_task_##NAME(void); \
    capsule_outcome capsule_task_##NAME(void)

#ifdef __cplusplus
#define CAPSULE_C_LINKAGE extern "C"
#else
#define CAPSULE_C_LINKAGE
#endif

/* A JSON value: a call's argument, a task's result, or a part of one. */
typedef struct capsule_value capsule_value;

/* What a task ends with: make it with one of the functions below, and return it. */
typedef struct capsule_outcome {
    capsule_value *result;
    const char *message; /* NULL when there is a result */
    const char *error_type;
    const char *file;
    const char *function;
    int line;
} capsule_outcome;

/* ---- Arguments ---------------------------------------------------------------------------- */

/* The positional arguments, an array, and the named ones, an object. */
capsule_value *capsule_args(void);
capsule_value *capsule_kwargs(void);

/* How many positional arguments the call has. */
size_t capsule_arg_count(void);

/* The positional argument INDEX, from 0; NULL when the call has no such argument. */
capsule_value *capsule_arg(size_t index);

/* The argument that was given by NAME; NULL when there is none. */
capsule_value *capsule_named(const char *name);

/*
 * The same with a type. Arguments from a command line are text: what reads numbers takes text that
 * is a number, and what reads booleans takes "true" and "false". When the argument is missing or is of another type,
 * they return "", 0 or false, and the task ends as invalid_call, whatever it returns.
 */
const char *capsule_arg_string(size_t index);
double capsule_arg_double(size_t index);
int64_t capsule_arg_long(size_t index);
bool capsule_arg_bool(size_t index);
const char *capsule_named_string(const char *name);
double capsule_named_double(const char *name);
int64_t capsule_named_long(const char *name);
bool capsule_named_bool(const char *name);

/* ---- Values ------------------------------------------------------------------------------- */

/*
 * capsule_of(x) is x as a JSON value: from numbers, booleans, text, NULL, and JSON values themselves.
 * capsule_array(1, "two", x) and capsule_object("name", "Ada", "age", 36) are made of such values.
 * A key or a text is not copied: it has to stay as it is until the task has returned. capsule_of_bytes copies,
 * and capsule_of_json copies a value. A value is in one place: put somewhere once more, it is copied there.
 */
capsule_value *capsule_of_long(int64_t value);
capsule_value *capsule_of_unsigned(uint64_t value);
capsule_value *capsule_of_double(double value);
capsule_value *capsule_of_bool(bool value);
capsule_value *capsule_of_string(const char *value);
capsule_value *capsule_of_bytes(const char *text, size_t size);
capsule_value *capsule_of_json(const capsule_value *value);
capsule_value *capsule_of_value(capsule_value *value);
capsule_value *capsule_of_null(const void *value);

#define capsule_array(...) \
    capsule_array_of(CAPSULE_COUNT(__VA_ARGS__), (capsule_value *[]){CAPSULE_EACH(__VA_ARGS__) NULL})
#define capsule_object(...) \
    capsule_object_of(CAPSULE_COUNT(__VA_ARGS__), (capsule_value *[]){CAPSULE_EACH(__VA_ARGS__) NULL})

/* Adds to an array, or to an object; both return it. */
#define capsule_append(ARRAY, X) capsule_append_value((ARRAY), capsule_of(X))
#define capsule_put(OBJECT, KEY, X) capsule_put_value((OBJECT), (KEY), capsule_of(X))
capsule_value *capsule_append_value(capsule_value *array, capsule_value *value);
capsule_value *capsule_put_value(capsule_value *object, const char *key, capsule_value *value);

/* JSON text as a value, and a value as JSON text. NULL for what isn't JSON. */
capsule_value *capsule_parse(const char *text);
capsule_value *capsule_parse_bytes(const char *text, size_t size);
const char *capsule_text(const capsule_value *value);

/* ---- Looking into values: all of these take NULL too, and answer false, 0 or NULL ----------------- */

bool capsule_is_null(const capsule_value *value);
bool capsule_is_bool(const capsule_value *value);
bool capsule_is_integer(const capsule_value *value); /* of 64 bits, with a sign or without */
bool capsule_is_number(const capsule_value *value);
bool capsule_is_string(const capsule_value *value);
bool capsule_is_array(const capsule_value *value);
bool capsule_is_object(const capsule_value *value);

/* What it is, for messages: "null", "true", "false", "uint", "sint", "real", "string", "array", "object". */
const char *capsule_type(const capsule_value *value);

/* What is in it; 0, false or NULL when it is of another type. */
bool capsule_as_bool(const capsule_value *value);
int64_t capsule_as_long(const capsule_value *value);
uint64_t capsule_as_unsigned(const capsule_value *value);
double capsule_as_double(const capsule_value *value); /* of an integer too */
const char *capsule_as_string(const capsule_value *value);

/* How many items an array has, how many pairs an object, how many bytes a text. */
size_t capsule_size(const capsule_value *value);

/* An item of an array, from 0, and the first value under a key of an object; NULL when there is none. */
capsule_value *capsule_at(const capsule_value *array, size_t index);
capsule_value *capsule_get(const capsule_value *object, const char *key);

/*
 * Loops over an array, and over an object's keys and values, in their order:
 *     capsule_each(item, array) { ... }
 *     capsule_each_pair(key, value, object) { puts(capsule_as_string(key)); }
 */
#define capsule_each(ITEM, ARRAY) \
    for (capsule_value *ITEM = capsule_first(ARRAY); ITEM != NULL; ITEM = capsule_next((ARRAY), ITEM))
#define capsule_each_pair(KEY, VALUE, OBJECT)                                         \
    for (capsule_value *KEY = capsule_first(OBJECT), *VALUE = capsule_behind(KEY); KEY != NULL; \
         KEY = capsule_next((OBJECT), KEY), VALUE = capsule_behind(KEY))
/* The first item or key, the one behind it or NULL, and the value behind a key. */
capsule_value *capsule_first(const capsule_value *box);
capsule_value *capsule_next(const capsule_value *box, const capsule_value *item);
capsule_value *capsule_behind(const capsule_value *key);

/* ---- Ending a task ------------------------------------------------------------------------ */

/* The task's result, from anything that capsule_of takes. */
#define capsule_return(X) capsule_return_value(capsule_of(X))
capsule_outcome capsule_return_value(capsule_value *value);
capsule_outcome capsule_return_string(const char *text);
capsule_outcome capsule_return_double(double number);
capsule_outcome capsule_return_long(int64_t number);
capsule_outcome capsule_return_bool(bool truth);
capsule_outcome capsule_return_null(void);
capsule_outcome capsule_return_json(const char *text); /* text that is JSON already */

/* The task failed: a message as printf makes it. The outcome names this file and line. */
#define capsule_error(...) capsule_error_at(__FILE__, __LINE__, __func__, __VA_ARGS__)
capsule_outcome capsule_error_at(const char *file, int line, const char *function, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- Other tasks -------------------------------------------------------------------------- */

/* What came of a task. `result` is NULL when it failed, `error_type` and `message` when it didn't. */
typedef struct capsule_reply {
    bool success;
    capsule_value *result;
    const char *error_type;
    const char *message;
    capsule_value *envelope; /* all of it; NULL when the task was refused */
} capsule_reply;

/* A task that was started. */
typedef struct capsule_started {
    uint64_t handle;
    const char *refused; /* why it was not started; NULL when it was */
    const char *error_type;
} capsule_started;

/* capsule_call("add", 1, 2) runs a task of this program in a sandbox of its own, and waits for it. */
#define capsule_call(TASK, ...) capsule_wait(capsule_start(TASK __VA_OPT__(, ) __VA_ARGS__))
/* capsule_start("add", 1, 2) doesn't wait; every task that was started is to be waited for once. */
#define capsule_start(TASK, ...) capsule_start_values((TASK), capsule_array(__VA_ARGS__))
capsule_started capsule_start_values(const char *task, capsule_value *arguments);
capsule_reply capsule_wait(capsule_started task);

/*
 * Runs a task once for each value of an array, side by side: its one argument. Returns as many
 * replies, in the same order.
 */
capsule_reply *capsule_map(const char *task, capsule_value *items);

/* ---- HTTP --------------------------------------------------------------------------------- */

/* A request, as capsule_http(.url = "https://...", .method = "POST", .body = "...") makes it. */
typedef struct capsule_request {
    const char *url;
    const char *method;          /* GET, when it is NULL */
    const char *const *headers;  /* name, value, name, value, ..., NULL */
    const void *body;
    size_t body_size;            /* 0: the body is text, up to its NUL */
    double timeout;              /* seconds; 0: none but the task's own */
    bool no_redirects;
} capsule_request;

/* The response; when there is none, `error` says why (denied, network, timeout, ...). */
typedef struct capsule_response {
    int status; /* 0 when there is no response */
    const char *error;
    const char *message;
    const char *url; /* after redirects */
    const char *body; /* with a NUL behind its last byte */
    size_t body_size;
    capsule_value *headers; /* [[name, value], ...] */
} capsule_response;

#ifdef __cplusplus
#define capsule_http(...) capsule_http_send(capsule_request{__VA_ARGS__})
#else
#define capsule_http(...) capsule_http_send((capsule_request){__VA_ARGS__})
#endif
capsule_response capsule_http_send(capsule_request request);

/* The first header of this name, in any case; NULL when there is none. */
const char *capsule_header(const capsule_response *response, const char *name);

/* ---- How the macros above work: not part of the interface ---------------------------------- */

capsule_value *capsule_array_of(size_t count, capsule_value *const *values);
capsule_value *capsule_object_of(size_t count, capsule_value *const *values);
/* Adds a pair to an object that may have the key already. */
void capsule_add_value(capsule_value *object, capsule_value *key, capsule_value *value);

#ifdef __cplusplus
} /* extern "C" */

static inline capsule_value *capsule_of(bool x) { return capsule_of_bool(x); }
static inline capsule_value *capsule_of(int x) { return capsule_of_long(x); }
static inline capsule_value *capsule_of(long x) { return capsule_of_long(x); }
static inline capsule_value *capsule_of(long long x) { return capsule_of_long(x); }
static inline capsule_value *capsule_of(unsigned x) { return capsule_of_unsigned(x); }
static inline capsule_value *capsule_of(unsigned long x) { return capsule_of_unsigned(x); }
static inline capsule_value *capsule_of(unsigned long long x) { return capsule_of_unsigned(x); }
static inline capsule_value *capsule_of(double x) { return capsule_of_double(x); }
static inline capsule_value *capsule_of(const char *x) { return capsule_of_string(x); }
static inline capsule_value *capsule_of(const capsule_value *x) { return capsule_of_json(x); }
static inline capsule_value *capsule_of(capsule_value *x) { return capsule_of_value(x); }
static inline capsule_value *capsule_of(decltype(nullptr)) { return capsule_of_null(nullptr); }
#else
#define capsule_of(X)                          \
    _Generic((X),                              \
        bool: capsule_of_bool,                 \
        char: capsule_of_long,                 \
        signed char: capsule_of_long,          \
        short: capsule_of_long,                \
        int: capsule_of_long,                  \
        long: capsule_of_long,                 \
        long long: capsule_of_long,            \
        unsigned char: capsule_of_unsigned,    \
        unsigned short: capsule_of_unsigned,   \
        unsigned: capsule_of_unsigned,         \
        unsigned long: capsule_of_unsigned,    \
        unsigned long long: capsule_of_unsigned, \
        float: capsule_of_double,              \
        double: capsule_of_double,             \
        char *: capsule_of_string,             \
        const char *: capsule_of_string,       \
        const capsule_value *: capsule_of_json, \
        capsule_value *: capsule_of_value,     \
        nullptr_t: capsule_of_null,            \
        void *: capsule_of_null)(X)
#endif

/* Counts up to 32 arguments, and turns each into a value followed by a comma. */
#define CAPSULE_COUNT(...) CAPSULE_COUNT_(__VA_OPT__(__VA_ARGS__, ) \
    32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, \
    16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define CAPSULE_COUNT_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, \
    a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, n, ...) n
#define CAPSULE_EACH(...) __VA_OPT__(CAPSULE_EXPAND(CAPSULE_EACH_(__VA_ARGS__)))
#define CAPSULE_EACH_(x, ...) capsule_of(x), __VA_OPT__(CAPSULE_AGAIN CAPSULE_PARENS (__VA_ARGS__))
#define CAPSULE_AGAIN() CAPSULE_EACH_
#define CAPSULE_PARENS ()
#define CAPSULE_EXPAND(...) CAPSULE_EXPAND3(CAPSULE_EXPAND3(CAPSULE_EXPAND3(__VA_ARGS__)))
#define CAPSULE_EXPAND3(...) CAPSULE_EXPAND2(CAPSULE_EXPAND2(CAPSULE_EXPAND2(__VA_ARGS__)))
#define CAPSULE_EXPAND2(...) CAPSULE_EXPAND1(CAPSULE_EXPAND1(CAPSULE_EXPAND1(__VA_ARGS__)))
#define CAPSULE_EXPAND1(...) __VA_ARGS__

/* The names that values had before: programs that use them go on working. */
#include <yyjson.h>

#endif
