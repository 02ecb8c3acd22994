#include <capsule.h>
#include <string.h>

/* What the guide says of values, one name for each. */
CAPSULE_TASK(main) {
    capsule_value *seen = capsule_object();
    capsule_value *read = capsule_parse("{\"a\": [10, -20, 3.5, \"x\", true, null, {}], \"b\": 1, \"b\": 2}");
    capsule_value *list = capsule_get(read, "a");
    capsule_put(seen, "items", capsule_size(list));
    capsule_put(seen, "at", capsule_array(
        capsule_as_long(capsule_at(list, 1)), capsule_as_unsigned(capsule_at(list, 0)), capsule_as_double(capsule_at(list, 2)),
        capsule_as_double(capsule_at(list, 0)), capsule_as_string(capsule_at(list, 3)), capsule_as_bool(capsule_at(list, 4))));
    capsule_put(seen, "behind the end", capsule_at(list, 7));
    capsule_value *types = capsule_array();
    capsule_each(item, list) {
        capsule_append(types, capsule_type(item));
    }
    capsule_put(seen, "types", types);
    capsule_value *pairs = capsule_array();
    capsule_each_pair(key, value, read) {
        capsule_append(pairs, capsule_array(capsule_as_string(key), capsule_is_array(value)));
    }
    capsule_put(seen, "pairs", pairs);
    capsule_put(seen, "first of two", capsule_get(read, "b"));
    capsule_put(read, "b", 3);
    capsule_put(read, "c", capsule_array());
    capsule_put(seen, "put", read);
    capsule_put(seen, "NULL is nothing", capsule_get(capsule_at(capsule_get(NULL, "a"), 0), "b"));

    /* A value is in the first place where it was put, and copied into others. */
    capsule_value *shared = capsule_array(1);
    capsule_value *twice = capsule_array(shared, shared);
    capsule_append(shared, 2);
    capsule_put(seen, "twice", twice);
    capsule_append(shared, shared);
    capsule_put(seen, "into itself", shared);

    /* Items that don't lie side by side are found as well. */
    capsule_value *last = capsule_of(3), *first = capsule_of(1), *scattered = capsule_array();
    capsule_append(scattered, first);
    capsule_append(scattered, capsule_of(2));
    capsule_append(scattered, last);
    capsule_put(seen, "scattered", capsule_array(
        capsule_at(scattered, 0), capsule_at(scattered, 1), capsule_at(scattered, 2), capsule_at(scattered, 3)));
    capsule_value *grown = capsule_parse("[1, 2]");
    capsule_append(grown, capsule_array());
    capsule_append(grown, 4);
    capsule_put(seen, "grown", capsule_array(capsule_at(grown, 1), capsule_at(grown, 2), capsule_at(grown, 3)));
    return capsule_return(seen);
}

/* Many items: asking for each by its number takes no time that grows with the number. */
CAPSULE_TASK(many, "timeout=10s") {
    capsule_value *list = capsule_array();
    for (int i = 0; i < 300000; i++) {
        capsule_append(list, i);
    }
    capsule_value *read = capsule_parse(capsule_text(list));
    int64_t sum = 0;
    for (size_t i = 0; i < capsule_size(read); i++) {
        sum += capsule_as_long(capsule_at(read, i));
    }
    return capsule_return(sum);
}
