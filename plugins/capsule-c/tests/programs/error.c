#include <capsule.h>

CAPSULE_TASK(main, "max_retries=1") {
    return capsule_error("no %s for %d", "soup", 42); // HERE
}
