/* What files need of the standard streams, which are files to the C library too. */
#ifndef CAPSULE_STREAMS_H
#define CAPSULE_STREAMS_H

#include <stddef.h>
#include <stdint.h>
#include <wasi/api.h>

/* Writes all of it to a stream of the host's. */
__wasi_errno_t stream_send(int32_t stream, const char *data, size_t size);
/* Prints to stdout (1) or stderr (2); when all parts of a write are there, it may go out. */
void stream_print(int descriptor, const char *data, size_t size);
void stream_printed(int descriptor);
/* Reads from stdin; 0 bytes at its end. */
__wasi_errno_t stream_receive(void *data, size_t size, size_t *received);

uint64_t wall_nanoseconds(void);

#endif
