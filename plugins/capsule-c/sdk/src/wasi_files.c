/*
 * The C library's idea of WASI (preview 1) in terms of the host's (0.2): files and folders.
 * What may be opened is for the host to say; here descriptors are numbers, and offsets are kept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

#include "host.h"
#include "landing.h"
#include "streams.h"

#define WASI(NAME) __imported_wasi_snapshot_preview1_##NAME
#define LARGEST_PART (1 << 20) /* bytes read or written in one call of the host's */
#define MOST_OPEN 1024

#define FILES(NAME) IMPORT("wasi:filesystem/types@0.2.12", NAME)
#define ON_FILE(NAME) FILES("[method]descriptor." NAME)

IMPORT("wasi:filesystem/preopens@0.2.12", "get-directories") void get_directories(host_list *to);
IMPORT("wasi:io/streams@0.2.12", "[resource-drop]output-stream") void drop_output(int32_t stream);
FILES("[resource-drop]descriptor") void drop_descriptor(int32_t file);
FILES("[resource-drop]directory-entry-stream") void drop_entries(int32_t stream);
FILES("[method]directory-entry-stream.read-directory-entry") void next_entry(int32_t stream, host_result *to);
ON_FILE("append-via-stream") void file_append(int32_t file, host_result *to);
ON_FILE("read") void file_read(int32_t file, uint64_t size, uint64_t offset, host_result *to);
ON_FILE("write") void file_write(int32_t file, const void *data, size_t size, uint64_t offset, host_result *to);
ON_FILE("set-size") void file_set_size(int32_t file, uint64_t size, host_result *to);
ON_FILE("sync") void file_sync(int32_t file, host_result *to);
ON_FILE("stat") void file_stat(int32_t file, host_result *to);
ON_FILE("set-times")
void file_set_times(int32_t file, int32_t a, uint64_t a_seconds, uint32_t a_nano, int32_t m, uint64_t m_seconds,
                    uint32_t m_nano, host_result *to);
ON_FILE("read-directory") void read_directory(int32_t file, host_result *to);
ON_FILE("open-at")
void open_at(int32_t folder, int32_t follow, const char *path, size_t size, int32_t how, int32_t flags, host_result *to);
ON_FILE("stat-at") void stat_at(int32_t folder, int32_t follow, const char *path, size_t size, host_result *to);
ON_FILE("set-times-at")
void set_times_at(int32_t folder, int32_t follow, const char *path, size_t size, int32_t a, uint64_t a_seconds,
                  uint32_t a_nano, int32_t m, uint64_t m_seconds, uint32_t m_nano, host_result *to);
ON_FILE("create-directory-at") void create_directory_at(int32_t folder, const char *path, size_t size, host_result *to);
ON_FILE("remove-directory-at") void remove_directory_at(int32_t folder, const char *path, size_t size, host_result *to);
ON_FILE("unlink-file-at") void unlink_file_at(int32_t folder, const char *path, size_t size, host_result *to);
ON_FILE("readlink-at") void readlink_at(int32_t folder, const char *path, size_t size, host_result *to);
ON_FILE("symlink-at")
void symlink_at(int32_t folder, const char *old, size_t old_size, const char *path, size_t size, host_result *to);
ON_FILE("link-at")
void link_at(int32_t folder, int32_t follow, const char *old, size_t old_size, int32_t to_folder, const char *path,
             size_t size, host_result *to);
ON_FILE("rename-at")
void rename_at(int32_t folder, const char *old, size_t old_size, int32_t to_folder, const char *path, size_t size,
               host_result *to);

