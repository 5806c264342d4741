#ifndef WF_TESTS_CONFORMANCE_CONFORMANCE_H
#define WF_TESTS_CONFORMANCE_CONFORMANCE_H

/* One contract, several drivers: what a scenario writes down is the same on each.
 *
 *     scenario ──> epoll ──────────> log ──┐
 *              ──> io_uring ───────> log ──┤ equal, byte for byte,
 *              ──> … of Linux 6.6 ─> log ──┤ and what is expected
 *              ──> … 6.1, 5.15 ────> log ──┤
 *              ──> … that is keen ─> log ──┘     receives by one entry for many wherever it can
 *
 * A scenario is given an open driver, whose name it does not know: it asks for operations and says
 * what came of them. It may say only what io/io.h promises. Not promised, and so never in a log:
 * whether a result comes at once or by done(), whether a cancel is done at once, in which order
 * operations of different descriptors end, how much of a send a full socket takes.
 *
 * Beside the logs each driver is held to this at each call: done() comes from wait() alone; what
 * waited has ended once, by its done() or by a cancel that said so; after the scenario nothing is
 * open, lent or pending.
 *
 * To add one: a function, and a line in the array of its file. `expected` is the log; a line "..."
 * in it stands for any lines. */

#include "../io/io_test.h"
#include "journal.h"

#include "base/compiler.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <weft/error.h>
#include <weft/loop.h>

struct scene {
    struct world world; /* the driver, behind a table that watches it */
    struct journal journal;
    int number; /* of the driver: scene_open() */
};

struct scenario {
    const char *name;
    void (*play)(struct scene *scene);
    const char *expected;
    struct wf_io_options options;
};

/* All scenarios on all drivers; the program's exit status. */
int conformance(const char *name, const struct scenario *scenarios, size_t count);

/* One more driver of the scene's kind. world_close() closes it. Errors: the driver's; -ENOSYS and
 * the like: there is none on this machine. *reason says why. */
int scene_open(const struct scene *scene, struct world *world, struct wf_io_options options,
               const char **reason);

/* weft_run() on such a driver, in virtual time: the scene is fn's argument. */
void scene_run(struct scene *scene, weft_fn *fn);

