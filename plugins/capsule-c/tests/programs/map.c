#include <capsule.h>

CAPSULE_TASK(main) {
    capsule_value *numbers = capsule_array();
    for (int i = 0; i < 8; i++) {
        capsule_append(numbers, i);
    }
    capsule_reply *replies = capsule_map("square", numbers);
    capsule_value *squares = capsule_array();
    for (int i = 0; i < 8; i++) {
        if (!replies[i].success) {
            return capsule_error("%s", replies[i].message);
        }
        capsule_append(squares, replies[i].result);
    }
    return capsule_return(squares);
}

CAPSULE_TASK(square) {
    int64_t n = capsule_arg_long(0);
    return capsule_return(n * n);
}
