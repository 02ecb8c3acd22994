#include <capsule.h>

CAPSULE_TASK(main) {
    return capsule_return(capsule_object("args", capsule_args(), "kwargs", capsule_kwargs()));
}