/* Add a line to the log. */
void say(struct scene *scene, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "5", "-ECONNRESET"; good until the eighth call after this one. */
const char *name_of(int64_t result);

/* Connections. */

struct kind {
    const char *name;
    make_pair_fn *make;
    bool stays_full; /* until the peer takes something; TCP may find room by itself */
};

/* Without the pauses that Nagle's algorithm and delayed acknowledgements make together. */
static inline void make_prompt_tcp_pair(struct world *world, struct wf_descriptor *ours, int *peer)
{
    int on = 1;
    make_tcp_pair(world, ours, peer);
    setsockopt(ours->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(*peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static const struct kind kinds[] = { { "unix", make_pair, true },
                                     { "tcp", make_prompt_tcp_pair, false } };

#define EACH_KIND(kind)                                                                            \
    for (const struct kind *kind = kinds; kind < kinds + WF_ARRAY_SIZE(kinds); kind++)

/* The message of most scenarios: its bytes tell their place. */
enum { MESSAGE = 64 };
static const char message[MESSAGE + 1] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-";

/* Operations, to their end. */

static inline int64_t receive(struct scene *scene, struct wf_descriptor *from, void *data,
                              size_t size)
{
    struct probe probe = { 0 };
    return settle(&scene->world, &probe, submit_recv(&scene->world, &probe, from, data, size));
}

/* Into a block, of which the bytes are copied. */
static inline int64_t receive_lent(struct scene *scene, struct wf_descriptor *from, void *data,
                                   size_t size)
{
    struct probe probe = { 0 };
    int64_t result = settle(&scene->world, &probe, submit_lend(&scene->world, &probe, from));
    if (result <= 0)
        return result;
    assert_in_range(result, 1, size);
    assert_in_range(result, 1, probe.op.lend.capacity);
    memcpy(data, probe.op.lend.data, (size_t)result);
    scene->world.ops->lend_return(scene->world.io, probe.op.lend.data);
    return result;
}

typedef int64_t receive_fn(struct scene *scene, struct wf_descriptor *from, void *data,
                           size_t size);

static inline int64_t send_some(struct scene *scene, struct wf_descriptor *to, const void *data,
                                size_t size)
{
    struct probe probe = { 0 };
    struct iovec vector = { (void *)(uintptr_t)data, size };
    return settle(&scene->world, &probe, submit_send(&scene->world, &probe, to, &vector, 1));
}

/* All of it; else the error that came before. */
static inline int64_t send_all(struct scene *scene, struct wf_descriptor *to, const void *data,
                               size_t size)
{
    size_t sent = 0;
    while (sent < size) {
        int64_t result = send_some(scene, to, (const char *)data + sent, size - sent);
        if (result < 0)
            return result;
        sent += (size_t)result;
    }
    return (int64_t)sent;
}

/* Until `size` bytes are there, or the end or an error, which is *last then; else that is 1. */
static inline size_t receive_all(struct scene *scene, receive_fn *receive_some,
                                 struct wf_descriptor *from, char *data, size_t size, int64_t *last)
{
    size_t count = 0;
    *last = 1;
    while (count < size) {
        *last = receive_some(scene, from, data + count, size - count);
        if (*last <= 0)
            break;
        count += (size_t)*last;
        *last = 1;
    }
    return count;
}

/* Until the socket takes no more: how many bytes it took. */
static inline size_t fill(struct scene *scene, struct wf_descriptor *to)
{
    static const char block[4096];
    struct iovec vector = { (void *)(uintptr_t)block, sizeof block };
    struct probe probe = { .op.now = true };
    size_t size = 0;
    int64_t result;
    while ((result = submit_send(&scene->world, &probe, to, &vector, 1)) > 0)
        size += (size_t)result;
    assert_int_equal(result, -EAGAIN);
    return size;
}

/* Cancel what may have ended, and see it end: its result. Whether the driver can tell at once is
 * its own affair. */
static inline int64_t give_up(struct scene *scene, struct probe *probe)
{
    if (probe->op.pending && scene->world.ops->cancel(scene->world.io, &probe->op))
        return -ECANCELED;
    return finish(&scene->world, probe);
}

/* Have a ring look for what the kernel has done meanwhile, without a wait that would deliver it: it
 * does so when a poll is given up. */
static inline void look_in(struct scene *scene)
{
    struct probe probe = { 0 };
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(submit_poll(&scene->world, &probe, ends[0], WF_POLL_READ), WF_PENDING);
    assert_int_equal(give_up(scene, &probe), -ECANCELED);
    close(ends[0]);
    close(ends[1]);
}

/* Release, by a number that is open before and not after. */
static inline void release(struct scene *scene, struct wf_descriptor *descriptor)
{
    int fd = descriptor->fd;
    assert_true(fcntl(fd, F_GETFD) >= 0);
    scene->world.ops->release(scene->world.io, descriptor);
    assert_int_equal(descriptor->fd, -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* The other end: plain calls, which wait. */

static inline void peer_gives(int peer, const void *data, size_t size)
{
    assert_int_equal(send(peer, data, size, MSG_NOSIGNAL), size);
}

/* What comes within PATIENCE; -ETIMEDOUT: nothing does. */
static inline int64_t peer_hears(int peer, void *data, size_t size)
{
    struct pollfd asked = { .fd = peer, .events = POLLIN };
    int ready;
    do
        ready = poll(&asked, 1, PATIENCE / WEFT_MILLISECOND);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        return -ETIMEDOUT;
    ssize_t count = recv(peer, data, size, MSG_DONTWAIT);
    return count < 0 ? -errno : count;
}

/* `size` bytes, or fewer before an end or an error, which is *last then; else that is 1. */
static inline size_t peer_hears_all(int peer, char *data, size_t size, int64_t *last)
{
    size_t count = 0;
    *last = 1;
    while (count<size && * last> 0) {
        *last = peer_hears(peer, data + count, size - count);
        count += *last > 0 ? (size_t)*last : 0;
    }
    return count;
}

/* `size` bytes, whatever they are. */
static inline void peer_takes(int peer, size_t size)
{
    static char block[65536];
    int64_t last;
    for (size_t part; size > 0; size -= part) {
        part = size < sizeof block ? size : sizeof block;
        assert_int_equal(peer_hears_all(peer, block, part, &last), part);
    }
}

/* Close so that the other end hears of a reset and of no end: by TCP, behind what the peer gave,
 * which has come; a Unix socket resets where there is something that it has not read. */
static inline void peer_resets(int peer)
{
    struct linger now = { .l_onoff = 1 };
    int family = 0, left = 1;
    socklen_t size = sizeof family;
    getsockopt(peer, SOL_SOCKET, SO_DOMAIN, &family, &size);
    while (family == AF_INET && ioctl(peer, SIOCOUTQ, &left) == 0 && left > 0)
        sched_yield();
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(peer);
}

/* A sum that knows the order of its bytes. */
static inline uint32_t sum_of(uint32_t sum, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 16777619u;
    return sum;
}

#define SUM_OF_NOTHING 2166136261u

#endif
