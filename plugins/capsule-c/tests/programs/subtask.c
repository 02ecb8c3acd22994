#include <capsule.h>

CAPSULE_TASK(main) {
    capsule_reply sum = capsule_call("add", 19, 23);
    capsule_reply failed = capsule_call("fails");
    capsule_reply refused = capsule_call("nowhere", 1);
    return capsule_return(capsule_object("sum", sum.result, "failed", failed.error_type, "message", failed.message,
        "refused", refused.success ? "no" : refused.message));
}

CAPSULE_TASK(add, "compute=LOW") {
    return capsule_return(capsule_arg_long(0) + capsule_arg_long(1));
}

CAPSULE_TASK(fails) {
    return capsule_error("as it should");
}
