#ifndef WF_TESTS_CORE_STACKLESS_TEST_H
#define WF_TESTS_CORE_STACKLESS_TEST_H

/* What the tests of stackless tasks share: one that counts and notes what it is told. */

#include "core/stackless.h"
#include "core_test.h"

#include <weft/future.h>

/* A stackless task of the tests: it counts, and notes what its steps were told. */
struct counter {
    char before[8]; /* self is not the first member */
    weft_stackless self;
    int left;
    int code;           /* what it ends with */
    void *object;       /* what it waits for */
    const char *letter; /* noted by each step */
};

static int dropped;

static inline struct counter *counter_of(weft_stackless *self)
{
    return weft_stackless_of(self, struct counter, self);
}

static inline void count_drop(weft_stackless *self)
{
    (void)self;
    dropped++;
}

static inline void free_counter(weft_stackless *self)
{
    dropped++;
    free(counter_of(self));
}

static inline void note_result(const char *letter, int64_t result)
{
    char text[40];
    snprintf(text, sizeof text, "%s%d ", letter, (int)result);
    note(text);
}

/* Sleeps a second `left` times, then ends with `code`; ends with an error that it is told. */
static inline int tick(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    if (counter->letter)
        note_result(counter->letter, result);
    if (result < 0)
        return (int)result;
    if (counter->left-- == 0)
        return counter->code;
    return weft_then_sleep(self, SECOND, tick);
}

static const weft_stackless_kind ticker = WEFT_STACKLESS(tick, count_drop);
static const weft_stackless_kind freed = WEFT_STACKLESS(tick, free_counter, .name = "freed");

/* Awaits its object `left` times and once more. */
static inline int await_object(weft_stackless *self, int64_t result);

static inline int after_await(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    note_result(counter->letter, result);
    return counter->left-- > 0 ? await_object(self, 0) : counter->code;
}

static inline int await_object(weft_stackless *self, int64_t result)
{
    assert_int_equal(result, 0);
    return weft_then_await(self, (weft_awaitable *)counter_of(self)->object, after_await);
}

static const weft_stackless_kind awaiter = WEFT_STACKLESS(await_object, count_drop);

static inline int stackless_setup(void **state)
{
    dropped = 0;
    return core_setup(state);
}

#define stackless_test(function)                                                                   \
    cmocka_unit_test_setup_teardown(function, stackless_setup, core_teardown)

#endif