/* Preview 1's number for each case of error-code, in their order. */
static const uint8_t ERRORS[] = {
    __WASI_ERRNO_ACCES, __WASI_ERRNO_AGAIN, __WASI_ERRNO_ALREADY, __WASI_ERRNO_BADF, __WASI_ERRNO_BUSY,
    __WASI_ERRNO_DEADLK, __WASI_ERRNO_DQUOT, __WASI_ERRNO_EXIST, __WASI_ERRNO_FBIG, __WASI_ERRNO_ILSEQ,
    __WASI_ERRNO_INPROGRESS, __WASI_ERRNO_INTR, __WASI_ERRNO_INVAL, __WASI_ERRNO_IO, __WASI_ERRNO_ISDIR,
    __WASI_ERRNO_LOOP, __WASI_ERRNO_MLINK, __WASI_ERRNO_MSGSIZE, __WASI_ERRNO_NAMETOOLONG, __WASI_ERRNO_NODEV,
    __WASI_ERRNO_NOENT, __WASI_ERRNO_NOLCK, __WASI_ERRNO_NOMEM, __WASI_ERRNO_NOSPC, __WASI_ERRNO_NOTDIR,
    __WASI_ERRNO_NOTEMPTY, __WASI_ERRNO_NOTRECOVERABLE, __WASI_ERRNO_NOTSUP, __WASI_ERRNO_NOTTY,
    __WASI_ERRNO_NXIO, __WASI_ERRNO_OVERFLOW, __WASI_ERRNO_PERM, __WASI_ERRNO_PIPE, __WASI_ERRNO_ROFS,
    __WASI_ERRNO_SPIPE, __WASI_ERRNO_TXTBSY, __WASI_ERRNO_XDEV,
};

/* Preview 1's file type for each case of descriptor-type. */
static const uint8_t TYPES[] = {
    __WASI_FILETYPE_UNKNOWN, __WASI_FILETYPE_BLOCK_DEVICE, __WASI_FILETYPE_CHARACTER_DEVICE,
    __WASI_FILETYPE_DIRECTORY, __WASI_FILETYPE_UNKNOWN, __WASI_FILETYPE_SYMBOLIC_LINK,
    __WASI_FILETYPE_REGULAR_FILE, __WASI_FILETYPE_SOCKET_STREAM,
};

enum { READ = 1, WRITE = 2 };                                   /* descriptor-flags */
enum { CREATE = 1, DIRECTORY = 2, EXCLUSIVE = 4, TRUNCATE = 8 }; /* open-flags */

typedef enum { CLOSED, STANDARD, OPENED } kind;

typedef struct {
    kind kind;
    int32_t file;
    uint8_t type;
    uint16_t flags; /* __WASI_FDFLAGS_... */
    uint64_t rights;
    uint64_t offset;
    int32_t appending; /* a stream, -1 when there is none yet */
    const char *preopen;
    size_t preopen_size;
    /* A folder that is being read. */
    int32_t entries; /* a stream, -1 when there is none */
    uint64_t position;
    host_list entry; /* read already, and not handed over */
    uint8_t entry_type;
    bool has_entry;
} descriptor;

static descriptor table[MOST_OPEN];

static void prepare(void) {
    static bool prepared;
    if (prepared) {
        return;
    }
    prepared = true;
    for (int i = 0; i < 3; i++) {
        table[i] = (descriptor){.kind = STANDARD, .type = __WASI_FILETYPE_CHARACTER_DEVICE, .appending = -1, .entries = -1};
        table[i].rights = i == 0 ? __WASI_RIGHTS_FD_READ : __WASI_RIGHTS_FD_WRITE;
    }
    host_list folders;
    get_directories(&folders);
    const struct { int32_t file; const char *name; size_t size; } *folder = folders.data;
    for (size_t i = 0; i < folders.size && i < MOST_OPEN - 3; i++) {
        table[3 + i] = (descriptor){
            .kind = OPENED, .file = folder[i].file, .type = __WASI_FILETYPE_DIRECTORY, .rights = ~0ull,
            .appending = -1, .preopen = folder[i].name, .preopen_size = folder[i].size, .entries = -1,
        };
    }
}

static descriptor *find(int32_t number) {
    prepare();
    return number >= 0 && number < MOST_OPEN && table[number].kind != CLOSED ? &table[number] : NULL;
}

static descriptor *find_opened(int32_t number) {
    descriptor *found = find(number);
    return found != NULL && found->kind == OPENED ? found : NULL;
}

