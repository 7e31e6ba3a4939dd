/* Makes writing below one folder fail, or ends the process there, at a step that is counted beforehand. Loaded in front of the C library (LD_PRELOAD).
 *
 * A step is a call that changes something below CONSIGN_FAULT_BELOW or makes it durable. Steps are counted in the file CONSIGN_FAULT_SHARED, which is
 * shared memory, so that the count outlasts the process: 8 bytes with the number of steps, 8 with how many of them were made to fail, then the text
 * of the first step that was hit ("pwrite /folder/file").
 *
 * CONSIGN_FAULT_DO, at step CONSIGN_FAULT_AT (counted from 1):
 *   count         nothing
 *   full          this and every later step fails as on a full disk (ENOSPC); removing does not
 *   partial       the same, but of this step, where it writes, half is written
 *   broken        this and every later step fails as on a broken disk (EIO)
 *   broken-once   this step alone fails so
 *   kill-before   SIGKILL before the step
 *   kill-after    SIGKILL after it
 *   full-while    each step fails as on a full disk while the last 8 bytes of the shared memory are not 0, whatever its number
 *   broken-while  the same as on a broken disk
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, FULL, PARTIAL, BROKEN, BROKEN_ONCE, KILL_BEFORE, KILL_AFTER, FULL_WHILE, BROKEN_WHILE };
static const char *const modes[] = {"count", "full", "partial", "broken", "broken-once", "kill-before", "kill-after", "full-while", "broken-while"};

struct shared {
    atomic_long steps;
    atomic_long failed;
    char text[4072];
    atomic_long on;
};

static struct shared *shared;
/* As it was named, and without the links on the way to it: the kernel tells paths of open files so. */
static char below[PATH_MAX], truly_below[PATH_MAX];
static long at;
static int mode;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("CONSIGN_FAULT_BELOW"), *file = getenv("CONSIGN_FAULT_SHARED");
    const char *what = getenv("CONSIGN_FAULT_DO"), *number = getenv("CONSIGN_FAULT_AT");
    if (!folder || !file || !what || strlen(folder) >= sizeof below) return;
    for (size_t known = 0; known < sizeof modes / sizeof *modes; known++)
        if (!strcmp(what, modes[known])) mode = (int)known;
    at = number ? atol(number) : 0;
    int fd = REAL(open)(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || REAL(ftruncate)(fd, sizeof(struct shared))) abort();
    void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED) abort();
    strcpy(below, folder);
    /* It may have to be made yet: the one that it lies in is there. */
    char parent[PATH_MAX], real[PATH_MAX];
    strcpy(parent, folder);
    char *last = strrchr(parent, '/');
    if (!realpath(folder, truly_below)) {
        if (!last) abort();
        *last = 0;
        if (!realpath(parent, real)) abort();
        if (snprintf(truly_below, sizeof truly_below, "%s/%s", real, last + 1) >= (int)sizeof truly_below) abort();
    }
    shared = memory;
}

static int lies_in(const char *path, const char *folder) {
    size_t length = strlen(folder);
    return !strncmp(path, folder, length) && (!path[length] || path[length] == '/');
}

static int is_below(const char *path) { return shared && path && (lies_in(path, below) || lies_in(path, truly_below)); }

