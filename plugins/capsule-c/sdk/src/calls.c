/* Other tasks of the program: started, waited for. */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "json.h"
#include "program.h"

static const char *const REFUSALS[] = {"invalid_call", "invalid_call", "limit_exceeded", "limit_exceeded", "task_error"};

capsule_started capsule_start_values(const char *task, capsule_value *given) {
    capsule_value *call = capsule_object("args", given, "kwargs", capsule_object());
    size_t size;
    const char *reason = "";
    char *text = json_write(call, &size, &reason);
    if (text == NULL) {
        return (capsule_started){.refused = reason, .error_type = "invalid_call"};
    }
    host_flush();
    host_result result;
    host_task_start(task, strlen(task), text, size, &result);
    free(text);
    if (result.bytes[0] == 0) {
        return (capsule_started){.handle = FIELD(result, uint64_t, 8)};
    }
    uint8_t refusal = result.bytes[8];
    return (capsule_started){
        .refused = program_copy(FIELD(result, char *, 12), FIELD(result, uint32_t, 16)),
        .error_type = refusal < sizeof REFUSALS / sizeof *REFUSALS ? REFUSALS[refusal] : "task_error",
    };
}

capsule_reply capsule_wait(capsule_started task) {
    if (task.refused != NULL) {
        return (capsule_reply){.error_type = task.error_type, .message = task.refused};
    }
    host_flush();
    host_result result;
    host_task_outcome(task.handle, &result);
    if (result.bytes[0] == 0) {
        return (capsule_reply){.error_type = "task_error", .message = "the task was waited for already"};
    }
    capsule_value *envelope = program_read(FIELD(result, char *, 4), FIELD(result, uint32_t, 8));
    capsule_value *error = capsule_get(envelope, "error");
    bool success = capsule_as_bool(capsule_get(envelope, "success"));
    return (capsule_reply){
        .success = success,
        .result = success ? capsule_get(envelope, "result") : NULL,
        .error_type = capsule_as_string(capsule_get(error, "error_type")),
        .message = capsule_as_string(capsule_get(error, "message")),
        .envelope = envelope,
    };
}

capsule_reply *capsule_map(const char *task, capsule_value *items) {
    size_t count = capsule_is_array(items) ? capsule_size(items) : 0;
    capsule_started *started = calloc(count + 1, sizeof *started);
    capsule_reply *replies = calloc(count + 1, sizeof *replies);
    capsule_value *item = count == 0 ? NULL : capsule_first(items);
    for (size_t index = 0; index < count; index++, item = capsule_next(items, item)) {
        /* The item is in a place, so that the call gets a copy. */
        started[index] = capsule_start_values(task, capsule_array_of(1, &item));
    }
    for (size_t index = 0; index < count; index++) {
        replies[index] = capsule_wait(started[index]);
    }
    free(started);
    return replies;
}
