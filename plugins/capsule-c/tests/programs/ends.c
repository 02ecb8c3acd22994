#include <assert.h>
#include <capsule.h>
#include <math.h>
#include <stdlib.h>

CAPSULE_TASK(asserts) {
    assert(capsule_arg_count() == 12);
    return capsule_return_null();
}

CAPSULE_TASK(exits) {
    exit((int)capsule_arg_long(0));
}

CAPSULE_TASK(traps) {
    __builtin_trap();
}

static int deep(int n) {
    volatile char room[1024];
    room[n % 1024] = (char)n;
    return n == 0 ? room[0] : deep(n - 1) + room[n % 1024];
}

CAPSULE_TASK(overflows) {
    return capsule_return(deep(1 << 30));
}

CAPSULE_TASK(unwritable) {
    return capsule_return(capsule_arg_count() == 0 ? capsule_of((double)NAN) : capsule_of("\xff\xfe"));
}
