/* Very many at once: tasks that sleep, timers, callbacks; they are due, or cancelled, and go.
 * 20,000 here, a million in the long form (WEFT_TEST_OPERATIONS). */

#include "core_test.h"

#include "base/random.h"

#include <stdlib.h>

static long crowd_size(void)
{
    const char *value = getenv("WEFT_TEST_OPERATIONS");
    return value ? strtol(value, NULL, 10) : 20000;
}

static int64_t last_due; /* nobody wakes before who was due earlier */
static long woken, out_of_order;

static int sleep_until(void *arg)
{
    int64_t due = *(int64_t *)arg;
    int err = weft_sleep_until(due);
    if (err < 0)
        return err;
    out_of_order += due < last_due || weft_now() < due;
    last_due = due;
    woken++;
    return 0;
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    int err = weft_sleep(WEFT_FOREVER);
    woken++;
    return err;
}

static void spawn_all(weft_scope *s, long count, struct wf_random *dice)
{
    for (long i = 0; i < count; i++) {
        int64_t due = weft_now() + SECOND + (int64_t)wf_random_below(dice, 1000) * MILLISECOND;
        assert_int_equal(weft_spawn(s, sleep_until, &due, .copy = sizeof due), 0);
    }
}

static int due_main(void *arg)
{
    long count = *(long *)arg;
    struct wf_random dice;
    weft_scope s;
    wf_random_seed(&dice, 5);
    last_due = woken = out_of_order = 0;
    weft_scope_begin(&s);
    spawn_all(&s, count, &dice);
    int err = weft_scope_end(&s);
    assert_int_equal(woken, count);
    assert_int_equal(wf_running->timers.count, 0);
    return err;
}

static void test_crowd_wakes_in_the_order_of_its_deadlines(void **state)
{
    (void)state;
    long count = crowd_size();
    assert_int_equal(run(due_main, &count), 0);
    if (!getenv("WEFT_SHUFFLE"))
        assert_int_equal(out_of_order, 0);
}

static int cancelled_main(void *arg)
{
    long count = *(long *)arg;
    weft_scope s;
    woken = 0;
    weft_scope_begin(&s);
    for (long i = 0; i < count; i++)
        weft_spawn(&s, sleep_for_ever, NULL);
    weft_sleep(0);
    int64_t begun = real_now();
    weft_scope_cancel(&s, "enough");
    int err = weft_scope_end(&s);
    int64_t took = real_now() - begun;
    print_message("%ld cancelled and joined in %lld ms\n", count, (long long)(took / MILLISECOND));
    assert_int_equal(woken, count);
    assert_true(WF_ASAN || WF_TSAN || took < 3 * SECOND);
    return err;
}

static void test_crowd_is_cancelled_and_joined_in_seconds(void **state)
{
    (void)state;
    long count = crowd_size();
    assert_int_equal(run(cancelled_main, &count), 0);
}

static void count_call(void *arg)
{
    ++*(long *)arg;
}

static int timers_main(void *arg)
{
    long count = *(long *)arg, called = 0, taken_back = 0;
    weft_handle *handles = calloc((size_t)count, sizeof *handles);
    struct wf_random dice;
    assert_non_null(handles);
    wf_random_seed(&dice, 6);
    for (long i = 0; i < count; i++)
        handles[i] = weft_call_later((int64_t)wf_random_below(&dice, 3600) * SECOND + SECOND,
                                     count_call, &called);
    for (long i = 0; i < count; i += 2)
        taken_back += weft_handle_cancel(handles[i]);
    assert_int_equal(taken_back, (count + 1) / 2);
    assert_int_equal(weft_sleep(3601 * SECOND), 0);
    assert_int_equal(called, count - taken_back);
    free(handles);
    return 0;
}

static void test_crowd_of_timers_fires_but_for_those_taken_back(void **state)
{
    (void)state;
    long count = crowd_size();
    assert_int_equal(run(timers_main, &count), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_crowd_wakes_in_the_order_of_its_deadlines),
        core_test(test_crowd_is_cancelled_and_joined_in_seconds),
        core_test(test_crowd_of_timers_fires_but_for_those_taken_back),
    };
    return cmocka_run_group_tests_name("crowd", tests, NULL, NULL);
}
