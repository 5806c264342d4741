#ifndef WF_TESTS_SYNC_CALLS_H
#define WF_TESTS_SYNC_CALLS_H

/* Calls that wait, each in a task of its own: what the tests of synchronisation are made of.
 *
 *     struct call c = { .fn = lock, .object = &mutex };
 *     begin(&c);                   runs until it waits
 *     assert_true(c.waits);
 *     …                            whatever lets it go on
 *     assert_int_equal(end(&c), 0);
 *
 * Letters in the trace say in which order calls came back. */

#include "base/model.h"
#include "core/core_test.h"

#include <weft/await.h>
#include <weft/future.h>
#include <weft/local.h>

struct call {
    int64_t (*fn)(struct call *call);
    void *object;
    void *item;
    const char *letter; /* noted when it has come back */
    weft_task *task;
    int64_t result;
    bool waits;
};

static inline int call_body(void *arg)
{
    struct call *call = arg;
    call->waits = true;
    call->result = call->fn(call);
    call->waits = false;
    if (call->letter)
        note(call->letter);
    return 0;
}

/* It runs up to where it waits. */
static inline void begin(struct call *call)
{
    call->task = NULL;
    call->result = 1 << 30;
    assert_int_equal(
        weft_spawn(weft_background(), call_body, call, .task = &call->task, .eager = true), 0);
}

/* Everybody who can go on has done so. */
static inline void settle(void)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(weft_sleep(0), 0);
}

/* What it has returned. */
static inline int64_t end(struct call *call)
{
    assert_non_null(call->task);
    assert_int_equal(weft_await(call->task), 0);
    weft_task_release(call->task);
    call->task = NULL;
    return call->result;
}

static inline void cancel(struct call *call)
{
    weft_task_cancel(call->task, "the test");
}

/* What a dump would say that it waits for. */
static inline void expect_waits_for(const struct call *call, const char *part)
{
    char text[256];
    assert_true(call->waits);
    wf_wait_describe(call->task->parked, text, sizeof text);
    if (!strstr(text, part))
        fail_msg("expected '%s' in: %s", part, text);
}

/* Another thread, with a loop of its own. */

struct elsewhere {
    weft_fn *fn;
    void *arg;
    int result;
};

static inline void *run_elsewhere(void *arg)
{
    struct elsewhere *elsewhere = arg;
    elsewhere->result = run(elsewhere->fn, elsewhere->arg);
    return NULL;
}

static inline int on_another_thread(weft_fn *fn, void *arg)
{
    struct elsewhere elsewhere = { fn, arg, 0 };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, &elsewhere), 0);
    pthread_join(thread, NULL);
    return elsewhere.result;
}

/* How many operations a property test makes. */
static inline int operations(int usual)
{
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    return text ? atoi(text) : usual;
}

#endif
