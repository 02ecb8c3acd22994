/* Lists that the host hands over: where the next one goes. */
#ifndef CAPSULE_LANDING_H
#define CAPSULE_LANDING_H

#include <stddef.h>

/* Where the next list from the host goes, if it fits: saves a copy. NULL after use. */
void host_land(void *place, size_t size);

#endif