/* The error of a result<_, error-code> whose payload begins at `offset`. */
static int32_t failure(const host_result *result, size_t offset) {
    if (result->bytes[0] == 0) {
        return 0;
    }
    uint8_t code = result->bytes[offset];
    return code < sizeof ERRORS ? ERRORS[code] : __WASI_ERRNO_IO;
}

static int follow(int32_t flags) {
    return (flags & __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW) != 0;
}

#define NEED(VARIABLE, NUMBER)                        \
    descriptor *VARIABLE = find_opened(NUMBER);       \
    if (VARIABLE == NULL) return __WASI_ERRNO_BADF

/* ---- Folders that the task was given ---- */

int32_t WASI(fd_prestat_get)(int32_t number, int32_t to) {
    descriptor *found = find(number);
    if (found == NULL || found->preopen == NULL) {
        return __WASI_ERRNO_BADF;
    }
    *(__wasi_prestat_t *)to = (__wasi_prestat_t){.tag = __WASI_PREOPENTYPE_DIR, .u.dir.pr_name_len = found->preopen_size};
    return 0;
}

int32_t WASI(fd_prestat_dir_name)(int32_t number, int32_t to, int32_t size) {
    descriptor *found = find(number);
    if (found == NULL || found->preopen == NULL) {
        return __WASI_ERRNO_BADF;
    }
    if ((size_t)size < found->preopen_size) {
        return __WASI_ERRNO_NAMETOOLONG;
    }
    memcpy((void *)to, found->preopen, found->preopen_size);
    return 0;
}

/* ---- Opening and closing ---- */

int32_t WASI(path_open)(int32_t folder, int32_t lookup, int32_t path, int32_t size, int32_t how, int64_t rights,
                        int64_t inheriting, int32_t flags, int32_t to) {
    NEED(base, folder);
    int number = 3;
    while (number < MOST_OPEN && table[number].kind != CLOSED) {
        number++;
    }
    if (number == MOST_OPEN) {
        return __WASI_ERRNO_MFILE;
    }
    int32_t wanted = 0;
    if (rights & (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_READDIR)) {
        wanted |= READ;
    }
    if (rights & (__WASI_RIGHTS_FD_WRITE | __WASI_RIGHTS_FD_ALLOCATE | __WASI_RIGHTS_FD_FILESTAT_SET_SIZE)) {
        wanted |= WRITE;
    }
    int32_t open_flags = (how & __WASI_OFLAGS_CREAT ? CREATE : 0) | (how & __WASI_OFLAGS_DIRECTORY ? DIRECTORY : 0) |
                         (how & __WASI_OFLAGS_EXCL ? EXCLUSIVE : 0) | (how & __WASI_OFLAGS_TRUNC ? TRUNCATE : 0);
    host_result result;
    open_at(base->file, follow(lookup), (const char *)path, size, open_flags, wanted, &result);
    int32_t failed = failure(&result, 4);
    if (failed) {
        return failed;
    }
    int32_t file = FIELD(result, int32_t, 4);
    file_stat(file, &result);
    uint8_t type = result.bytes[0] == 0 && result.bytes[8] < sizeof TYPES ? TYPES[result.bytes[8]] : 0;
    table[number] = (descriptor){
        .kind = OPENED, .file = file, .type = type, .flags = flags, .rights = rights, .appending = -1, .entries = -1,
    };
    *(__wasi_fd_t *)to = number;
    return 0;
}

static void stop_reading(descriptor *folder) {
    if (folder->entries >= 0) {
        drop_entries(folder->entries);
        folder->entries = -1;
    }
    if (folder->has_entry) {
        free(folder->entry.data);
        folder->has_entry = false;
    }
}

int32_t WASI(fd_close)(int32_t number) {
    descriptor *found = find(number);
    if (found == NULL) {
        return __WASI_ERRNO_BADF;
    }
    if (found->kind == OPENED) {
        stop_reading(found);
        if (found->appending >= 0) {
            drop_output(found->appending);
        }
        drop_descriptor(found->file);
    }
    *found = (descriptor){0};
    return 0;
}

