/*
 * Lets file operations of a program fail, or kills the program between two of them. Preloaded (LD_PRELOAD), driven by a
 * test through a small shared file; compiled by faulty.ts. Only operations on paths below FAULT_ROOTS (separated by
 * colons) are counted: sockets, pipes and the program's own caches are left alone.
 *
 * The control file is an array of 32 bit numbers, see enum. While `armed` is 1 every counted operation takes the next
 * number; the one numbered `at`, and up to `times` - 1 after it, fail with `error`. Each counted operation is one line
 * in the log file: number, name, path, and what was done to it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ARMED, AT, TIMES, ERROR, KILL, COUNT, FIRED, ONLY_WRITES, ONLY, FIELDS };
/* `only` is 0 for all, or the place of a name in this list, from 1. */
static const char *const names[] = {"open", "write", "writev", "pwrite64", "fsync", "fdatasync", "ftruncate64", "rename", "linkat", "mkdir", "unlink"};

static volatile int32_t *control;
static int log_fd = -1;
static const char *roots;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("FAULT_CONTROL"), *log = getenv("FAULT_LOG");
    roots = getenv("FAULT_ROOTS");
    if (!path || !log || !roots) return;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) return;
    void *map = mmap(NULL, FIELDS * sizeof(int32_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED) control = map;
    syscall(SYS_close, fd);
    log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int below(const char *path) {
    for (const char *root = roots; *root;) {
        const char *end = strchr(root, ':');
        size_t n = end ? (size_t)(end - root) : strlen(root);
        if (!strncmp(path, root, n) && (path[n] == '/' || !path[n])) return 1;
        root += n + (end != NULL);
    }
    return 0;
}

/* 0: go on. Else the error number with which the operation is to fail. */
static int gate(const char *name, const char *path, int writes) {
    if (!control || !control[ARMED] || !path || !below(path)) return 0;
    if (control[ONLY_WRITES] && !writes) return 0;
    if (control[ONLY] > 0 && strcmp(names[control[ONLY] - 1], name)) return 0;
    int32_t number = __sync_add_and_fetch(&control[COUNT], 1);
    int fails = control[AT] > 0 && number >= control[AT] && number - control[AT] < control[TIMES];
    char line[600];
    int n = snprintf(line, sizeof line, "%d %s %s%s\n", number, name, path, !fails ? "" : control[KILL] ? " KILL" : " FAIL");
    syscall(SYS_write, log_fd, line, n < (int)sizeof line ? n : (int)sizeof line - 1);
    if (!fails) return 0;
    control[FIRED] = number;
    if (control[KILL]) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    return control[ERROR];
}

static int gate_fd(const char *name, int fd, int writes) {
    char link[40], path[512];
    if (!control || !control[ARMED]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return gate(name, path, writes);
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)
#define FAIL_IF(expr) \
    do { int e_ = (expr); if (e_) { errno = e_; return -1; } } while (0)

ssize_t write(int fd, const void *p, size_t n) {
    REAL(ssize_t, "write", int, const void *, size_t);
    FAIL_IF(gate_fd("write", fd, 1));
    return real(fd, p, n);
}
ssize_t writev(int fd, const struct iovec *v, int n) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    FAIL_IF(gate_fd("writev", fd, 1));
    return real(fd, v, n);
}
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    FAIL_IF(gate_fd("pwrite64", fd, 1));
    return real(fd, p, n, at);
}
int fsync(int fd) {
    REAL(int, "fsync", int);
    FAIL_IF(gate_fd("fsync", fd, 0));
    return real(fd);
}
int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    FAIL_IF(gate_fd("fdatasync", fd, 0));
    return real(fd);
}
int ftruncate64(int fd, off64_t n) {
    REAL(int, "ftruncate64", int, off64_t);
    FAIL_IF(gate_fd("ftruncate64", fd, 1));
    return real(fd, n);
}

/* A file made or opened for writing takes space; one opened for reading fails with EIO only. */
#define OPEN(symbol, call, params, path, flags) \
    int symbol params { \
        int mode = 0; \
        if (flags & O_CREAT) { va_list ap; va_start(ap, flags); mode = va_arg(ap, int); va_end(ap); } \
        FAIL_IF(gate("open", path, (flags & O_CREAT) != 0)); \
        return call; \
    }
OPEN(open, syscall(SYS_openat, AT_FDCWD, path, flags, mode), (const char *path, int flags, ...), path, flags)
OPEN(open64, syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode), (const char *path, int flags, ...), path, flags)
OPEN(openat64, syscall(SYS_openat, dir, path, flags | O_LARGEFILE, mode), (int dir, const char *path, int flags, ...), path, flags)

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    FAIL_IF(gate("rename", to, 1));
    return real(from, to);
}
int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    FAIL_IF(gate("linkat", to, 1));
    return real(from_dir, from, to_dir, to, flags);
}
int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    FAIL_IF(gate("mkdir", path, 1));
    return real(path, mode);
}
/* Loses nothing: it fails where it is asked for by name, and the program may be killed before it. */
int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    if (control && (control[KILL] || (control[ONLY] > 0 && !strcmp(names[control[ONLY] - 1], "unlink"))))
        FAIL_IF(gate("unlink", path, 0));
    return real(path);
}
