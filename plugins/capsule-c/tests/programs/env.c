#include <capsule.h>
#include <stdlib.h>

CAPSULE_TASK(main, "env_variables=GREETING") {
    return capsule_return(capsule_object("granted", getenv("GREETING"), "other", getenv("SECRET")));
}
