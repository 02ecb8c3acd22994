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
 * JSON values are those of yyjson, whose whole interface is there. Text is UTF-8, ended by a NUL.
 */
#ifndef CAPSULE_H
#define CAPSULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

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

/* What a task ends with: make it with one of the functions below, and return it. */
typedef struct capsule_outcome {
    yyjson_mut_val *result;
    const char *message; /* NULL when there is a result */
    const char *error_type;
    const char *file;
    const char *function;
    int line;
} capsule_outcome;

/* ---- Arguments ---------------------------------------------------------------------------- */

/* The positional arguments, an array, and the named ones, an object. */
yyjson_val *capsule_args(void);
yyjson_val *capsule_kwargs(void);

/* How many positional arguments the call has. */
size_t capsule_arg_count(void);

/* The positional argument INDEX, from 0; NULL when the call has no such argument. */
yyjson_val *capsule_arg(size_t index);

/* The argument that was given by NAME; NULL when there is none. */
yyjson_val *capsule_named(const char *name);

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

/* The document that holds the values below, for yyjson's own functions (yyjson_mut_obj_add_int...). */
yyjson_mut_doc *capsule_document(void);

/*
 * capsule_of(x) is x as a JSON value: from numbers, booleans, text, NULL, and JSON values themselves.
 * capsule_array(1, "two", x) and capsule_object("name", "Ada", "age", 36) are made of such values.
 * A key or a text is not copied: it has to stay as it is until the task has returned.
 */
yyjson_mut_val *capsule_of_long(int64_t value);
yyjson_mut_val *capsule_of_unsigned(uint64_t value);
yyjson_mut_val *capsule_of_double(double value);
yyjson_mut_val *capsule_of_bool(bool value);
yyjson_mut_val *capsule_of_string(const char *value);
yyjson_mut_val *capsule_of_json(const yyjson_val *value);
yyjson_mut_val *capsule_of_value(yyjson_mut_val *value);
yyjson_mut_val *capsule_of_null(const void *value);

#define capsule_array(...) \
    capsule_array_of(CAPSULE_COUNT(__VA_ARGS__), (yyjson_mut_val *[]){CAPSULE_EACH(__VA_ARGS__) NULL})
#define capsule_object(...) \
    capsule_object_of(CAPSULE_COUNT(__VA_ARGS__), (yyjson_mut_val *[]){CAPSULE_EACH(__VA_ARGS__) NULL})

/* Adds to an array, or to an object; both return it. */
#define capsule_append(ARRAY, X) capsule_append_value((ARRAY), capsule_of(X))
#define capsule_put(OBJECT, KEY, X) capsule_put_value((OBJECT), (KEY), capsule_of(X))
yyjson_mut_val *capsule_append_value(yyjson_mut_val *array, yyjson_mut_val *value);
yyjson_mut_val *capsule_put_value(yyjson_mut_val *object, const char *key, yyjson_mut_val *value);

/* JSON text as a value, and a value as JSON text. NULL for what isn't JSON. */
yyjson_val *capsule_parse(const char *text);
const char *capsule_text(yyjson_mut_val *value);

/* ---- Ending a task ------------------------------------------------------------------------ */

/* The task's result, from anything that capsule_of takes. */
#define capsule_return(X) capsule_return_value(capsule_of(X))
capsule_outcome capsule_return_value(yyjson_mut_val *value);
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
    yyjson_val *result;
    const char *error_type;
    const char *message;
    yyjson_val *envelope; /* all of it; NULL when the task was refused */
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
capsule_started capsule_start_values(const char *task, yyjson_mut_val *arguments);
capsule_reply capsule_wait(capsule_started task);

/*
 * Runs a task once for each value of an array, side by side: its one argument. Returns as many
 * replies, in the same order.
 */
capsule_reply *capsule_map(const char *task, yyjson_mut_val *items);

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
    yyjson_val *headers; /* [[name, value], ...] */
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

yyjson_mut_val *capsule_array_of(size_t count, yyjson_mut_val *const *values);
yyjson_mut_val *capsule_object_of(size_t count, yyjson_mut_val *const *values);

#ifdef __cplusplus
} /* extern "C" */

static inline yyjson_mut_val *capsule_of(bool x) { return capsule_of_bool(x); }
static inline yyjson_mut_val *capsule_of(int x) { return capsule_of_long(x); }
static inline yyjson_mut_val *capsule_of(long x) { return capsule_of_long(x); }
static inline yyjson_mut_val *capsule_of(long long x) { return capsule_of_long(x); }
static inline yyjson_mut_val *capsule_of(unsigned x) { return capsule_of_unsigned(x); }
static inline yyjson_mut_val *capsule_of(unsigned long x) { return capsule_of_unsigned(x); }
static inline yyjson_mut_val *capsule_of(unsigned long long x) { return capsule_of_unsigned(x); }
static inline yyjson_mut_val *capsule_of(double x) { return capsule_of_double(x); }
static inline yyjson_mut_val *capsule_of(const char *x) { return capsule_of_string(x); }
static inline yyjson_mut_val *capsule_of(const yyjson_val *x) { return capsule_of_json(x); }
static inline yyjson_mut_val *capsule_of(yyjson_mut_val *x) { return capsule_of_value(x); }
static inline yyjson_mut_val *capsule_of(decltype(nullptr)) { return capsule_of_null(nullptr); }
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
        yyjson_val *: capsule_of_json,         \
        const yyjson_val *: capsule_of_json,   \
        yyjson_mut_val *: capsule_of_value,    \
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

#endif
