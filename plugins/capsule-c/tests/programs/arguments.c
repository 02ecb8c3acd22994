#include <capsule.h>

/* Gives back what it was called with. */
CAPSULE_TASK(main) {
    yyjson_mut_val *args = capsule_array();
    for (size_t i = 0; i < capsule_arg_count(); i++) {
        capsule_append(args, capsule_arg(i));
    }
    return capsule_return(capsule_object("args", args, "name", capsule_named("name")));
}

CAPSULE_TASK(typed) {
    int64_t count = capsule_arg_long(0);
    double price = capsule_arg_double(1);
    const char *what = capsule_arg_string(2);
    bool paid = capsule_arg_bool(3);
    return capsule_return(capsule_object("count", count, "total", count * price, "what", what, "paid", paid));
}
