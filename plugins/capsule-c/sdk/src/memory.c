/*
 * A program's memory, and what happens when there is no more. It prints, so it is above the streams; the way on which
 * the host hands over lists is in landing.c, below them.
 *
 * A program that ignores a NULL from malloc would write to address 0, which a sandbox has. An
 * allocation that fails therefore ends the task as out_of_memory. aligned_alloc and reallocarray
 * return NULL, as in any C: they are the library's own, and all that the others use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "streams.h"

#define ALIGNMENT 16

/* Prints a line to stderr and ends the sandbox. */
static _Noreturn void out_of_memory(size_t size) {
    char line[64];
    host_flush();
    int length = snprintf(line, sizeof line, "out of memory: %zu bytes were asked for\n", size);
    stream_print(2, line, length);
    host_flush();
    __builtin_trap();
}

void *malloc(size_t size) {
    void *made = aligned_alloc(ALIGNMENT, size);
    if (made == NULL) {
        out_of_memory(size);
    }
    return made;
}

void *calloc(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        out_of_memory(SIZE_MAX);
    }
    return memset(malloc(bytes), 0, bytes);
}

void *realloc(void *old, size_t size) {
    void *made = old == NULL ? malloc(size) : reallocarray(old, 1, size);
    if (made == NULL && size != 0) {
        out_of_memory(size);
    }
    return made;
}
