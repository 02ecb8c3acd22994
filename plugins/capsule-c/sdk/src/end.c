/*
 * How a program ends itself: exit, abort and assert.
 *
 * This is linked before everything else: the library's own abort would be taken as soon as something
 * asks for one.
 */
#include "host.h"

#define ABORTED 134 /* as a shell tells of SIGABRT */

IMPORT("wasi:cli/exit@0.2.12", "exit-with-code") void exit_with_code(int32_t code);

_Noreturn void __imported_wasi_snapshot_preview1_proc_exit(int32_t code) {
    host_flush();
    exit_with_code(code & 255);
    __builtin_trap();
}

/* What assert ends with, its message written to stderr before. */
_Noreturn void abort(void) {
    __imported_wasi_snapshot_preview1_proc_exit(ABORTED);
}
