/* Shifts the time of day for a program, while it runs too. Loaded in front of the C library (LD_PRELOAD).
 *
 * The first 8 bytes of the file CONSIGN_CLOCK_SHARED say by how many seconds; a test rewrites them as somebody sets a clock. Only the time of day is
 * shifted: the count that timers go by (CLOCK_MONOTONIC) goes on as it does, when a clock is set and, on Linux, through a suspend, in which it stands
 * still. So to a program that waits, a suspend is a time of day that jumps forward.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static atomic_llong *seconds;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("CONSIGN_CLOCK_SHARED");
    if (!file) return;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) abort();
    void *memory = mmap(NULL, sizeof *seconds, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED) abort();
    seconds = memory;
}

static long long shift(void) { return seconds ? atomic_load(seconds) : 0; }

int clock_gettime(clockid_t clock, struct timespec *at) {
    static __typeof__(&clock_gettime) real;
    if (!real) real = REAL(clock_gettime);
    int result = real(clock, at);
    if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += shift();
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    int result = REAL(gettimeofday)(at, zone);
    if (!result) at->tv_sec += shift();
    return result;
}

time_t time(time_t *at) {
    time_t now = REAL(time)(NULL) + shift();
    if (at) *at = now;
    return now;
}
