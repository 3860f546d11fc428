/* What Glibc's Swift module hides: GNU names, macros and enums, as static inline functions. */
#ifndef MIGRATIOND_CSYSTEM_SHIM_H
#define MIGRATIOND_CSYSTEM_SHIM_H
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

/*
 * Declared here, not through _GNU_SOURCE: that macro renames members of structures such as fd_set,
 * and Swift's Glibc module, which is built without it, would then disagree about them.
 */
int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);
int memfd_create(const char *name, unsigned int flags);
int pipe2(int ends[2], int flags);
int pthread_setname_np(pthread_t thread, const char *name);
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int lowest);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);

/* sys/epoll.h */
static inline int csystem_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static inline int csystem_epoll_control(int epoll, int operation, int fd, uint32_t events,
                                        uint64_t token) {
    struct epoll_event event;
    event.events = events;
    event.data.u64 = token;
    return epoll_ctl(epoll, operation, fd, &event);
}

/* sys/epoll.h: waits and unpacks, because epoll_event is packed and epoll_data a union. */
static inline int csystem_epoll_wait(int epoll, uint64_t *tokens, uint32_t *events, int capacity,
                                     int timeout_ms) {
    struct epoll_event ready[256];
    if (capacity > 256) capacity = 256;
    int count = epoll_wait(epoll, ready, capacity, timeout_ms);
    for (int i = 0; i < count; i++) {
        tokens[i] = ready[i].data.u64;
        events[i] = ready[i].events;
    }
    return count;
}

/* sys/eventfd.h: a non-blocking, close-on-exec counter that wakes a poller. */
static inline int csystem_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

/* sys/socket.h: accept4 with SOCK_NONBLOCK | SOCK_CLOEXEC. */
static inline int csystem_accept(int listener, struct sockaddr *address, socklen_t *length) {
    return accept4(listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* sys/socket.h: a stream socket that neither blocks nor outlives an exec. */
static inline int csystem_client_socket(int family) {
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* unistd.h: a pipe whose both ends close on exec. */
static inline int csystem_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

/* pthread.h: a name of at most 15 bytes, for ps and debuggers. */
static inline int csystem_name_thread(pthread_t thread, const char *name) {
    return pthread_setname_np(thread, name);
}

/* spawn.h: the child closes every descriptor from `lowest` on (glibc 2.34). */
static inline int csystem_spawn_close_from(posix_spawn_file_actions_t *actions, int lowest) {
    return posix_spawn_file_actions_addclosefrom_np(actions, lowest);
}

/* spawn.h: the child begins in the folder `path` (glibc 2.29). */
static inline int csystem_spawn_change_to(posix_spawn_file_actions_t *actions, const char *path) {
    return posix_spawn_file_actions_addchdir_np(actions, path);
}

/* sys/prctl.h: 0 keeps other processes of the same user out of this one, and core dumps off. */
static inline int csystem_set_dumpable(int dumpable) {
    return prctl(PR_SET_DUMPABLE, (unsigned long)dumpable, 0UL, 0UL, 0UL);
}

static inline int csystem_is_dumpable(void) { return prctl(PR_GET_DUMPABLE, 0UL, 0UL, 0UL, 0UL); }

/* sys/prctl.h: descendants that lose their parents become children of this process. */
static inline int csystem_adopt_orphans(void) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL);
}

/* sys/mman.h: a file in memory that closes on exec, MFD_CLOEXEC (glibc 2.27). */
static inline int csystem_memory_file(const char *name) { return memfd_create(name, 1U); }
#endif
