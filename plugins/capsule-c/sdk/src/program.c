/* The export `run`: from the call to a task of the program, and back. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "json.h"
#include "program.h"

static capsule_value *arguments, *named;
static char *complaint; /* the first argument that was not what the task asked for */

/* ---- Text ---- */

char *program_copy(const char *text, size_t size) {
    char *copy = malloc(size + 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

capsule_value *program_read(const char *text, size_t size) {
    capsule_value *read = json_read(text, size);
    if (read == NULL) {
        fputs("the host sent text that is not JSON\n", stderr);
        abort();
    }
    return read;
}

capsule_value *capsule_parse(const char *text) { return json_read(text, strlen(text)); }
capsule_value *capsule_parse_bytes(const char *text, size_t size) { return json_read(text, size); }
const char *capsule_text(const capsule_value *value) { return json_write(value, NULL, NULL); }

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

capsule_value *capsule_args(void) { return arguments; }
capsule_value *capsule_kwargs(void) { return named; }
size_t capsule_arg_count(void) { return capsule_size(arguments); }
capsule_value *capsule_arg(size_t index) { return capsule_at(arguments, index); }
capsule_value *capsule_named(const char *name) { return capsule_get(named, name); }

/* An argument, and how to call it: by its name, or by its number from 1. */
typedef struct {
    capsule_value *value;
    const char *name;
    size_t number;
} argument;

static void wrong(argument given, const char *expected) {
    const char *found = given.value == NULL ? "nothing" : capsule_type(given.value);
    if (given.name != NULL) {
        complain("the argument %s: expected %s, got %s", given.name, expected, found);
    } else {
        complain("argument %zu: expected %s, got %s", given.number, expected, found);
    }
}

static const char *as_string(argument given) {
    if (!capsule_is_string(given.value)) {
        wrong(given, "a string");
        return "";
    }
    return capsule_as_string(given.value);
}

static double as_double(argument given) {
    if (capsule_is_number(given.value)) {
        return capsule_as_double(given.value);
    }
    const char *text = capsule_as_string(given.value);
    char *end = NULL;
    double number = text == NULL ? 0 : strtod(text, &end);
    if (text == NULL || *text == '\0' || *end != '\0') {
        wrong(given, "a number");
        return 0;
    }
    return number;
}

static int64_t as_long(argument given) {
    const char *text = capsule_as_string(given.value);
    const capsule_value *number = text == NULL ? given.value : capsule_parse(text);
    bool large = capsule_as_long(number) < 0 && *capsule_type(number) == 'u';
    if (!capsule_is_integer(number) || large) {
        wrong(given, "an integer of 64 bits");
        return 0;
    }
    return capsule_as_long(number);
}

static bool as_bool(argument given) {
    const char *text = capsule_as_string(given.value);
    if (capsule_is_bool(given.value) || (text != NULL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))) {
        return text == NULL ? capsule_as_bool(given.value) : *text == 't';
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

capsule_outcome capsule_return_value(capsule_value *value) {
    return (capsule_outcome){.result = value == NULL ? capsule_of_null(NULL) : value};
}

capsule_outcome capsule_return_string(const char *text) { return capsule_return_value(capsule_of_string(text)); }
capsule_outcome capsule_return_double(double number) { return capsule_return_value(capsule_of_double(number)); }
capsule_outcome capsule_return_long(int64_t number) { return capsule_return_value(capsule_of_long(number)); }
capsule_outcome capsule_return_bool(bool truth) { return capsule_return_value(capsule_of_bool(truth)); }
capsule_outcome capsule_return_null(void) { return capsule_return_value(NULL); }

capsule_outcome capsule_return_json(const char *text) {
    capsule_value *value = capsule_parse(text);
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

static capsule_value *failure(capsule_outcome outcome) {
    capsule_value *error = capsule_object("error_type", outcome.error_type, "message", outcome.message);
    char *where;
    static const char prefix[] = "capsule_task_";
    if (outcome.file != NULL) {
        const char *function = outcome.function;
        function += strncmp(function, prefix, sizeof prefix - 1) == 0 ? sizeof prefix - 1 : 0;
        if (asprintf(&where, "%s:%d: in %s: %s", outcome.file, outcome.line, function, outcome.message) >= 0) {
            capsule_put(error, "traceback", where);
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

/* Numbers that JSON doesn't have, or bytes that are no text. */
static char *unwritable(const char *reason, size_t *size) {
    char *message;
    if (asprintf(&message, "the result can't be written as JSON: %s", reason) < 0) {
        abort();
    }
    capsule_outcome outcome = {.message = message, .error_type = "task_error"};
    return json_write(capsule_object("error", failure(outcome)), size, NULL);
}

__attribute__((export_name("run"))) const host_list *run(const char *call, size_t size) {
    static host_list text;
    capsule_value *parsed = program_read(call, size);
    arguments = capsule_get(parsed, "args");
    named = capsule_get(parsed, "kwargs");
    capsule_outcome outcome = invoke(capsule_as_string(capsule_get(parsed, "task")));
    const char *reason = "unknown";
    capsule_value *made = outcome.message != NULL ? capsule_object("error", failure(outcome)) : capsule_object("result", outcome.result);
    text.data = json_write(made, &text.size, &reason);
    if (text.data == NULL) {
        text.data = unwritable(reason, &text.size);
    }
    fflush(NULL);
    host_flush();
    return &text;
}
