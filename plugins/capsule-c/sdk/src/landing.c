/* The host's way to memory. It is below everything that calls the host, and calls nothing of the host's itself. */
#define _GNU_SOURCE /* reallocarray */
#include "landing.h"

#include <stdint.h>
#include <stdlib.h>

#define ALIGNMENT 16

static void *landing;
static size_t landing_size;

void host_land(void *place, size_t size) {
    landing = place;
    landing_size = size;
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
