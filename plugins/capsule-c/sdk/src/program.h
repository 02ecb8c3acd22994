/* What the parts of the runtime share about the program: its call, and its values. */
#ifndef CAPSULE_PROGRAM_H
#define CAPSULE_PROGRAM_H

#include <capsule.h>

/* A task of the program. The frontend generates the table from the source; its last entry is {NULL}. */
typedef struct {
    const char *name;
    capsule_outcome (*body)(void);
} capsule_task;
extern const capsule_task capsule_tasks[];

/* The value of JSON text that came from the host. Ends the sandbox when it is none. */
capsule_value *program_read(const char *text, size_t size);
/* Text with a NUL behind it. */
char *program_copy(const char *text, size_t size);

#endif