static int fd_below(int fd, char *path) {
    if (!shared || fd < 0) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

static int at_below(int fd, const char *name, char *path) {
    if (!shared || !name) return 0;
    if (name[0] == '/' || fd == AT_FDCWD) {
        snprintf(path, PATH_MAX, "%s", name);
        return is_below(path);
    }
    char folder[PATH_MAX];
    if (!fd_below(fd, folder)) return 0;
    snprintf(path, PATH_MAX, "%.2000s/%.2000s", folder, name);
    return 1;
}

static void stop(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

enum { GO_ON, FAIL, HALF, THEN_STOP };

/* What has to become of the next step. */
static int step(const char *call, const char *path, int removes) {
    long number = atomic_fetch_add(&shared->steps, 1) + 1;
    if (mode == FULL_WHILE || mode == BROKEN_WHILE) {
        if (!atomic_load(&shared->on) || (removes && mode == FULL_WHILE)) return GO_ON;
        if (atomic_fetch_add(&shared->failed, 1) == 0) snprintf(shared->text, sizeof shared->text, "%s %.4000s", call, path);
        errno = mode == FULL_WHILE ? ENOSPC : EIO;
        return FAIL;
    }
    if (mode == COUNT || at == 0 || number < at) return GO_ON;
    if (number > at && (mode == BROKEN_ONCE || mode == KILL_BEFORE || mode == KILL_AFTER)) return GO_ON;
    if (removes && (mode == FULL || mode == PARTIAL)) return GO_ON;
    if (atomic_fetch_add(&shared->failed, 1) == 0) snprintf(shared->text, sizeof shared->text, "%s %.4000s", call, path);
    if (mode == KILL_BEFORE) stop();
    if (mode == KILL_AFTER) return THEN_STOP;
    if (mode == PARTIAL && number == at) return HALF;
    errno = mode == FULL || mode == PARTIAL ? ENOSPC : EIO;
    return FAIL;
}

/* A step that is done or not. */
#define WHOLE(here, call, path, removes, type, run)      \
    do {                                                 \
        int todo = (here) ? step(call, path, removes) : GO_ON; \
        if (todo == HALF) errno = ENOSPC;                \
        if (todo == FAIL || todo == HALF) return -1;     \
        type result = run;                               \
        if (todo == THEN_STOP) stop();                   \
        return result;                                   \
    } while (0)

/* A step that writes `length` bytes, of which half may be written; `run` takes what is left of it. */
#define PART(here, call, path, length, run)                        \
    do {                                                           \
        int todo = (here) ? step(call, path, 0) : GO_ON;           \
        if (todo == HALF && (length) < 2) errno = ENOSPC;          \
        if (todo == FAIL || (todo == HALF && (length) < 2)) return -1; \
        if (todo == HALF) (length) /= 2;                           \
        ssize_t result = run;                                      \
        if (todo == THEN_STOP) stop();                             \
        return result;                                             \
    } while (0)

ssize_t write(int fd, const void *bytes, size_t length) {
    char path[PATH_MAX];
    PART(fd_below(fd, path), "write", path, length, REAL(write)(fd, bytes, length));
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t place) {
    char path[PATH_MAX];
    PART(fd_below(fd, path), "pwrite", path, length, REAL(pwrite)(fd, bytes, length, place));
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t place) {
    char path[PATH_MAX];
    PART(fd_below(fd, path), "pwrite", path, length, REAL(pwrite64)(fd, bytes, length, place));
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    PART(fd_below(fd, path), "writev", path, count, REAL(writev)(fd, parts, count));
}
ssize_t copy_file_range(int from, off64_t *from_place, int to, off64_t *to_place, size_t length, unsigned flags) {
    char path[PATH_MAX];
    PART(fd_below(to, path), "copy_file_range", path, length, REAL(copy_file_range)(from, from_place, to, to_place, length, flags));
}
int fsync(int fd) {
    char path[PATH_MAX];
    WHOLE(fd_below(fd, path), "fsync", path, 0, int, REAL(fsync)(fd));
}
int fdatasync(int fd) {
    char path[PATH_MAX];
    WHOLE(fd_below(fd, path), "fdatasync", path, 0, int, REAL(fdatasync)(fd));
}
int sync_file_range(int fd, off64_t from, off64_t length, unsigned flags) {
    char path[PATH_MAX];
    WHOLE(fd_below(fd, path), "sync_file_range", path, 0, int, REAL(sync_file_range)(fd, from, length, flags));
}
int ftruncate(int fd, off_t length) {
    char path[PATH_MAX];
    WHOLE(fd_below(fd, path), "ftruncate", path, 0, int, REAL(ftruncate)(fd, length));
}
int ftruncate64(int fd, off64_t length) {
    char path[PATH_MAX];
    WHOLE(fd_below(fd, path), "ftruncate", path, 0, int, REAL(ftruncate64)(fd, length));
}
int rename(const char *from, const char *to) { WHOLE(is_below(to), "rename", to, 0, int, REAL(rename)(from, to)); }
int renameat(int from_fd, const char *from, int to_fd, const char *to) {
    char path[PATH_MAX];
    WHOLE(at_below(to_fd, to, path), "rename", path, 0, int, REAL(renameat)(from_fd, from, to_fd, to));
}
int link(const char *from, const char *to) { WHOLE(is_below(to), "link", to, 0, int, REAL(link)(from, to)); }
int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
    char path[PATH_MAX];
    WHOLE(at_below(to_fd, to, path), "link", path, 0, int, REAL(linkat)(from_fd, from, to_fd, to, flags));
}
/* What is there already is no step, and neither is what the call refuses. */
int mkdir(const char *path, mode_t bits) { WHOLE(is_below(path) && access(path, F_OK), "mkdir", path, 0, int, REAL(mkdir)(path, bits)); }
int unlink(const char *path) { WHOLE(is_below(path) && !access(path, F_OK), "unlink", path, 1, int, REAL(unlink)(path)); }
int unlinkat(int fd, const char *name, int flags) {
    char path[PATH_MAX];
    WHOLE(at_below(fd, name, path), "unlink", path, 1, int, REAL(unlinkat)(fd, name, flags));
}
int rmdir(const char *path) { WHOLE(is_below(path), "rmdir", path, 1, int, REAL(rmdir)(path)); }

static int makes(const char *path, int flags) { return (flags & O_CREAT) && is_below(path) && access(path, F_OK); }
static mode_t bits_of(int flags, va_list rest) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; }

#define OPEN(name)                                                                          \
    int name(const char *path, int flags, ...) {                                            \
        va_list rest;                                                                       \
        va_start(rest, flags);                                                              \
        mode_t bits = bits_of(flags, rest);                                                 \
        va_end(rest);                                                                       \
        WHOLE(makes(path, flags), "open", path, 0, int, REAL(name)(path, flags, bits)); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                \
    int name(int fd, const char *part, int flags, ...) {                                            \
        char path[PATH_MAX];                                                                        \
        va_list rest;                                                                               \
        va_start(rest, flags);                                                                      \
        mode_t bits = bits_of(flags, rest);                                                         \
        va_end(rest);                                                                               \
        WHOLE(at_below(fd, part, path) && makes(path, flags), "open", path, 0, int, REAL(name)(fd, part, flags, bits)); \
    }
OPENAT(openat)
OPENAT(openat64)
