/* What the tests of the JSON reader and writer call, in a module of its own. */
#include <stdlib.h>

#include "json.h"

#define EXPORT(NAME) __attribute__((export_name(#NAME)))

static size_t written;
static const char *reason;

EXPORT(allocate) void *allocate(size_t size) { return malloc(size); }
EXPORT(parse) capsule_value *parse(const char *text, size_t size) { return json_read(text, size); }
EXPORT(text_of) capsule_value *text_of(const char *text, size_t size) { return capsule_of_bytes(text, size); }
EXPORT(real_of) capsule_value *real_of(double number) { return capsule_of_double(number); }
EXPORT(copy) capsule_value *copy(const capsule_value *value) { return capsule_of_json(value); }
EXPORT(print) char *print(const capsule_value *value) { return json_write(value, &written, &reason); }
EXPORT(size) size_t size(void) { return written; }
