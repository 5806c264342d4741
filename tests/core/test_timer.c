/* The timer wheel against a sorted model: hazard 10. */

#include "base/memory.h"
#include "base/random.h"
#include "core/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/define.h>

#include <cmocka.h>

static struct wf_timers timers;

static void nothing(struct wf_timer *timer)
{
    (void)timer;
}

/* Advance to `now` and collect what fires. */
static size_t fire(int64_t now, struct wf_timer **out, size_t max)
{
    size_t n = 0;
    wf_timers_advance(&timers, now);
    for (struct wf_timer *t; n < max && (t = wf_timers_pop(&timers, now));)
        out[n++] = t;
    return n;
}

static void test_timer_equal_deadlines_fire_in_order_of_setting(void **state)
{
    (void)state;
    enum { N = 200 };
    struct wf_timer set[N], *fired[N];
    wf_timers_init(&timers, WEFT_SECOND);
    for (int i = 0; i < N; i++) {
        wf_timer_init(&set[i], nothing);
        /* The same deadline, set from different distances: through different levels. */
        wf_timer_add(&timers, &set[i], 100 * WEFT_SECOND);
        wf_timers_advance(&timers, WEFT_SECOND + i * 400 * WEFT_MILLISECOND);
    }
    assert_int_equal(fire(100 * WEFT_SECOND - 1, fired, N), 0);
    assert_int_equal(fire(100 * WEFT_SECOND, fired, N), N);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(fired[i], &set[i]);
}

static void test_timer_next_is_exact_without_cancels(void **state)
{
    (void)state;
    static const int64_t distances[] = {
        1,           50 * WEFT_MICROSECOND, WEFT_MILLISECOND, 5 * WEFT_MILLISECOND,
        WEFT_SECOND, WEFT_MINUTE,           24 * WEFT_HOUR,   (int64_t)1 << 52
    };
    for (size_t i = 0; i < sizeof distances / sizeof *distances; i++) {
        struct wf_timer timer, *fired;
        int64_t start = 12345678901;
        wf_timers_init(&timers, start);
        wf_timer_init(&timer, nothing);
        wf_timer_add(&timers, &timer, start + distances[i]);
        assert_int_equal(wf_timers_next(&timers), start + distances[i]);
        assert_int_equal(fire(start + distances[i] - 1, &fired, 1), 0);
        assert_int_equal(wf_timers_next(&timers), start + distances[i]);
        assert_int_equal(fire(start + distances[i], &fired, 1), 1);
        assert_int_equal(wf_timers_next(&timers), WEFT_FOREVER);
    }
}

static void test_timer_extreme_deadlines_are_accepted(void **state)
{
    (void)state;
    struct wf_timer never, past, *fired;
    wf_timers_init(&timers, WEFT_SECOND);
    wf_timer_init(&never, nothing);
    wf_timer_init(&past, nothing);
    wf_timer_add(&timers, &never, INT64_MAX);
    wf_timer_add(&timers, &past, INT64_MIN);
    assert_int_equal(fire(WEFT_SECOND, &fired, 1), 1);
    assert_ptr_equal(fired, &past);
    assert_int_equal(fire(INT64_MAX - 1, &fired, 1), 0);
    assert_int_equal(fire(INT64_MAX, &fired, 1), 1);
    assert_ptr_equal(fired, &never);
}

static void test_timer_set_while_firing_waits_for_the_next_advance(void **state)
{
    (void)state;
    struct wf_timer a, b;
    wf_timers_init(&timers, 0);
    wf_timer_init(&a, nothing);
    wf_timer_init(&b, nothing);
    wf_timer_add(&timers, &a, 10);
    wf_timers_advance(&timers, 20);
    assert_ptr_equal(wf_timers_pop(&timers, 20), &a);
    wf_timer_add(&timers, &b, 5);
    assert_null(wf_timers_pop(&timers, 20));
    assert_int_equal(wf_timers_next(&timers), 5);
    wf_timers_advance(&timers, 20);
    assert_ptr_equal(wf_timers_pop(&timers, 20), &b);
}

/* The model: an array of (deadline, sequence), searched for its minimum by sorting. */

struct modelled {
    struct wf_timer timer;
    int64_t deadline;
    uint64_t order;
    bool armed;
};

