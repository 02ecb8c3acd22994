#include <capsule.h>

CAPSULE_TASK(main) {
    int64_t count = capsule_arg_long(0);
    double price = capsule_arg_double(1);
    const char *what = capsule_arg_string(2);
    bool paid = capsule_arg_bool(3);
    return capsule_return(capsule_object("count", count, "total", count * price, "what", what, "paid", paid));
}
