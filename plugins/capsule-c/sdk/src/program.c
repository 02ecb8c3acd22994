/* The export `run`: from the call to a task of the program, and back. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "program.h"

static yyjson_mut_doc *document;
static yyjson_val *arguments, *named;
static char *complaint; /* the first argument that was not what the task asked for */

yyjson_mut_doc *capsule_document(void) {
    if (document == NULL) {
        document = yyjson_mut_doc_new(NULL);
    }
    return document;
}

/* ---- Text and values ---- */

char *program_copy(const char *text, size_t size) {
    char *copy = malloc(size + 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

yyjson_val *program_read(const char *text, size_t size) {
    yyjson_doc *read = yyjson_read(text, size, YYJSON_READ_NOFLAG);
    if (read == NULL) {
        fputs("the host sent text that is not JSON\n", stderr);
        abort();
    }
    return yyjson_doc_get_root(read);
}

char *program_write(yyjson_mut_val *value, size_t *size, const char **reason) {
    yyjson_write_err error;
    char *text = yyjson_mut_val_write_opts(value, YYJSON_WRITE_NOFLAG, NULL, size, &error);
    if (text == NULL && reason != NULL) {
        *reason = error.msg;
    }
    return text;
}

yyjson_val *capsule_parse(const char *text) {
    yyjson_doc *read = yyjson_read(text, strlen(text), YYJSON_READ_NOFLAG);
    return read == NULL ? NULL : yyjson_doc_get_root(read);
}

const char *capsule_text(yyjson_mut_val *value) {
    return program_write(value, NULL, NULL);
}

yyjson_mut_val *capsule_of_long(int64_t value) { return yyjson_mut_sint(capsule_document(), value); }
yyjson_mut_val *capsule_of_unsigned(uint64_t value) { return yyjson_mut_uint(capsule_document(), value); }
yyjson_mut_val *capsule_of_double(double value) { return yyjson_mut_real(capsule_document(), value); }
yyjson_mut_val *capsule_of_bool(bool value) { return yyjson_mut_bool(capsule_document(), value); }
yyjson_mut_val *capsule_of_null(const void *value) { return yyjson_mut_null(capsule_document()); }

yyjson_mut_val *capsule_of_string(const char *value) {
    return value == NULL ? capsule_of_null(NULL) : yyjson_mut_str(capsule_document(), value);
}

yyjson_mut_val *capsule_of_json(const yyjson_val *value) {
    return value == NULL ? capsule_of_null(NULL) : yyjson_val_mut_copy(capsule_document(), (yyjson_val *)value);
}

/* A value can be in one place only: one that may be somewhere already is copied. */
yyjson_mut_val *capsule_of_value(yyjson_mut_val *value) {
    if (value == NULL) {
        return capsule_of_null(NULL);
    }
    return value->next == NULL ? value : yyjson_mut_val_mut_copy(capsule_document(), value);
}

yyjson_mut_val *capsule_append_value(yyjson_mut_val *array, yyjson_mut_val *value) {
    yyjson_mut_arr_append(array, value);
    return array;
}

yyjson_mut_val *capsule_put_value(yyjson_mut_val *object, const char *key, yyjson_mut_val *value) {
    yyjson_mut_obj_put(object, yyjson_mut_str(capsule_document(), key), value);
    return object;
}

yyjson_mut_val *capsule_array_of(size_t count, yyjson_mut_val *const *values) {
    yyjson_mut_val *array = yyjson_mut_arr(capsule_document());
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_arr_append(array, values[i]);
    }
    return array;
}

yyjson_mut_val *capsule_object_of(size_t count, yyjson_mut_val *const *values) {
    yyjson_mut_val *object = yyjson_mut_obj(capsule_document());
    for (size_t i = 0; i + 1 < count; i += 2) {
        yyjson_mut_obj_put(object, values[i], values[i + 1]);
    }
    return object;
}

/* ---- Arguments ---- */

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...) {
    if (complaint == NULL) {
        va_list values;
        va_start(values, format);
        if (vasprintf(&complaint, format, values) < 0) {
            complaint = NULL;
        }
        va_end(values);
    }
}

yyjson_val *capsule_args(void) { return arguments; }
yyjson_val *capsule_kwargs(void) { return named; }
size_t capsule_arg_count(void) { return yyjson_arr_size(arguments); }
yyjson_val *capsule_arg(size_t index) { return yyjson_arr_get(arguments, index); }
yyjson_val *capsule_named(const char *name) { return yyjson_obj_get(named, name); }

/* An argument, and how to call it: by its name, or by its number from 1. */
typedef struct {
    yyjson_val *value;
    const char *name;
    size_t number;
} argument;

static void wrong(argument given, const char *expected) {
    const char *found = given.value == NULL ? "nothing" : yyjson_get_type_desc(given.value);
    if (given.name != NULL) {
        complain("the argument %s: expected %s, got %s", given.name, expected, found);
    } else {
        complain("argument %zu: expected %s, got %s", given.number, expected, found);
    }
}

static const char *as_string(argument given) {
    if (!yyjson_is_str(given.value)) {
        wrong(given, "a string");
        return "";
    }
    return yyjson_get_str(given.value);
}

static double as_double(argument given) {
    if (yyjson_is_num(given.value)) {
        return yyjson_get_num(given.value);
    }
    const char *text = yyjson_get_str(given.value);
    char *end = NULL;
    double number = text == NULL ? 0 : strtod(text, &end);
    if (text == NULL || *text == '\0' || *end != '\0') {
        wrong(given, "a number");
        return 0;
    }
    return number;
}

