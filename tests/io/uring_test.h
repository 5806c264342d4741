#ifndef WF_TEST_URING_H
#define WF_TEST_URING_H

/* A world whose driver is io_uring's, and what is inside of it. */

#include "io_test.h"

#include "io/uring_inside.h"

static inline struct wf_uring *inside(struct world *world)
{
    return wf_container(world->io, struct wf_uring, base);
}

static inline void open_ring(struct world *world, struct wf_io_options options)
{
    const char *reason = NULL;
    world->fds = count_fds();
    assert_int_equal(wf_inbox_new(&world->inbox), 0);
    options.inbox = world->inbox;
    assert_int_equal(wf_io_open("uring", &options, &world->io, &world->ops, &reason), 0);
    assert_non_null(reason);
}

static inline long operations(long otherwise)
{
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    return text ? strtol(text, NULL, 10) : otherwise;
}

/* Connections that are received from by one entry for many, where the kernel can. */

static inline struct wf_slot *slot_of(struct world *world, const struct echo *echo)
{
    return &inside(world)->slots.all[echo->descriptor.fd];
}

static inline bool can(struct world *world)
{
    return inside(world)->can & WF_URING_RECEIVES_MANY;
}

/* One message, read by who waits for it. */
static inline void talk(struct world *world, struct echo *echo, const char *text)
{
    assert_int_equal(echo_recv(world, echo), WF_PENDING);
    drain(world);
    peer_send(echo->peer, text);
    assert_int_equal(finish(world, &echo->probe), strlen(text));
    assert_memory_equal(echo->data, text, strlen(text));
}

/* Two small messages, and a reader who waits for the third. */
static inline void begin(struct world *world, struct echo *echo)
{
    talk(world, echo, "one");
    assert_false(slot_of(world, echo)->armed);
    talk(world, echo, "two");
    assert_false(slot_of(world, echo)->armed);
    assert_int_equal(echo_recv(world, echo), WF_PENDING);
    drain(world);
    assert_int_equal(slot_of(world, echo)->armed, can(world));
}

/* The same, and nobody reads. */
static inline void begin_alone(struct world *world, struct echo *echo)
{
    begin(world, echo);
    take_back(world, &echo->probe);
}

static inline void open_armed(struct world *world, struct echo *echo, make_pair_fn *make)
{
    open_ring(world, (struct wf_io_options){ 0 });
    echo_open(world, echo, make);
    begin_alone(world, echo);
}

static inline void close_all(struct world *world, struct echo *echo)
{
    echo_close(world, echo);
    world_close(world);
}

static inline int64_t read_next(struct world *world, struct echo *echo)
{
    return settle(world, &echo->probe, echo_recv(world, echo));
}

static inline void hear(struct world *world, struct echo *echo, const char *text)
{
    assert_int_equal(read_next(world, echo), strlen(text));
    assert_memory_equal(echo->data, text, strlen(text));
}

static inline void hear_in_pieces(struct world *world, struct echo *echo, const char *text)
{
    for (size_t heard = 0; heard < strlen(text);) {
        int64_t size = read_next(world, echo);
        assert_true(size > 0 && (size_t)size <= strlen(text) - heard);
        assert_memory_equal(echo->data, text + heard, (size_t)size);
        heard += (size_t)size;
    }
}

static inline void hang_up(struct echo *echo, bool reset)
{
    struct linger now = { .l_onoff = 1 };
    if (reset)
        setsockopt(echo->peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(echo->peer);
    echo->peer = -1;
}

#endif
