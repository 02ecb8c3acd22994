#include <capsule.h>

CAPSULE_TASK(main, "compute=HIGH", "timeout=1s") {
    for (volatile unsigned long n = 0;; n++) {
    }
}

CAPSULE_TASK(fuel, "compute=1000000") {
    for (volatile unsigned long n = 0;; n++) {
    }
}