static int64_t as_long(argument given) {
    if (yyjson_is_sint(given.value)) {
        return yyjson_get_sint(given.value);
    }
    if (yyjson_is_uint(given.value) && yyjson_get_uint(given.value) <= INT64_MAX) {
        return (int64_t)yyjson_get_uint(given.value);
    }
    yyjson_val *read = yyjson_is_str(given.value) ? capsule_parse(yyjson_get_str(given.value)) : NULL;
    if (yyjson_is_int(read)) {
        given.value = read;
        return as_long(given);
    }
    wrong(given, "an integer of 64 bits");
    return 0;
}

static bool as_bool(argument given) {
    if (yyjson_is_bool(given.value)) {
        return yyjson_get_bool(given.value);
    }
    if (yyjson_equals_str(given.value, "true") || yyjson_equals_str(given.value, "false")) {
        return yyjson_equals_str(given.value, "true");
    }
    wrong(given, "true or false");
    return false;
}

#define AT(INDEX) ((argument){capsule_arg(INDEX), NULL, (INDEX) + 1})
#define NAMED(NAME) ((argument){capsule_named(NAME), NAME, 0})

const char *capsule_arg_string(size_t index) { return as_string(AT(index)); }
double capsule_arg_double(size_t index) { return as_double(AT(index)); }
int64_t capsule_arg_long(size_t index) { return as_long(AT(index)); }
bool capsule_arg_bool(size_t index) { return as_bool(AT(index)); }
const char *capsule_named_string(const char *name) { return as_string(NAMED(name)); }
double capsule_named_double(const char *name) { return as_double(NAMED(name)); }
int64_t capsule_named_long(const char *name) { return as_long(NAMED(name)); }
bool capsule_named_bool(const char *name) { return as_bool(NAMED(name)); }

/* ---- Outcomes ---- */

capsule_outcome capsule_return_value(yyjson_mut_val *value) {
    return (capsule_outcome){.result = value == NULL ? capsule_of_null(NULL) : value};
}

capsule_outcome capsule_return_string(const char *text) { return capsule_return_value(capsule_of_string(text)); }
capsule_outcome capsule_return_double(double number) { return capsule_return_value(capsule_of_double(number)); }
capsule_outcome capsule_return_long(int64_t number) { return capsule_return_value(capsule_of_long(number)); }
capsule_outcome capsule_return_bool(bool truth) { return capsule_return_value(capsule_of_bool(truth)); }
capsule_outcome capsule_return_null(void) { return capsule_return_value(NULL); }

capsule_outcome capsule_return_json(const char *text) {
    yyjson_val *value = capsule_parse(text);
    if (value == NULL) {
        return (capsule_outcome){.message = "capsule_return_json: the text is not JSON", .error_type = "task_error"};
    }
    return capsule_return_value(capsule_of_json(value));
}

capsule_outcome capsule_error_at(const char *file, int line, const char *function, const char *format, ...) {
    char *message;
    va_list values;
    va_start(values, format);
    if (vasprintf(&message, format, values) < 0) {
        message = "the task failed";
    }
    va_end(values);
    return (capsule_outcome){
        .message = message, .error_type = "task_error", .file = file, .line = line, .function = function,
    };
}

/* ---- The call ---- */

static yyjson_mut_val *failure(capsule_outcome outcome) {
    yyjson_mut_doc *in = capsule_document();
    yyjson_mut_val *error = yyjson_mut_obj(in);
    yyjson_mut_obj_add_str(in, error, "error_type", outcome.error_type);
    yyjson_mut_obj_add_str(in, error, "message", outcome.message);
    char *where;
    static const char prefix[] = "capsule_task_";
    if (outcome.file != NULL) {
        const char *function = outcome.function;
        function += strncmp(function, prefix, sizeof prefix - 1) == 0 ? sizeof prefix - 1 : 0;
        if (asprintf(&where, "%s:%d: in %s: %s", outcome.file, outcome.line, function, outcome.message) >= 0) {
            yyjson_mut_obj_add_str(in, error, "traceback", where);
        }
    }
    return error;
}

static capsule_outcome invoke(const char *name) {
    for (const capsule_task *task = capsule_tasks; task->name != NULL; task++) {
        if (strcmp(task->name, name) == 0) {
            capsule_outcome outcome = task->body();
            if (complaint != NULL) {
                return (capsule_outcome){.message = complaint, .error_type = "invalid_call"};
            }
            return outcome;
        }
    }
    return (capsule_outcome){.message = "the program has no such task", .error_type = "invalid_call"};
}

static yyjson_mut_val *answer(const char *key, yyjson_mut_val *value) {
    yyjson_mut_val *object = yyjson_mut_obj(capsule_document());
    yyjson_mut_obj_add(object, yyjson_mut_str(capsule_document(), key), value);
    return object;
}

/* Numbers that JSON doesn't have, or bytes that are no text. */
static char *unwritable(const char *reason, size_t *size) {
    char *message;
    if (asprintf(&message, "the result can't be written as JSON: %s", reason) < 0) {
        abort();
    }
    capsule_outcome outcome = {.message = message, .error_type = "task_error"};
    return program_write(answer("error", failure(outcome)), size, NULL);
}

__attribute__((export_name("run"))) const host_list *run(const char *call, size_t size) {
    static host_list text;
    yyjson_val *parsed = program_read(call, size);
    arguments = yyjson_obj_get(parsed, "args");
    named = yyjson_obj_get(parsed, "kwargs");
    capsule_outcome outcome = invoke(yyjson_get_str(yyjson_obj_get(parsed, "task")));
    const char *reason = "unknown";
    yyjson_mut_val *made = outcome.message != NULL ? answer("error", failure(outcome)) : answer("result", outcome.result);
    text.data = program_write(made, &text.size, &reason);
    if (text.data == NULL) {
        text.data = unwritable(reason, &text.size);
    }
    fflush(NULL);
    host_flush();
    return &text;
}
