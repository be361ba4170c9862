/*
 * Writes down what a program does to files below POWER_ROOT, in one order with the replies that leave it and say that a
 * message is taken. Preloaded (LD_PRELOAD); compiled by journal.ts, which also reads the journal (the file POWER_JOURNAL).
 * A change and its record are made under one lock, so their order is the order in which they happened. A sync has two
 * records, one before it begins and one after it has ended: what is written meanwhile need not be covered by it. The
 * sync itself is only a rest of POWER_SYNC microseconds: nobody pulls the plug of this machine, and the disks that are
 * built from the journal know what would have been durable. Non-job: faults (../crash/fault.c), maps of memory.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The order of journal.ts. */
enum { CREATE = 1, MKDIR, WRITE, TRUNCATE, RENAME, LINK, UNLINK, SYNC_BEGIN, SYNC_END, REPLY, UNKNOWN };

struct record {
    uint32_t kind, path_length, data_length, serial;
    uint64_t inode, at;
    int64_t time; /* microseconds since 1970 */
};

static int journal = -1;
static long rest = 300;
static const char *root;
static size_t root_length;
static uint32_t syncs;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("POWER_JOURNAL"), *sync = getenv("POWER_SYNC");
    root = getenv("POWER_ROOT");
    if (!path || !root) return;
    root_length = strlen(root);
    if (sync) rest = atol(sync);
    journal = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int below(const char *path) {
    return journal >= 0 && path && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* The path of a descriptor when it is below the root. */
static int path_of(int fd, char *path, size_t size) {
    char link[40];
    if (journal < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, path, size - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return below(path);
}

/* A path argument of a call that names a folder by its descriptor. */
static int joined(int dir, const char *name, char *path, size_t size) {
    if (journal < 0 || !name) return 0;
    if (name[0] == '/' || dir == AT_FDCWD) {
        snprintf(path, size, "%s", name);
        return below(path);
    }
    if (!path_of(dir, path, size)) return 0;
    size_t n = strlen(path);
    snprintf(path + n, size - n, "/%s", name);
    return 1;
}

static void put(const struct iovec *parts, int count) {
    struct iovec left[8];
    memcpy(left, parts, count * sizeof *parts);
    for (int at = 0; at < count;) {
        ssize_t n = syscall(SYS_writev, journal, left + at, count - at);
        if (n < 0) abort(); /* a journal with a gap would prove nothing */
        while (at < count && (size_t)n >= left[at].iov_len) n -= left[at++].iov_len;
        if (at < count) left[at].iov_base = (char *)left[at].iov_base + n, left[at].iov_len -= n;
    }
}

struct what {
    uint32_t kind, serial;
    uint64_t inode, at;
    const char *path;
    const void *data;
    size_t length;
};

static void note(struct what w) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct record r = {w.kind, w.path ? strlen(w.path) : 0, w.length, w.serial, w.inode, w.at, now.tv_sec * 1000000LL + now.tv_nsec / 1000};
    struct iovec parts[] = {{&r, sizeof r}, {(void *)(w.path ? w.path : ""), r.path_length}, {(void *)w.data, w.length}};
    put(parts, 3);
}

static uint64_t inode_of(int fd) {
    struct stat s;
    return fstat(fd, &s) ? 0 : s.st_ino;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)
#define LOCK pthread_mutex_lock(&lock)
#define UNLOCK do { int kept_ = errno; pthread_mutex_unlock(&lock); errno = kept_; } while (0)

/* A reply that takes a message over, or a line that promises something, is noted before it leaves. */
static void reply(const void *data, size_t n) {
    if (journal < 0 || n > 4096 || n < 20) return;
    if (!memmem(data, n, "queued as ", 10) && memcmp(data, "promise ", 8)) return;
    LOCK;
    note((struct what){.kind = REPLY, .data = data, .length = n});
    UNLOCK;
}

/* ---- Octets ------------------------------------------------------------------------------------------------------ */

static ssize_t written(int fd, const struct iovec *v, int count, off64_t at, const char *path) {
    int64_t place = at;
    LOCK;
    if (at < 0) place = (fcntl(fd, F_GETFL) & O_APPEND) ? lseek64(fd, 0, SEEK_END) : lseek64(fd, 0, SEEK_CUR);
    ssize_t n = at < 0 ? syscall(SYS_writev, fd, v, count) : syscall(SYS_pwritev, fd, v, count, at, 0);
    ssize_t left = n;
    uint64_t inode = inode_of(fd);
    for (int i = 0; i < count && left > 0; i++) {
        size_t part = (size_t)left < v[i].iov_len ? (size_t)left : v[i].iov_len;
        note((struct what){.kind = WRITE, .inode = inode, .at = place, .path = path, .data = v[i].iov_base, .length = part});
        place += part, left -= part;
    }
    UNLOCK;
    return n;
}

ssize_t write(int fd, const void *p, size_t n) {
    REAL(ssize_t, "write", int, const void *, size_t);
    char path[512];
    if (path_of(fd, path, sizeof path)) return written(fd, &(struct iovec){(void *)p, n}, 1, -1, path);
    reply(p, n);
    return real(fd, p, n);
}
ssize_t writev(int fd, const struct iovec *v, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    char path[512];
    if (path_of(fd, path, sizeof path)) return written(fd, v, count, -1, path);
    for (int i = 0; i < count; i++) reply(v[i].iov_base, v[i].iov_len);
    return real(fd, v, count);
}
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    char path[512];
    if (path_of(fd, path, sizeof path)) return written(fd, &(struct iovec){(void *)p, n}, 1, at, path);
    return real(fd, p, n, at);
}
ssize_t pwrite(int fd, const void *p, size_t n, off_t at) { return pwrite64(fd, p, n, at); }
ssize_t send(int fd, const void *p, size_t n, int flags) {
    REAL(ssize_t, "send", int, const void *, size_t, int);
    reply(p, n);
    return real(fd, p, n, flags);
}
ssize_t sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *to, socklen_t length) {
    REAL(ssize_t, "sendto", int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    reply(p, n);
    return real(fd, p, n, flags, to, length);
}
ssize_t sendmsg(int fd, const struct msghdr *m, int flags) {
    REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
    for (size_t i = 0; i < m->msg_iovlen; i++) reply(m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
    return real(fd, m, flags);
}
int ftruncate64(int fd, off64_t size) {
    REAL(int, "ftruncate64", int, off64_t);
    char path[512];
    if (!path_of(fd, path, sizeof path)) return real(fd, size);
    LOCK;
    int failed = real(fd, size);
    if (!failed) note((struct what){.kind = TRUNCATE, .inode = inode_of(fd), .at = size, .path = path});
    UNLOCK;
    return failed;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

/* Ways to write that nobody here takes. One who did would be told of by the reader of the journal. */
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t n, unsigned flags) {
    char path[512];
    if (path_of(to, path, sizeof path)) {
        LOCK;
        note((struct what){.kind = UNKNOWN, .path = path});
        UNLOCK;
    }
    return syscall(SYS_copy_file_range, from, from_at, to, to_at, n, flags);
}

/* ---- Syncs ------------------------------------------------------------------------------------------------------- */

static int synced(int fd, const char *path) {
    struct timespec nap = {rest / 1000000, rest % 1000000 * 1000};
    LOCK;
    uint32_t serial = ++syncs;
    struct what w = {.kind = SYNC_BEGIN, .serial = serial, .inode = inode_of(fd), .path = path};
    note(w);
    UNLOCK;
    nanosleep(&nap, NULL);
    w.kind = SYNC_END;
    LOCK;
    note(w);
    UNLOCK;
    return 0;
}
#define SYNC(name) \
    int name(int fd) { \
        REAL(int, #name, int); \
        char path[512]; \
        return path_of(fd, path, sizeof path) ? synced(fd, path) : real(fd); \
    }
SYNC(fsync)
SYNC(fdatasync)

/* ---- Names ------------------------------------------------------------------------------------------------------- */

static int opened(int dir, const char *name, int flags, int mode) {
    char path[512];
    if (!(flags & (O_CREAT | O_TRUNC)) || !joined(dir, name, path, sizeof path))
        return syscall(SYS_openat, dir, name, flags, mode);
    struct stat s;
    LOCK;
    int there = !stat(path, &s);
    int fd = syscall(SYS_openat, dir, name, flags, mode);
    if (fd >= 0 && !there) note((struct what){.kind = CREATE, .inode = inode_of(fd), .path = path});
    else if (fd >= 0 && (flags & O_TRUNC) && s.st_size) note((struct what){.kind = TRUNCATE, .inode = s.st_ino, .path = path});
    UNLOCK;
    return fd;
}
#define MODE \
    int mode = 0; \
    if (flags & O_CREAT) { va_list ap; va_start(ap, flags); mode = va_arg(ap, int); va_end(ap); }
int open(const char *path, int flags, ...) { MODE return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return opened(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE return opened(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE return opened(dir, path, flags | O_LARGEFILE, mode); }

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    if (!below(from) && !below(to)) return real(from, to);
    LOCK;
    int failed = real(from, to);
    if (!failed) note((struct what){.kind = RENAME, .path = from, .data = to, .length = strlen(to)});
    UNLOCK;
    return failed;
}
int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    char old[512], new[512];
    if (!joined(from_dir, from, old, sizeof old) || !joined(to_dir, to, new, sizeof new)) return real(from_dir, from, to_dir, to, flags);
    LOCK;
    int failed = real(from_dir, from, to_dir, to, flags);
    if (!failed) note((struct what){.kind = LINK, .path = old, .data = new, .length = strlen(new)});
    UNLOCK;
    return failed;
}
int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    if (!below(path)) return real(path, mode);
    struct stat s;
    LOCK;
    int failed = real(path, mode);
    if (!failed && !stat(path, &s)) note((struct what){.kind = MKDIR, .inode = s.st_ino, .path = path});
    UNLOCK;
    return failed;
}
static int removed(int dir, const char *name, int flags) {
    char path[512];
    if (!joined(dir, name, path, sizeof path)) return syscall(SYS_unlinkat, dir, name, flags);
    LOCK;
    int failed = syscall(SYS_unlinkat, dir, name, flags);
    if (!failed) note((struct what){.kind = UNLINK, .path = path});
    UNLOCK;
    return failed;
}
int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int unlinkat(int dir, const char *path, int flags) { return removed(dir, path, flags); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }
