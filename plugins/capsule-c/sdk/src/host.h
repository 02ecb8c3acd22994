/*
 * What a component's host offers, as the canonical ABI lowers it: imports of the world `task` of
 * capsule:runtime@1.0.0. A result that doesn't fit a register is written where the last parameter points.
 */
#ifndef CAPSULE_HOST_H
#define CAPSULE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMPORT(MODULE, NAME) __attribute__((import_module(MODULE), import_name(NAME)))

/* A list or a string: memory that cabi_realloc handed out. */
typedef struct {
    void *data;
    size_t size;
} host_list;

/* A place with an alignment of 8 for results, and how to read a field of it. */
typedef union {
    uint8_t bytes[112];
    uint64_t aligned;
} host_result;
#define FIELD(RESULT, TYPE, OFFSET) (*(TYPE const *)((RESULT).bytes + (OFFSET)))

/* What was printed and not handed to the host yet. Called before anything that may wait or end. */
void host_flush(void);

IMPORT("capsule:runtime/tasks@1.0.0", "start")
void host_task_start(const char *task, size_t task_size, const char *arguments, size_t size, host_result *to);
IMPORT("capsule:runtime/tasks@1.0.0", "outcome")
void host_task_outcome(uint64_t task, host_result *to);
IMPORT("capsule:runtime/http@1.0.0", "send")
void host_http_send(const char *request, size_t size, host_result *to);
IMPORT("capsule:runtime/clock@1.0.0", "sleep")
void host_sleep(uint64_t nanoseconds);

#endif