/* The library's own makes its import under another name. */
int close(int number) {
    errno = WASI(fd_close)(number);
    return errno == 0 ? 0 : -1;
}

int32_t WASI(fd_renumber)(int32_t from, int32_t to) {
    if (find(from) == NULL || to < 0 || to >= MOST_OPEN) {
        return __WASI_ERRNO_BADF;
    }
    if (from != to) {
        WASI(fd_close)(to);
        table[to] = table[from];
        table[from] = (descriptor){0};
    }
    return 0;
}

/* ---- Reading and writing ---- */

static int32_t read_part(descriptor *found, char *to, size_t size, uint64_t offset, size_t *got) {
    host_result result;
    size = size < LARGEST_PART ? size : LARGEST_PART;
    host_land(to, size);
    file_read(found->file, size, offset, &result);
    host_land(NULL, 0);
    *got = 0;
    int32_t failed = failure(&result, 4);
    if (failed) {
        return failed;
    }
    size_t length = FIELD(result, uint32_t, 8);
    char *data = FIELD(result, char *, 4);
    if (length > size) {
        return __WASI_ERRNO_IO;
    }
    if (data != to && length > 0) {
        memcpy(to, data, length);
        free(data);
    }
    *got = length;
    return 0;
}

static int32_t read_all(descriptor *found, int32_t parts, int32_t count, uint64_t offset, int32_t to) {
    const __wasi_iovec_t *part = (const __wasi_iovec_t *)parts;
    size_t total = 0;
    for (int32_t i = 0; i < count; i++) {
        size_t done = 0;
        while (done < part[i].buf_len) {
            size_t got;
            char *place = (char *)part[i].buf + done;
            int32_t failed = found->kind == STANDARD
                ? stream_receive(place, part[i].buf_len - done, &got)
                : read_part(found, place, part[i].buf_len - done, offset + total, &got);
            if (failed && total == 0) {
                return failed;
            }
            if (failed || got == 0) {
                *(__wasi_size_t *)to = total;
                return 0;
            }
            done += got;
            total += got;
            if (found->kind == STANDARD) {
                *(__wasi_size_t *)to = total;
                return 0;
            }
        }
    }
    *(__wasi_size_t *)to = total;
    return 0;
}

static int32_t append(descriptor *found, const char *data, size_t size) {
    if (found->appending < 0) {
        host_result result;
        file_append(found->file, &result);
        int32_t failed = failure(&result, 4);
        if (failed) {
            return failed;
        }
        found->appending = FIELD(result, int32_t, 4);
    }
    return stream_send(found->appending, data, size);
}

static int32_t write_all(descriptor *found, int32_t number, int32_t parts, int32_t count, uint64_t offset, int32_t to) {
    const __wasi_ciovec_t *part = (const __wasi_ciovec_t *)parts;
    size_t total = 0;
    for (int32_t i = 0; i < count; i++) {
        const char *data = (const char *)part[i].buf;
        size_t size = part[i].buf_len;
        if (found->kind == STANDARD) {
            stream_print(number, data, size);
            total += size;
            continue;
        }
        if (found->flags & __WASI_FDFLAGS_APPEND) {
            int32_t failed = append(found, data, size);
            if (failed) {
                return failed;
            }
            total += size;
            continue;
        }
        for (size_t done = 0; done < size;) {
            host_result result;
            size_t length = size - done < LARGEST_PART ? size - done : LARGEST_PART;
            file_write(found->file, data + done, length, offset + total, &result);
            int32_t failed = failure(&result, 8);
            if (failed && total == 0) {
                return failed;
            }
            size_t written = failed ? 0 : (size_t)FIELD(result, uint64_t, 8);
            if (written == 0) {
                *(__wasi_size_t *)to = total;
                return 0;
            }
            done += written;
            total += written;
        }
    }
    if (found->kind == STANDARD) {
        stream_printed(number);
    }
    *(__wasi_size_t *)to = total;
    return 0;
}

