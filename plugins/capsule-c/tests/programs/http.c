#include <capsule.h>

static capsule_outcome ask(void) {
    const char *headers[] = {"X-Asked", "from C", NULL};
    capsule_response response = capsule_http(.url = capsule_arg_string(0), .headers = headers);
    if (response.error != NULL) {
        return capsule_error("%s: %s", response.error, response.message);
    }
    return capsule_return(capsule_object("status", response.status, "body", response.body));
}

CAPSULE_TASK(main, "allowed_hosts=127.0.0.1") {
    return ask();
}

CAPSULE_TASK(denied, "allowed_hosts=example.com") {
    return ask();
}
