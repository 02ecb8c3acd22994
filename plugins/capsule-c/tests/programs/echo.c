#include <capsule.h>
#include <string.h>

CAPSULE_TASK(echo, "allowed_hosts=127.0.0.1") {
    capsule_response response =
        capsule_http(.url = capsule_arg_string(0), .method = "POST", .body = "a\0b\xff", .body_size = 4, .timeout = 5);
    return capsule_return(capsule_object("status", response.status, "size", response.body_size,
        "same", response.body_size == 4 && memcmp(response.body, "a\0b\xff", 4) == 0,
        "type", capsule_header(&response, "content-TYPE"), "absent", capsule_header(&response, "nothing")));
}
