/*
 * The C library's idea of WASI (preview 1) in terms of the host's (0.2): what a process has anyway.
 * Standard streams, environment, clocks, random numbers. Files are in wasi_files.c.
 *
 * The names are those of the imports that the C library would otherwise make: a definition in the
 * program takes their place, and no adapter is needed.
 */
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#include "host.h"
#include "landing.h"
#include "streams.h"

#define WASI(NAME) __imported_wasi_snapshot_preview1_##NAME
#define LARGEST_WRITE 4096 /* what blocking-write-and-flush takes */
#define LARGEST_RANDOM 65536
#define AT_ONCE_NANOSECONDS 10000000

IMPORT("wasi:cli/stdin@0.2.12", "get-stdin") int32_t get_stdin(void);
IMPORT("wasi:cli/stdout@0.2.12", "get-stdout") int32_t get_stdout(void);
IMPORT("wasi:cli/stderr@0.2.12", "get-stderr") int32_t get_stderr(void);
IMPORT("wasi:io/streams@0.2.12", "[method]output-stream.blocking-write-and-flush")
void stream_write(int32_t stream, const void *data, size_t size, host_result *to);
IMPORT("wasi:io/streams@0.2.12", "[method]input-stream.blocking-read")
void stream_read(int32_t stream, uint64_t size, host_result *to);
IMPORT("wasi:io/error@0.2.12", "[resource-drop]error") void drop_error(int32_t error);
IMPORT("wasi:cli/environment@0.2.12", "get-environment") void get_environment(host_list *to);
IMPORT("wasi:clocks/monotonic-clock@0.2.12", "now") uint64_t monotonic_now(void);
IMPORT("wasi:clocks/wall-clock@0.2.12", "now") void wall_now(host_result *to);
IMPORT("wasi:random/random@0.2.12", "get-random-bytes") void random_bytes(uint64_t size, host_list *to);

/* ---- Output ---- */

/*
 * Each call of the host's costs it far more than it costs us, and what a task printed before it hung is worth
 * the most. So the first write goes out at once, and what follows within 10 ms is gathered.
 */
typedef struct {
    int32_t stream;
    bool open;
    size_t held;
    uint64_t last;
    char buffer[32768];
} output;

static output outputs[2]; /* stdout, stderr */

static void send(output *out, const char *data, size_t size) {
    if (!out->open) {
        out->stream = out == &outputs[0] ? get_stdout() : get_stderr();
        out->open = true;
    }
    stream_send(out->stream, data, size);
}

__wasi_errno_t stream_send(int32_t stream, const char *data, size_t size) {
    while (size > 0) {
        size_t part = size < LARGEST_WRITE ? size : LARGEST_WRITE;
        host_result result;
        stream_write(stream, data, part, &result);
        if (FIELD(result, uint8_t, 0) != 0) {
            if (FIELD(result, uint8_t, 4) == 0) {
                drop_error(FIELD(result, int32_t, 8));
            }
            return __WASI_ERRNO_IO;
        }
        data += part;
        size -= part;
    }
    return 0;
}

static void flush(output *out) {
    size_t size = out->held;
    out->held = 0;
    if (size > 0) {
        send(out, out->buffer, size);
    }
}

void host_flush(void) {
    flush(&outputs[0]);
    flush(&outputs[1]);
}

void stream_print(int descriptor, const char *data, size_t size) {
    output *out = &outputs[descriptor - 1];
    flush(&outputs[2 - descriptor]); /* what was printed first comes first */
    if (out->held + size > sizeof out->buffer) {
        flush(out);
    }
    if (size > sizeof out->buffer) {
        send(out, data, size);
        return;
    }
    memcpy(out->buffer + out->held, data, size);
    out->held += size;
}

void stream_printed(int descriptor) {
    output *out = &outputs[descriptor - 1];
    uint64_t now = monotonic_now();
    /* The clock may have started with the sandbox: the first write is told by itself. */
    if (!out->open || now - out->last >= AT_ONCE_NANOSECONDS) {
        out->last = now;
        flush(out);
    }
}

__wasi_errno_t stream_receive(void *data, size_t size, size_t *received) {
    static int32_t stream = -1;
    if (stream < 0) {
        stream = get_stdin();
    }
    host_result result;
    host_land(data, size);
    stream_read(stream, size, &result);
    host_land(NULL, 0);
    *received = 0;
    if (FIELD(result, uint8_t, 0) != 0) { /* closed, or as good as that */
        return 0;
    }
    *received = FIELD(result, uint32_t, 8);
    if (*received > size) {
        return __WASI_ERRNO_IO;
    }
    if (FIELD(result, void *, 4) != data) {
        memcpy(data, FIELD(result, void *, 4), *received);
    }
    return 0;
}

