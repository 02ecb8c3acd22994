/*
 * Memory: the host's way to it, and what happens when there is no more.
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

static void *landing;
static size_t landing_size;

void host_land(void *place, size_t size) {
    landing = place;
    landing_size = size;
}

void *malloc(size_t size) {
    void *made = aligned_alloc(ALIGNMENT, size);
    if (made == NULL) {
        host_out_of_memory(size);
    }
    return made;
}

void *calloc(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        host_out_of_memory(SIZE_MAX);
    }
    return memset(malloc(bytes), 0, bytes);
}

void *realloc(void *old, size_t size) {
    void *made = old == NULL ? malloc(size) : reallocarray(old, 1, size);
    if (made == NULL && size != 0) {
        host_out_of_memory(size);
    }
    return made;
}

_Noreturn void host_out_of_memory(size_t size) {
    char line[64];
    host_flush();
    int length = snprintf(line, sizeof line, "out of memory: %zu bytes were asked for\n", size);
    stream_print(2, line, length);
    host_flush();
    __builtin_trap();
}

/* Called by the host while it hands over a result: nothing of the host's may be called in here. */
__attribute__((export_name("cabi_realloc")))
void *cabi_realloc(void *old, size_t old_size, size_t alignment, size_t size) {
    if (old != NULL) {
        void *grown = reallocarray(old, 1, size);
        if (grown == NULL) {
            __builtin_trap();
        }
        return grown;
    }
    if (size == 0) {
        return (void *)alignment;
    }
    if (landing != NULL && size <= landing_size && (uintptr_t)landing % alignment == 0) {
        void *place = landing;
        landing = NULL;
        return place;
    }
    void *made = aligned_alloc(ALIGNMENT, size);
    if (made == NULL) {
        __builtin_trap();
    }
    return made;
}
