#include <capsule.h>
#include <stdlib.h>
#include <string.h>

CAPSULE_TASK(main, "ram=32MB", "timeout=20s") {
    size_t total = 0;
    for (;;) {
        char *volatile piece = malloc(1 << 20);
        memset(piece, 1, 1 << 20);
        total += piece[12345];
    }
    return capsule_return(total);
}

/* A program that wants to hear of it asks aligned_alloc, which returns NULL. */
CAPSULE_TASK(asks, "ram=32MB") {
    void *volatile piece = aligned_alloc(16, 1 << 30);
    return capsule_return((bool)(piece == NULL));
}
