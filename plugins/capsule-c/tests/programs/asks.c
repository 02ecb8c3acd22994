#include <capsule.h>
#include <stdlib.h>

/* A program that wants to hear of it asks aligned_alloc, which returns NULL. */
CAPSULE_TASK(main, "ram=32MB") {
    void *volatile piece = aligned_alloc(16, 1 << 30);
    return capsule_return((bool)(piece == NULL));
}
