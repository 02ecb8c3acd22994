#include <capsule.h>
#include <string.h>

/* A program of the time when values were yyjson's. */
CAPSULE_TASK(main) {
    yyjson_mut_doc *in = capsule_document();
    yyjson_val *given = capsule_arg(0);
    int64_t sum = 0;
    size_t index, count;
    yyjson_val *item, *key, *value;
    yyjson_arr_foreach(yyjson_obj_get(given, "numbers"), index, count, item) {
        sum += yyjson_get_sint(item);
    }
    yyjson_mut_val *made = yyjson_mut_obj(in);
    yyjson_mut_obj_add_sint(in, made, "sum", sum);
    yyjson_mut_obj_add_strcpy(in, made, "text", yyjson_get_str(yyjson_obj_get(given, "text")));
    yyjson_mut_val *keys = yyjson_mut_obj_add_arr(in, made, "keys");
    yyjson_obj_foreach(given, index, count, key, value) {
        yyjson_mut_arr_add_str(in, keys, yyjson_get_str(key));
        yyjson_mut_arr_add_bool(in, keys, yyjson_is_arr(value));
    }
    yyjson_arr_iter each = yyjson_arr_iter_with(yyjson_obj_get(given, "numbers"));
    yyjson_mut_val *again = yyjson_mut_arr(in);
    while ((item = yyjson_arr_iter_next(&each)) != NULL) {
        yyjson_mut_arr_append(again, yyjson_val_mut_copy(in, item));
    }
    yyjson_mut_obj_add_val(in, made, "again", again);
    yyjson_mut_obj_add_null(in, made, "null");
    yyjson_doc *read = yyjson_read("[1.5, true]", 11, 0);
    size_t size;
    char *text = yyjson_write(read, 0, &size);
    yyjson_mut_obj_add_bool(in, made, "written", size == strlen(text) && strcmp(text, "[1.5,true]") == 0);
    yyjson_mut_obj_add_real(in, made, "real", yyjson_get_real(yyjson_arr_get_first(yyjson_doc_get_root(read))));
    yyjson_doc_free(read);
    yyjson_mut_doc *own = yyjson_mut_doc_new(NULL);
    yyjson_mut_doc_set_root(own, yyjson_mut_str(own, "root"));
    yyjson_mut_obj_add_str(in, made, "document", yyjson_mut_write(own, 0, NULL));
    yyjson_mut_obj_put(made, yyjson_mut_str(in, "sum"), yyjson_mut_uint(in, yyjson_mut_get_uint(yyjson_mut_obj_get(made, "sum")) + 1));
    return capsule_return(made);
}