int32_t WASI(fd_read)(int32_t number, int32_t parts, int32_t count, int32_t to) {
    descriptor *found = find(number);
    if (found == NULL || (found->kind == STANDARD && number != 0)) {
        return __WASI_ERRNO_BADF;
    }
    int32_t failed = read_all(found, parts, count, found->offset, to);
    if (!failed) {
        found->offset += *(__wasi_size_t *)to;
    }
    return failed;
}

int32_t WASI(fd_pread)(int32_t number, int32_t parts, int32_t count, int64_t offset, int32_t to) {
    NEED(found, number);
    return read_all(found, parts, count, offset, to);
}

int32_t WASI(fd_write)(int32_t number, int32_t parts, int32_t count, int32_t to) {
    descriptor *found = find(number);
    if (found == NULL || number == 0) {
        return __WASI_ERRNO_BADF;
    }
    int32_t failed = write_all(found, number, parts, count, found->offset, to);
    if (!failed) {
        found->offset += *(__wasi_size_t *)to;
    }
    return failed;
}

int32_t WASI(fd_pwrite)(int32_t number, int32_t parts, int32_t count, int64_t offset, int32_t to) {
    NEED(found, number);
    return write_all(found, number, parts, count, offset, to);
}

int32_t WASI(fd_seek)(int32_t number, int64_t by, int32_t whence, int32_t to) {
    descriptor *found = find(number);
    if (found == NULL) {
        return __WASI_ERRNO_BADF;
    }
    if (found->kind == STANDARD) {
        return __WASI_ERRNO_SPIPE;
    }
    uint64_t base = whence == __WASI_WHENCE_CUR ? found->offset : 0;
    if (whence == __WASI_WHENCE_END) {
        host_result result;
        file_stat(found->file, &result);
        int32_t failed = failure(&result, 8);
        if (failed) {
            return failed;
        }
        base = FIELD(result, uint64_t, 24);
    }
    int64_t offset;
    if (__builtin_add_overflow((int64_t)base, by, &offset) || offset < 0) {
        return __WASI_ERRNO_INVAL;
    }
    found->offset = offset;
    *(__wasi_filesize_t *)to = offset;
    return 0;
}

int32_t WASI(fd_tell)(int32_t number, int32_t to) {
    return WASI(fd_seek)(number, 0, __WASI_WHENCE_CUR, to);
}

int32_t WASI(fd_sync)(int32_t number) {
    NEED(found, number);
    host_result result;
    file_sync(found->file, &result);
    return failure(&result, 1);
}

int32_t WASI(fd_datasync)(int32_t number) {
    return WASI(fd_sync)(number);
}

int32_t WASI(fd_advise)(int32_t number, int64_t offset, int64_t size, int32_t advice) {
    NEED(found, number);
    return 0;
}

int32_t WASI(fd_allocate)(int32_t number, int64_t offset, int64_t size) {
    return __WASI_ERRNO_NOTSUP;
}

/* ---- What is known of a file ---- */

int32_t WASI(fd_fdstat_get)(int32_t number, int32_t to) {
    descriptor *found = find(number);
    if (found == NULL) {
        return __WASI_ERRNO_BADF;
    }
    *(__wasi_fdstat_t *)to = (__wasi_fdstat_t){
        .fs_filetype = found->type, .fs_flags = found->flags, .fs_rights_base = found->rights,
        .fs_rights_inheriting = found->rights,
    };
    return 0;
}

int32_t WASI(fd_fdstat_set_flags)(int32_t number, int32_t flags) {
    NEED(found, number);
    found->flags = flags;
    return 0;
}

/* From an option<datetime> to nanoseconds. */
static uint64_t nanoseconds(const host_result *result, size_t offset) {
    return result->bytes[offset] == 0
        ? 0
        : FIELD(*result, uint64_t, offset + 8) * 1000000000 + FIELD(*result, uint32_t, offset + 16);
}