static int by_deadline(const void *left, const void *right)
{
    const struct modelled *a = *(struct modelled *const *)left,
                          *b = *(struct modelled *const *)right;
    if (a->deadline != b->deadline)
        return a->deadline < b->deadline ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static int64_t random_distance(struct wf_random *random)
{
    static const unsigned bits[] = { 4, 12, 16, 17, 20, 22, 23, 27, 30, 36, 44 };
    unsigned n = bits[wf_random_below(random, sizeof bits / sizeof *bits)];
    return (int64_t)wf_random_below(random, UINT64_C(1) << n) - 20;
}

static void expect_like_model(struct modelled *all, size_t count, int64_t now)
{
    struct modelled **due = malloc(count * sizeof *due);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (all[i].armed && all[i].deadline <= now)
            due[n++] = &all[i];
    qsort(due, n, sizeof *due, by_deadline);
    wf_timers_advance(&timers, now);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(wf_timers_pop(&timers, now), &due[i]->timer);
        due[i]->armed = false;
    }
    assert_null(wf_timers_pop(&timers, now));
    free(due);
}

static void test_timer_random_operations_match_the_model(void **state)
{
    (void)state;
    const char *text = getenv("WEFT_SEED"), *operations = getenv("WEFT_TEST_OPERATIONS");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 20261123;
    long left = operations ? strtol(operations, NULL, 10) : 100000;
    printf("repeat with WEFT_SEED=%llu WEFT_TEST_OPERATIONS=%ld\n", (unsigned long long)seed, left);

    enum { N = 300 };
    static struct modelled all[N];
    struct wf_random random;
    int64_t now = 1000 * WEFT_SECOND;
    uint64_t order = 0;
    wf_random_seed(&random, seed);
    wf_timers_init(&timers, now);
    for (size_t i = 0; i < N; i++) {
        wf_timer_init(&all[i].timer, nothing);
        all[i].armed = false;
    }
    for (; left > 0; left--) {
        struct modelled *m = &all[wf_random_below(&random, N)];
        if (wf_random_below(&random, 50) == 0) {
            now += 20 + random_distance(&random);
            assert_true(wf_timers_next(&timers) > now || timers.count > 0);
            expect_like_model(all, N, now);
        } else if (m->armed) {
            wf_timer_cancel(&timers, &m->timer);
            m->armed = false;
        } else {
            m->deadline = now + random_distance(&random);
            m->order = order++;
            m->armed = true;
            wf_timer_add(&timers, &m->timer, m->deadline);
        }
        for (size_t i = left % 64 == 0 ? 0 : N; i < N; i++)
            if (all[i].armed)
                assert_true(wf_timers_next(&timers) <= all[i].deadline);
    }
}

static void test_timer_a_million_due_together_cost_linear_time(void **state)
{
    (void)state;
    enum { N = 1000000 };
    struct wf_timer *set = calloc(N, sizeof *set);
    wf_timers_init(&timers, 0);
    for (size_t i = 0; i < N; i++) {
        wf_timer_init(&set[i], nothing);
        wf_timer_add(&timers, &set[i], WEFT_SECOND);
    }
    wf_timers_advance(&timers, WEFT_SECOND);
    for (size_t i = 0; i < N; i++)
        assert_ptr_equal(wf_timers_pop(&timers, WEFT_SECOND), &set[i]);
    /* The worst order: each earlier than the one before, all in one tick that is already over. */
    for (size_t i = 0; i < N; i++)
        wf_timer_add(&timers, &set[i], WEFT_SECOND - (int64_t)i);
    wf_timers_advance(&timers, WEFT_SECOND);
    for (size_t i = N; i-- > 0;)
        assert_ptr_equal(wf_timers_pop(&timers, WEFT_SECOND), &set[i]);
    free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer_equal_deadlines_fire_in_order_of_setting),
        cmocka_unit_test(test_timer_next_is_exact_without_cancels),
        cmocka_unit_test(test_timer_extreme_deadlines_are_accepted),
        cmocka_unit_test(test_timer_set_while_firing_waits_for_the_next_advance),
        cmocka_unit_test(test_timer_random_operations_match_the_model),
        cmocka_unit_test(test_timer_a_million_due_together_cost_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
