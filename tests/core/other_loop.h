#ifndef WF_TESTS_CORE_OTHER_LOOP_H
#define WF_TESTS_CORE_OTHER_LOOP_H

/* A loop on a thread of its own, in virtual time, for tests that cross threads. It lives until it
 * is told to stop, and the test keeps a reference on it. */

#include "core/core_test.h"

#include <semaphore.h>
#include <weft/future.h>

struct other_loop {
    pthread_t thread;
    sem_t ready;
    weft_loop *loop;
    weft_future *stop; /* its thread's */
    uint32_t posts_max;
    int64_t grace;
    int result;
};

static inline int other_main(void *arg)
{
    struct other_loop *other = arg;
    other->stop = weft_future_new();
    other->loop = weft_loop_retain(weft_loop_current());
    sem_post(&other->ready);
    int err = weft_await(other->stop);
    weft_future_release(other->stop);
    return err;
}

static inline void *other_thread(void *arg)
{
    struct other_loop *other = arg;
    other->result = weft_run(other_main, other, .clock = WEFT_CLOCK_TEST, .no_signals = true,
                             .posts_max = other->posts_max, .grace = other->grace);
    return NULL;
}

static inline void other_start(struct other_loop *other)
{
    sem_init(&other->ready, 0, 0);
    assert_int_equal(pthread_create(&other->thread, NULL, other_thread, other), 0);
    sem_wait(&other->ready);
}

static inline void set_stop(void *future)
{
    weft_future_set(future, NULL);
}

/* Its main ends; who looks sees it closed only after other_join(). */
static inline void other_stop(struct other_loop *other)
{
    assert_int_equal(weft_post(other->loop, set_stop, other->stop), 0);
}

static inline void other_join(struct other_loop *other, int result)
{
    pthread_join(other->thread, NULL);
    sem_destroy(&other->ready);
    assert_int_equal(other->result, result);
}

static inline void other_end(struct other_loop *other)
{
    other_stop(other);
    other_join(other, 0);
    weft_loop_release(other->loop);
}

#endif