static int32_t known(const host_result *result, int32_t to) {
    int32_t failed = failure(result, 8);
    if (failed) {
        return failed;
    }
    *(__wasi_filestat_t *)to = (__wasi_filestat_t){
        .filetype = result->bytes[8] < sizeof TYPES ? TYPES[result->bytes[8]] : 0,
        .nlink = FIELD(*result, uint64_t, 16),
        .size = FIELD(*result, uint64_t, 24),
        .atim = nanoseconds(result, 32),
        .mtim = nanoseconds(result, 56),
        .ctim = nanoseconds(result, 80),
    };
    return 0;
}

int32_t WASI(fd_filestat_get)(int32_t number, int32_t to) {
    descriptor *found = find(number);
    if (found == NULL) {
        return __WASI_ERRNO_BADF;
    }
    if (found->kind == STANDARD) {
        *(__wasi_filestat_t *)to = (__wasi_filestat_t){.filetype = found->type};
        return 0;
    }
    host_result result;
    file_stat(found->file, &result);
    return known(&result, to);
}

int32_t WASI(path_filestat_get)(int32_t folder, int32_t lookup, int32_t path, int32_t size, int32_t to) {
    NEED(base, folder);
    host_result result;
    stat_at(base->file, follow(lookup), (const char *)path, size, &result);
    return known(&result, to);
}

int32_t WASI(fd_filestat_set_size)(int32_t number, int64_t size) {
    NEED(found, number);
    host_result result;
    file_set_size(found->file, size, &result);
    return failure(&result, 1);
}

typedef struct {
    int32_t which; /* a case of new-timestamp */
    uint64_t seconds;
    uint32_t nanoseconds;
} timestamp;

static timestamp new_time(int32_t flags, int32_t set, int32_t now, uint64_t time) {
    return (timestamp){flags & now ? 1 : flags & set ? 2 : 0, time / 1000000000, time % 1000000000};
}

#define TIMES                                                                                                  \
    timestamp a = new_time(flags, __WASI_FSTFLAGS_ATIM, __WASI_FSTFLAGS_ATIM_NOW, accessed);                   \
    timestamp m = new_time(flags, __WASI_FSTFLAGS_MTIM, __WASI_FSTFLAGS_MTIM_NOW, modified)

int32_t WASI(fd_filestat_set_times)(int32_t number, int64_t accessed, int64_t modified, int32_t flags) {
    NEED(found, number);
    TIMES;
    host_result result;
    file_set_times(found->file, a.which, a.seconds, a.nanoseconds, m.which, m.seconds, m.nanoseconds, &result);
    return failure(&result, 1);
}

int32_t WASI(path_filestat_set_times)(int32_t folder, int32_t lookup, int32_t path, int32_t size, int64_t accessed,
                                      int64_t modified, int32_t flags) {
    NEED(base, folder);
    TIMES;
    host_result result;
    set_times_at(base->file, follow(lookup), (const char *)path, size, a.which, a.seconds, a.nanoseconds, m.which,
                 m.seconds, m.nanoseconds, &result);
    return failure(&result, 1);
}

/* ---- Folders ---- */

/* Reads the entry at `position` ahead, "." and ".." being the first two. False at the end. */
static int32_t ahead(descriptor *folder, bool *there) {
    *there = true;
    if (folder->has_entry || folder->position < 2) {
        return 0;
    }
    host_result result;
    if (folder->entries < 0) {
        read_directory(folder->file, &result);
        int32_t failed = failure(&result, 4);
        if (failed) {
            return failed;
        }
        folder->entries = FIELD(result, int32_t, 4);
    }
    next_entry(folder->entries, &result);
    int32_t failed = failure(&result, 4);
    if (failed) {
        return failed;
    }
    *there = folder->has_entry = result.bytes[4] != 0;
    if (*there) {
        folder->entry_type = result.bytes[8] < sizeof TYPES ? TYPES[result.bytes[8]] : 0;
        folder->entry = (host_list){FIELD(result, char *, 12), FIELD(result, uint32_t, 16)};
    }
    return 0;
}

