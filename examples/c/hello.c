// The smallest task.
//
// $ capsule run hello.c Ada
#include <capsule.h>
#include <stdio.h>

CAPSULE_TASK(main, "compute=LOW", "allowed_hosts=") {
    char *text;
    asprintf(&text, "Hello from C, %s!", capsule_arg_count() > 0 ? capsule_arg_string(0) : "world");
    return capsule_return(text);
}
