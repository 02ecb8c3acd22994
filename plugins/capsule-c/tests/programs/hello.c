#include <capsule.h>

CAPSULE_TASK(main, "compute=LOW", "timeout=5s") {
    return capsule_return("hello");
}