/* ---- Arguments and environment ---- */

int32_t WASI(args_sizes_get)(int32_t count, int32_t size) {
    *(__wasi_size_t *)count = 0;
    *(__wasi_size_t *)size = 0;
    return 0;
}

int32_t WASI(args_get)(int32_t arguments, int32_t buffer) {
    return 0;
}

typedef struct {
    const char *name;
    size_t name_size;
    const char *value;
    size_t value_size;
} variable;

static host_list environment(void) {
    static host_list list;
    if (list.data == NULL) {
        get_environment(&list);
    }
    return list;
}

int32_t WASI(environ_sizes_get)(int32_t count, int32_t size) {
    host_list list = environment();
    const variable *variables = list.data;
    size_t total = 0;
    for (size_t i = 0; i < list.size; i++) {
        total += variables[i].name_size + variables[i].value_size + 2;
    }
    *(__wasi_size_t *)count = list.size;
    *(__wasi_size_t *)size = total;
    return 0;
}

int32_t WASI(environ_get)(int32_t pointers, int32_t buffer) {
    host_list list = environment();
    const variable *variables = list.data;
    char **pointer = (char **)pointers;
    char *to = (char *)buffer;
    for (size_t i = 0; i < list.size; i++) {
        pointer[i] = to;
        memcpy(to, variables[i].name, variables[i].name_size);
        to += variables[i].name_size;
        *to++ = '=';
        memcpy(to, variables[i].value, variables[i].value_size);
        to += variables[i].value_size;
        *to++ = '\0';
    }
    return 0;
}

/* ---- Clocks and random numbers ---- */

int32_t WASI(clock_res_get)(int32_t clock, int32_t to) {
    *(__wasi_timestamp_t *)to = 1;
    return 0;
}

uint64_t wall_nanoseconds(void) {
    host_result now;
    wall_now(&now);
    return FIELD(now, uint64_t, 0) * 1000000000 + FIELD(now, uint32_t, 8);
}

int32_t WASI(clock_time_get)(int32_t clock, int64_t precision, int32_t to) {
    *(__wasi_timestamp_t *)to = clock == __WASI_CLOCKID_REALTIME ? wall_nanoseconds() : monotonic_now();
    return 0;
}

int32_t WASI(random_get)(int32_t buffer, int32_t size) {
    char *to = (char *)buffer;
    for (size_t left = size; left > 0;) {
        size_t part = left < LARGEST_RANDOM ? left : LARGEST_RANDOM;
        host_list got;
        host_land(to, part);
        random_bytes(part, &got);
        host_land(NULL, 0);
        if (got.data != to) {
            memcpy(to, got.data, part);
        }
        to += part;
        left -= part;
    }
    return 0;
}

int32_t WASI(sched_yield)(void) {
    return 0;
}

/* Waits for the first of some times. Streams are always ready: there is nothing to wait for. */
int32_t WASI(poll_oneoff)(int32_t in, int32_t out, int32_t count, int32_t to) {
    const __wasi_subscription_t *asked = (const __wasi_subscription_t *)in;
    __wasi_event_t *events = (__wasi_event_t *)out;
    bool at_once = false;
    uint64_t shortest = UINT64_MAX;
    if (count <= 0) {
        return __WASI_ERRNO_INVAL;
    }
    for (int32_t i = 0; i < count; i++) {
        if (asked[i].u.tag != __WASI_EVENTTYPE_CLOCK) {
            at_once = true;
            continue;
        }
        const __wasi_subscription_clock_t *clock = &asked[i].u.u.clock;
        uint64_t nanoseconds = clock->timeout;
        if (clock->flags & __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME) {
            uint64_t now = clock->id == __WASI_CLOCKID_REALTIME ? wall_nanoseconds() : monotonic_now();
            nanoseconds = nanoseconds > now ? nanoseconds - now : 0;
        }
        shortest = nanoseconds < shortest ? nanoseconds : shortest;
    }
    if (!at_once) {
        host_flush();
        host_sleep(shortest);
    }
    size_t ended = 0;
    for (int32_t i = 0; i < count; i++) {
        bool clock = asked[i].u.tag == __WASI_EVENTTYPE_CLOCK;
        bool now = clock ? !at_once && (count == 1 || asked[i].u.u.clock.timeout == shortest) : true;
        if (now || (!at_once && ended == 0 && i == count - 1)) {
            events[ended++] = (__wasi_event_t){.userdata = asked[i].userdata, .type = asked[i].u.tag};
        }
    }
    *(__wasi_size_t *)to = ended;
    return 0;
}
