#ifndef WF_TEST_IO_H
#define WF_TEST_IO_H

/* A driver to test, operations that note what became of them, and sockets to play with. Each world
 * ends as it began: no descriptor more, no lent block, nothing pending. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "io/clock.h"
#include "io/fault.h"
#include "io/io.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weft/define.h>

#define PATIENCE (20 * WEFT_SECOND) /* a test that waits so long has failed */

static inline int count_fds(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

struct world {
    struct wf_inbox *inbox;
    struct wf_io *io;
    const struct wf_io_ops *ops;
    int fds; /* open before */
};

static inline void world_open_with(struct world *world, struct wf_io_options options)
{
    const char *reason = NULL;
    world->fds = count_fds();
    assert_int_equal(wf_inbox_new(&world->inbox), 0);
    options.inbox = world->inbox;
    const char *driver = getenv("WEFT_BACKEND") ? NULL : "epoll";
    assert_int_equal(wf_io_open(driver, &options, &world->io, &world->ops, &reason), 0);
    assert_non_null(reason);
}

/* Where the drivers differ, and may. */
static inline bool on_uring(const struct world *world)
{
    return strcmp(world->ops->name, "uring") == 0;
}

static inline void world_open(struct world *world)
{
    world_open_with(world, (struct wf_io_options){ 0 });
}

/* What a world of this program has. */
static inline bool opens_uring(void)
{
    struct world world;
    world_open(&world);
    bool is = on_uring(&world);
    world.ops->close(world.io);
    wf_inbox_release(world.inbox);
    return is;
}

static inline void world_close(struct world *world)
{
    world->ops->close(world->io);
    wf_inbox_release(world->inbox);
    assert_int_equal(count_fds(), world->fds);
}

/* An operation and what became of it. */
struct probe {
    struct wf_op op;
    int calls;
    int64_t result;
    void (*then)(struct probe *probe); /* after it was noted */
    void *with;
};

static inline void note(struct wf_op *op, int64_t result)
{
    struct probe *probe = wf_container(op, struct probe, op);
    probe->calls++;
    probe->result = result;
    if (probe->then)
        probe->then(probe);
}

static inline int64_t submit(struct world *world, struct probe *probe)
{
    probe->op.done = note;
    probe->calls = 0;
    int64_t result = world->ops->submit(world->io, &probe->op);
    assert_true(probe->op.pending == (result == WF_PENDING));
    return result;
}

static inline int64_t submit_recv(struct world *world, struct probe *probe,
                                  struct wf_descriptor *descriptor, void *data, size_t size)
{
    probe->op.code = WF_OP_RECV;
    probe->op.descriptor = descriptor;
    probe->op.recv.data = data;
    probe->op.recv.size = size;
    return submit(world, probe);
}

static inline int64_t submit_lend(struct world *world, struct probe *probe,
                                  struct wf_descriptor *descriptor)
{
    probe->op.code = WF_OP_RECV_LEND;
    probe->op.descriptor = descriptor;
    return submit(world, probe);
}

static inline int64_t submit_send(struct world *world, struct probe *probe,
                                  struct wf_descriptor *descriptor, const struct iovec *vector,
                                  int count)
{
    probe->op.code = WF_OP_SEND;
    probe->op.descriptor = descriptor;
    probe->op.send.vector = vector;
    probe->op.send.count = count;
    return submit(world, probe);
}

static inline int64_t submit_accept(struct world *world, struct probe *probe,
                                    struct wf_descriptor *descriptor)
{
    probe->op.code = WF_OP_ACCEPT;
    probe->op.descriptor = descriptor;
    return submit(world, probe);
}

static inline int64_t submit_connect(struct world *world, struct probe *probe,
                                     struct wf_descriptor *descriptor, const void *address,
                                     socklen_t size)
{
    probe->op.code = WF_OP_CONNECT;
    probe->op.descriptor = descriptor;
    probe->op.connect.address = address;
    probe->op.connect.size = size;
    return submit(world, probe);
}

static inline int64_t submit_poll(struct world *world, struct probe *probe, int fd,
                                  unsigned interest)
{
    probe->op.code = WF_OP_POLL;
    probe->op.poll.fd = fd;
    probe->op.poll.interest = interest;
    return submit(world, probe);
}

/* Wait until it is done, and give its result. */
static inline int64_t finish(struct world *world, struct probe *probe)
{
    struct wf_clock clock;
    wf_clock_init(&clock, false);
    int64_t limit = wf_clock_now(&clock) + PATIENCE;
    while (probe->calls == 0) {
        assert_true(probe->op.pending);
        assert_true(wf_clock_now(&clock) < limit);
        world->ops->wait(world->io, PATIENCE);
    }
    assert_int_equal(probe->calls, 1);
    assert_false(probe->op.pending);
    return probe->result;
}

/* The result of a submit, at once or later. */
static inline int64_t settle(struct world *world, struct probe *probe, int64_t result)
{
    return result == WF_PENDING ? finish(world, probe) : result;
}

/* Take it back, which may be done at once or later. */
static inline void take_back(struct world *world, struct probe *probe)
{
    assert_true(probe->op.pending);
    if (!world->ops->cancel(world->io, &probe->op))
        assert_int_equal(finish(world, probe), -ECANCELED);
    assert_false(probe->op.pending);
}

/* Let everything that the kernel has to say arrive. */
static inline void drain(struct world *world)
{
    for (int i = 0; i < 8; i++) /* io_uring brings some twenty at a time */
        world->ops->wait(world->io, 0);
}

static inline void attach(struct world *world, struct wf_descriptor *descriptor, int fd)
{
    memset(descriptor, 0, sizeof *descriptor);
    assert_int_equal(world->ops->attach(world->io, descriptor, fd), 0);
}

/* Ours is attached; the peer is a plain, non-blocking number. */
static inline void make_pair(struct world *world, struct wf_descriptor *ours, int *peer)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    attach(world, ours, fds[0]);
    *peer = fds[1];
}

