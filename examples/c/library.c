// Several files: sources beside this one, a folder of headers, and a file's content in the program.
//
// capsule: sources = ["lib/*.c"]
// capsule: include = ["lib"]
#include <capsule.h>
#include <slug.h>
#include <string.h>

static const char TITLE[] = {
#embed "data/title.txt"
    , 0
};

CAPSULE_TASK(main, "compute=LOW", "allowed_hosts=") {
    return capsule_return(slug(capsule_arg_count() > 0 ? capsule_arg_string(0) : TITLE));
}
