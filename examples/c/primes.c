// Counts primes: one sub-task for each part of the range, side by side.
//
// $ capsule run primes.c 10000000 8
#include <capsule.h>
#include <stdlib.h>
#include <string.h>

CAPSULE_TASK(count, "compute=HIGH", "allowed_hosts=") {
    capsule_value *range = capsule_arg(0);
    int64_t from = capsule_as_long(capsule_at(range, 0)), to = capsule_as_long(capsule_at(range, 1));
    char *composite = calloc((size_t)(to - from), 1);
    for (int64_t n = 2; n * n < to; n++) {
        int64_t first = (from + n - 1) / n * n;
        for (int64_t multiple = first > n * n ? first : n * n; multiple < to; multiple += n) {
            composite[multiple - from] = 1;
        }
    }
    int64_t primes = 0;
    for (int64_t n = from < 2 ? 2 : from; n < to; n++) {
        primes += !composite[n - from];
    }
    return capsule_return(primes);
}

CAPSULE_TASK(main, "compute=LOW", "allowed_hosts=") {
    int64_t limit = capsule_arg_count() > 0 ? capsule_arg_long(0) : 1000000;
    int64_t parts = capsule_arg_count() > 1 ? capsule_arg_long(1) : 4;
    if (limit < 2 || parts < 1 || parts > 100) {
        return capsule_error("from 2 on, in 1 to 100 parts");
    }
    capsule_value *ranges = capsule_array();
    for (int64_t part = 0; part < parts; part++) {
        capsule_append(ranges, capsule_array(limit * part / parts, limit * (part + 1) / parts));
    }
    capsule_reply *replies = capsule_map("count", ranges);
    int64_t primes = 0;
    for (int64_t part = 0; part < parts; part++) {
        if (!replies[part].success) {
            return capsule_error("part %d: %s", (int)part, replies[part].message);
        }
        primes += capsule_as_long(replies[part].result);
    }
    return capsule_return(capsule_object("limit", limit, "primes", primes));
}