static inline int make_tcp(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

/* This machine, by an address of this process: a port that is free again is nobody else's, and
 * nobody else's client comes. */
static inline struct sockaddr_in own_address(void)
{
    uint32_t host = INADDR_LOOPBACK + (uint32_t)getpid(); /* of 127.0.0.0/8 */
    return (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(host) };
}

static inline int make_tcp_listener(struct sockaddr_in *address)
{
    int fd = make_tcp();
    socklen_t size = sizeof *address;
    *address = own_address();
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

static inline void attach_listener(struct world *world, struct wf_descriptor *listener,
                                   struct sockaddr_in *address)
{
    memset(listener, 0, sizeof *listener);
    listener->listening = true;
    assert_int_equal(world->ops->attach(world->io, listener, make_tcp_listener(address)), 0);
}

/* Both ends of one TCP connection over loopback; ours is attached. */
static inline void make_tcp_pair(struct world *world, struct wf_descriptor *ours, int *peer)
{
    struct sockaddr_in address;
    int listener = make_tcp_listener(&address);
    *peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(*peer, (struct sockaddr *)&address, sizeof address), 0);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    close(listener);
    attach(world, ours, fd);
}

typedef void make_pair_fn(struct world *world, struct wf_descriptor *ours, int *peer);

static inline void peer_send(int peer, const char *text)
{
    assert_int_equal(send(peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline const struct wf_io_counters *counters(struct world *world)
{
    return world->ops->counters(world->io);
}

/* A connection that we echo on, and its other end. */
struct echo {
    struct probe probe;
    struct wf_descriptor descriptor;
    int peer;
    char data[256];
};

static inline void echo_open(struct world *world, struct echo *echo, make_pair_fn *make)
{
    memset(echo, 0, sizeof *echo);
    make(world, &echo->descriptor, &echo->peer);
}

static inline void echo_close(struct world *world, struct echo *echo)
{
    echo->probe.then = NULL;
    if (echo->probe.op.pending)
        take_back(world, &echo->probe);
    world->ops->release(world->io, &echo->descriptor);
    assert_int_equal(echo->descriptor.fd, -1);
    if (echo->peer >= 0)
        close(echo->peer);
}

static inline int64_t echo_recv(struct world *world, struct echo *echo)
{
    return submit_recv(world, &echo->probe, &echo->descriptor, echo->data, sizeof echo->data);
}

/* Send all of what was received, which fits, so at once. */
static inline void echo_send(struct world *world, struct echo *echo, int64_t size)
{
    struct probe probe = { 0 };
    struct iovec vector = { echo->data, (size_t)size };
    int64_t result = submit_send(world, &probe, &echo->descriptor, &vector, 1);
    assert_int_equal(settle(world, &probe, result), size);
}

/* Read what has come, which must go on counting from *next. */
static inline void drain_peer(int peer, unsigned char *next, size_t *count)
{
    unsigned char data[8192];
    ssize_t received;
    while ((received = recv(peer, data, sizeof data, MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < received; i++)
            assert_int_equal(data[i], (*next)++);
        *count += (size_t)received;
    }
}

#endif
