/* Other tasks of the program: started, waited for. */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "program.h"

static const char *const REFUSALS[] = {"invalid_call", "invalid_call", "limit_exceeded", "limit_exceeded", "task_error"};

capsule_started capsule_start_values(const char *task, yyjson_mut_val *given) {
    yyjson_mut_doc *in = capsule_document();
    yyjson_mut_val *call = yyjson_mut_obj(in);
    yyjson_mut_obj_add_val(in, call, "args", given);
    yyjson_mut_obj_add_val(in, call, "kwargs", yyjson_mut_obj(in));
    size_t size;
    const char *reason = "";
    char *text = program_write(call, &size, &reason);
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
    yyjson_val *envelope = program_read(FIELD(result, char *, 4), FIELD(result, uint32_t, 8));
    yyjson_val *error = yyjson_obj_get(envelope, "error");
    bool success = yyjson_get_bool(yyjson_obj_get(envelope, "success"));
    return (capsule_reply){
        .success = success,
        .result = success ? yyjson_obj_get(envelope, "result") : NULL,
        .error_type = yyjson_get_str(yyjson_obj_get(error, "error_type")),
        .message = yyjson_get_str(yyjson_obj_get(error, "message")),
        .envelope = envelope,
    };
}

capsule_reply *capsule_map(const char *task, yyjson_mut_val *items) {
    size_t count = yyjson_mut_arr_size(items);
    capsule_started *started = calloc(count + 1, sizeof *started);
    capsule_reply *replies = calloc(count + 1, sizeof *replies);
    size_t index, size;
    yyjson_mut_val *item;
    yyjson_mut_arr_foreach(items, index, size, item) {
        yyjson_mut_val *own = yyjson_mut_val_mut_copy(capsule_document(), item);
        started[index] = capsule_start_values(task, capsule_array_of(1, &own));
    }
    for (index = 0; index < count; index++) {
        replies[index] = capsule_wait(started[index]);
    }
    free(started);
    return replies;
}
