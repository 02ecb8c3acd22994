#include <capsule.h>
#include <stdlib.h>
#include <string.h>

CAPSULE_TASK(main, "ram=64MB", "timeout=30s") {
    size_t total = 0;
    for (;;) {
        char *volatile piece = malloc(1 << 20);
        memset(piece, 1, 1 << 20);
        total += piece[12345];
    }
    return capsule_return(total);
}