static void advance(descriptor *folder) {
    if (folder->has_entry) {
        free(folder->entry.data);
        folder->has_entry = false;
    }
    folder->position++;
}

int32_t WASI(fd_readdir)(int32_t number, int32_t buffer, int32_t size, int64_t cookie, int32_t to) {
    NEED(folder, number);
    if ((uint64_t)cookie < folder->position) {
        stop_reading(folder);
        folder->position = 0;
    }
    bool there = true;
    while (folder->position < (uint64_t)cookie) {
        int32_t failed = ahead(folder, &there);
        if (failed || !there) {
            *(__wasi_size_t *)to = 0;
            return failed;
        }
        advance(folder);
    }
    char *place = (char *)buffer;
    size_t left = size;
    while (left > 0) {
        int32_t failed = ahead(folder, &there);
        if (failed) {
            return failed;
        }
        if (!there) {
            break;
        }
        bool dots = folder->position < 2;
        const char *name = dots ? ".." : folder->entry.data;
        size_t name_size = dots ? folder->position + 1 : folder->entry.size;
        __wasi_dirent_t entry = {
            .d_next = folder->position + 1, .d_namlen = name_size,
            .d_type = dots ? __WASI_FILETYPE_DIRECTORY : folder->entry_type,
        };
        size_t head = sizeof entry < left ? sizeof entry : left;
        memcpy(place, &entry, head);
        size_t tail = name_size < left - head ? name_size : left - head;
        memcpy(place + head, name, tail);
        place += head + tail;
        left -= head + tail;
        if (head + tail < sizeof entry + name_size) {
            break; /* cut off: it comes again */
        }
        advance(folder);
    }
    *(__wasi_size_t *)to = size - left;
    return 0;
}

int32_t WASI(path_create_directory)(int32_t folder, int32_t path, int32_t size) {
    NEED(base, folder);
    host_result result;
    create_directory_at(base->file, (const char *)path, size, &result);
    return failure(&result, 1);
}

int32_t WASI(path_remove_directory)(int32_t folder, int32_t path, int32_t size) {
    NEED(base, folder);
    host_result result;
    remove_directory_at(base->file, (const char *)path, size, &result);
    return failure(&result, 1);
}

int32_t WASI(path_unlink_file)(int32_t folder, int32_t path, int32_t size) {
    NEED(base, folder);
    host_result result;
    unlink_file_at(base->file, (const char *)path, size, &result);
    return failure(&result, 1);
}

int32_t WASI(path_readlink)(int32_t folder, int32_t path, int32_t size, int32_t buffer, int32_t room, int32_t to) {
    NEED(base, folder);
    host_result result;
    readlink_at(base->file, (const char *)path, size, &result);
    int32_t failed = failure(&result, 4);
    if (failed) {
        return failed;
    }
    size_t length = FIELD(result, uint32_t, 8);
    length = length < (size_t)room ? length : (size_t)room;
    memcpy((void *)buffer, FIELD(result, char *, 4), length);
    *(__wasi_size_t *)to = length;
    return 0;
}

int32_t WASI(path_symlink)(int32_t old, int32_t old_size, int32_t folder, int32_t path, int32_t size) {
    NEED(base, folder);
    host_result result;
    symlink_at(base->file, (const char *)old, old_size, (const char *)path, size, &result);
    return failure(&result, 1);
}

int32_t WASI(path_link)(int32_t folder, int32_t lookup, int32_t old, int32_t old_size, int32_t to_folder, int32_t path,
                        int32_t size) {
    NEED(base, folder);
    NEED(to, to_folder);
    host_result result;
    link_at(base->file, follow(lookup), (const char *)old, old_size, to->file, (const char *)path, size, &result);
    return failure(&result, 1);
}

int32_t WASI(path_rename)(int32_t folder, int32_t old, int32_t old_size, int32_t to_folder, int32_t path, int32_t size) {
    NEED(base, folder);
    NEED(to, to_folder);
    host_result result;
    rename_at(base->file, (const char *)old, old_size, to->file, (const char *)path, size, &result);
    return failure(&result, 1);
}
