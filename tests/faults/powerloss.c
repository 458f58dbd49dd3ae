/* Records what a process does to the files under R3D_POWERLOSS_ROOT, for a simulated power loss (see powerloss.py).

Each record: one letter, four little-endian int64 (lengths of two paths, offset, length of the data), paths, data.
W write, T truncate, S sync, C create or empty, R rename, U unlink. Preloaded; nothing is held back here. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out = -1;
static const char *root;

__attribute__((constructor)) static void begin(void) {
    root = getenv("R3D_POWERLOSS_ROOT");
    const char *log = getenv("R3D_POWERLOSS_LOG");
    if (root && log) out = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void put(const void *data, size_t size) {
    while (size > 0) {
        long done = syscall(SYS_write, out, data, size);
        if (done <= 0) abort();
        data = (const char *)data + done;
        size -= (size_t)done;
    }
}

static int ours(const char *path) { return out >= 0 && path && strncmp(path, root, strlen(root)) == 0; }

static int where(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long size = out < 0 ? -1 : readlink(link, path, PATH_MAX - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return ours(path);
}

static void note(char kind, const char *path, const char *other, int64_t offset, const void *data, int64_t size) {
    int64_t head[4] = {(int64_t)strlen(path), other ? (int64_t)strlen(other) : 0, offset, data ? size : 0};
    pthread_mutex_lock(&lock);
    put(&kind, 1);
    put(head, sizeof head);
    put(path, (size_t)head[0]);
    if (other) put(other, (size_t)head[1]);
    if (data) put(data, (size_t)size);
    pthread_mutex_unlock(&lock);
}

ssize_t write(int fd, const void *data, size_t size) {
    char path[PATH_MAX];
    int mine = where(fd, path);
    struct stat told;
    off_t at = 0;
    if (mine) at = (fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &told) == 0 ? told.st_size : lseek(fd, 0, SEEK_CUR);
    ssize_t done = syscall(SYS_write, fd, data, size);
    if (mine && done > 0) note('W', path, NULL, at, data, done);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    char path[PATH_MAX];
    ssize_t done = syscall(SYS_pwrite64, fd, data, size, at);
    if (done > 0 && where(fd, path)) note('W', path, NULL, at, data, done);
    return done;
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

int ftruncate64(int fd, off64_t size) {
    char path[PATH_MAX];
    int done = (int)syscall(SYS_ftruncate, fd, size);
    if (done == 0 && where(fd, path)) note('T', path, NULL, size, NULL, 0);
    return done;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int truncate64(const char *path, off64_t size) {
    int done = (int)syscall(SYS_truncate, path, size);
    if (done == 0 && ours(path)) note('T', path, NULL, size, NULL, 0);
    return done;
}
int truncate(const char *path, off_t size) { return truncate64(path, size); }

static int synced(int fd, int done) {
    char path[PATH_MAX];
    if (done == 0 && where(fd, path)) note('S', path, NULL, 0, NULL, 0);
    return done;
}
int fsync(int fd) { return synced(fd, (int)syscall(SYS_fsync, fd)); }
int fdatasync(int fd) { return synced(fd, (int)syscall(SYS_fdatasync, fd)); }

static int opened(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    int before = faccessat(folder, name, F_OK, 0);
    int fd = (int)syscall(SYS_openat, folder, name, flags, mode);
    if (fd >= 0 && (before != 0 || (flags & O_TRUNC)) && (flags & (O_CREAT | O_TRUNC)) && where(fd, path))
        note('C', path, NULL, 0, NULL, 0);
    return fd;
}
#define MODE(last) mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, last); mode = va_arg(more, mode_t); va_end(more); }
int open(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags) return opened(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE(flags) return opened(folder, name, flags, mode); }

int rename(const char *from, const char *to) {
    int done = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (done == 0 && ours(to)) note('R', from, to, 0, NULL, 0);
    return done;
}
int unlink(const char *name) {
    int done = (int)syscall(SYS_unlinkat, AT_FDCWD, name, 0);
    if (done == 0 && ours(name)) note('U', name, NULL, 0, NULL, 0);
    return done;
}
