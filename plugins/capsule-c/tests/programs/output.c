#include <capsule.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

CAPSULE_TASK(main) {
    for (int i = 0; i < 20000; i++) {
        printf("line %d\n", i);
    }
    fprintf(stderr, "to stderr\n");
    printf("without an end");
    return capsule_return_null();
}

CAPSULE_TASK(clocks) {
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    clock_gettime(CLOCK_MONOTONIC, &after);
    long slept = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    unsigned char random[64] = {0};
    getentropy(random, sizeof random);
    int different = 0;
    for (int i = 1; i < 64; i++) {
        different += random[i] != random[0];
    }
    char line[10];
    return capsule_return(capsule_object("slept", (bool)(slept >= 49), "now", (int64_t)time(NULL), "random", (bool)(different > 20),
        "stdin", (bool)(fgets(line, 10, stdin) == NULL)));
}

CAPSULE_TASK(hangs, "compute=HIGH", "timeout=1s") {
    printf("before it hangs\n");
    for (volatile int n = 0;; n++) {
    }
}
