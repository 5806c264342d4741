/* Watches: the latest value, and waiting for a newer one. */

#include "inspect/inspect_test.h"

#include <weft/select.h>
#include <weft/stackless.h>
#include <weft/watch.h>

static weft_watch w;

static void init(int value)
{
    assert_int_equal(weft_watch_init(&w, sizeof(int), &value), 0);
}

static int set(int value)
{
    return weft_watch_set(&w, &value);
}

static int get(void)
{
    int value = -1;
    assert_int_equal(weft_watch_get(&w, &value), 0);
    return value;
}

static void note_int(const char *who, int number)
{
    char text[40];
    snprintf(text, sizeof text, "%s%d ", who, number);
    note(text);
}

/* A task that notes each value that it sees. */
static int look(void *name)
{
    uint64_t seen = 0;
    int value, err;
    while ((err = weft_watch_next(&w, &seen, &value)) == 0)
        note_int(name, value);
    note_int(name, err);
    return err == WEFT_ECLOSED ? 0 : err;
}

/* Waits for what is newer than the value that is there when it starts. */
static int look_once(void *name)
{
    uint64_t seen = 1;
    int value = -1;
    int err = weft_watch_next(&w, &seen, &value);
    note_int(name, err < 0 ? err : value);
    assert_int_equal(seen, err < 0 ? 1 : 2);
    return err;
}

static int latest_main(void *arg)
{
    (void)arg;
    uint64_t seen = 0;
    int value = -1;
    init(1);
    assert_int_equal(get(), 1);
    assert_int_equal(weft_watch_next(&w, &seen, &value), 0);
    assert_int_equal(value, 1);
    assert_int_equal(seen, 1);
    assert_int_equal(weft_watch_try_next(&w, &seen, &value), -EAGAIN);
    for (int i = 2; i < 6; i++)
        assert_int_equal(set(i), 0);
    assert_int_equal(get(), 5);
    assert_int_equal(weft_watch_next(&w, &seen, &value), 0);
    assert_int_equal(value, 5);
    assert_int_equal(seen, 5);
    assert_int_equal(set(5), 0); /* an equal one is new */
    assert_int_equal(weft_watch_try_next(&w, &seen, &value), 0);
    assert_int_equal(seen, 6);
    weft_watch_fini(&w);
    weft_watch_fini(NULL);
    return 0;
}

static void test_watch_shows_the_latest_value_and_none_between(void **state)
{
    (void)state;
    assert_int_equal(run(latest_main, NULL), 0);
}

static int without_main(void *arg)
{
    (void)arg;
    weft_scope scope;
    int value = -77;
    assert_int_equal(weft_watch_init(&w, sizeof(int), NULL), 0);
    assert_int_equal(weft_watch_get(&w, &value), -EAGAIN);
    assert_int_equal(value, -77);
    weft_scope_begin(&scope);
    weft_spawn(&scope, look, "a");
    weft_sleep(SECOND);
    assert_string_equal(trace, "");
    set(3);
    weft_sleep(SECOND);
    assert_string_equal(trace, "a3 ");
    weft_watch_close(&w);
    int err = weft_scope_end(&scope);
    weft_watch_fini(&w);
    return err;
}

static void test_watch_without_a_value_waits_for_the_first(void **state)
{
    (void)state;
    assert_int_equal(run(without_main, NULL), 0);
}

static int order_main(void *arg)
{
    (void)arg;
    weft_scope scope;
    weft_watch_stats stats;
    init(0);
    weft_scope_begin(&scope);
    weft_spawn(&scope, look_once, "a");
    weft_spawn(&scope, look_once, "b");
    weft_spawn(&scope, look_once, "c");
    weft_sleep(SECOND);
    weft_watch_get_stats(&w, &stats);
    assert_int_equal(stats.line.waiting, 3);
    assert_int_equal(stats.set, 1);
    set(7);
    set(8); /* they have been given 7 */
    int err = weft_scope_end(&scope);
    weft_watch_get_stats(&w, &stats);
    assert_int_equal(stats.line.waiting, 0);
    assert_int_equal(stats.line.waited, 3);
    assert_int_equal(stats.line.longest, 3);
    assert_int_equal(stats.line.cancelled, 0);
    assert_int_equal(stats.set, 3);
    assert_false(stats.closed);
    weft_watch_fini(&w);
    return err;
}

static void test_watch_all_who_wait_are_given_the_value_in_order(void **state)
{
    (void)state;
    assert_int_equal(run(order_main, NULL), 0);
    assert_string_equal(trace, "a7 b7 c7 ");
}

static int close_main(void *arg)
{
    (void)arg;
    weft_scope scope;
    weft_watch_stats stats;
    uint64_t seen = 0;
    int value = -77;
    init(1);
    weft_scope_begin(&scope);
    weft_spawn(&scope, look, "a");
    weft_sleep(SECOND);
    set(2);
    weft_watch_close(&w);
    weft_watch_close(&w);
    int err = weft_scope_end(&scope);
    assert_int_equal(set(3), WEFT_ECLOSED);
    assert_int_equal(get(), 2);
    assert_int_equal(weft_watch_next(&w, &seen, &value), 0); /* who has not seen it still may */
    assert_int_equal(value, 2);
    value = -77;
    assert_int_equal(weft_watch_next(&w, &seen, &value), WEFT_ECLOSED);
    assert_int_equal(weft_watch_try_next(&w, &seen, &value), WEFT_ECLOSED);
    assert_int_equal(value, -77);
    assert_int_equal(seen, 2);
    weft_watch_get_stats(&w, &stats);
    assert_true(stats.closed);
    weft_watch_fini(&w);
    return err;
}

static void test_watch_closed_it_still_shows_its_last_value(void **state)
{
    char expected[40];
    (void)state;
    assert_int_equal(run(close_main, NULL), 0);
    snprintf(expected, sizeof expected, "a1 a2 a%d ", WEFT_ECLOSED);
    assert_string_equal(trace, expected);
}

/* Cancel. */

static int cancel_main(void *arg)
{
    (void)arg;
    weft_scope scope;
    weft_task *task, *granted;
    weft_watch_stats stats;
    init(1);
    weft_scope_begin(&scope);
    weft_spawn(&scope, look_once, "a", .task = &task);
    weft_spawn(&scope, look_once, "b", .task = &granted);
    weft_sleep(SECOND);
    weft_task_cancel(task, "enough");
    weft_sleep(SECOND);
    assert_int_equal(weft_task_result(task, NULL), -ECANCELED);
    set(2);
    weft_task_cancel(granted, "too late");
    int err = weft_scope_end(&scope);
    assert_int_equal(weft_task_result(granted, NULL), 0);
    weft_watch_get_stats(&w, &stats);
    assert_int_equal(stats.line.cancelled, 1);
    weft_task_release(task);
    weft_task_release(granted);
    weft_watch_fini(&w);
    return err;
}

static void test_watch_a_cancel_stops_waiting_and_takes_back_nothing(void **state)
{
    char expected[40];
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
    snprintf(expected, sizeof expected, "a%d b2 ", -ECANCELED);
    assert_string_equal(trace, expected);
}

/* Callbacks, threads, misuse. */

static void in_callback(void *arg)
{
    uint64_t seen = 1;
    int value = -77;
    (void)arg;
    assert_int_equal(weft_watch_next(&w, &seen, &value), -EPERM);
    assert_int_equal(weft_watch_try_next(&w, &seen, &value), -EAGAIN);
    assert_int_equal(set(5), 0);
    assert_int_equal(weft_watch_try_next(&w, &seen, &value), 0);
    assert_int_equal(value, 5);
    assert_int_equal(get(), 5);
    weft_watch_close(&w);
}

static int callback_main(void *arg)
{
    (void)arg;
    weft_scope scope;
    init(1);
    weft_scope_begin(&scope);
    weft_spawn(&scope, look_once, "a");
    weft_sleep(SECOND);
    weft_call_soon(in_callback, NULL);
    int err = weft_scope_end(&scope);
    weft_watch_fini(&w);
    return err;
}

static void test_watch_callbacks_set_and_look_without_waiting(void **state)
{
    (void)state;
    assert_int_equal(run(callback_main, NULL), 0);
    assert_string_equal(trace, "a5 ");
    expect_log("a function that suspends was called outside a task: in callback");
}

static int in_another_loop(void *arg)
{
    uint64_t seen = 0;
    int value = -77;
    (void)arg;
    assert_int_equal(weft_watch_next(&w, &seen, &value), WEFT_ETHREAD);
    assert_int_equal(value, -77);
    return 0;
}

static void *from_another_thread(void *arg)
{
    uint64_t seen = 0;
    int value = -77;
    (void)arg;
    assert_int_equal(set(9), WEFT_ETHREAD);
    assert_int_equal(weft_watch_get(&w, &value), WEFT_ETHREAD);
    assert_int_equal(weft_watch_try_next(&w, &seen, &value), WEFT_ETHREAD);
    weft_watch_close(&w);
    assert_int_equal(value, -77);
    assert_int_equal(run(in_another_loop, NULL), 0);
    return NULL;
}

static int thread_main(void *arg)
{
    pthread_t thread;
    (void)arg;
    init(1);
    assert_int_equal(get(), 1);
    assert_int_equal(pthread_create(&thread, NULL, from_another_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(set(2), 0); /* it was not closed */
    assert_int_equal(get(), 2);
    weft_watch_fini(&w);
    return 0;
}

static void test_watch_another_thread_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
    expect_log("was used by another thread than its own");
}

static int give_up_main(void *arg)
{
    (void)arg;
    init(1);
    weft_spawn(weft_background(), look_once, "a");
    weft_sleep(SECOND);
    weft_watch_fini(&w);
    return 0;
}

static void give_up(void)
{
    run(give_up_main, NULL);
}

static void test_watch_given_up_while_a_task_waits_aborts(void **state)
{
    (void)state;
    expect_abort(give_up, "was given up while it is in use; waiting: 1");
}

static int size_zero_main(void *arg)
{
    (void)arg;
    uint64_t seen = 0;
    assert_int_equal(weft_watch_init(&w, 0, ""), 0);
    assert_int_equal(weft_watch_set(&w, NULL), 0);
    assert_int_equal(weft_watch_next(&w, &seen, NULL), 0);
    assert_int_equal(seen, 2);
    weft_watch_fini(&w);
    return 0;
}

static void test_watch_values_may_be_empty(void **state)
{
    (void)state;
    assert_int_equal(run(size_zero_main, NULL), 0);
}

/* Beside other things. */

static int select_main(void *arg)
{
    (void)arg;
    uint64_t seen = 0;
    int value = -1;
    weft_scope scope;
    init(1);
    weft_case cases[] = { weft_case_watch(&w, &seen, &value), weft_case_after(SECOND) };
    assert_int_equal(weft_select(cases, 2), 0); /* at once */
    assert_int_equal(cases[0].result, 0);
    assert_int_equal(value, 1);
    assert_int_equal(seen, 1);
    assert_int_equal(weft_select_try(cases, 1), -EAGAIN);
    assert_int_equal(weft_select(cases, 2), 1);
    assert_int_equal(seen, 1);
    weft_scope_begin(&scope);
    weft_spawn(&scope, look_once, "a");
    weft_sleep(0);
    set(2);
    set(3);
    assert_int_equal(weft_select(cases, 2), 0);
    assert_int_equal(value, 3);
    assert_int_equal(seen, 3);
    weft_watch_close(&w);
    assert_int_equal(weft_select(cases, 2), 0);
    assert_int_equal(cases[0].result, WEFT_ECLOSED);
    assert_int_equal(value, 3);
    int err = weft_scope_end(&scope);
    weft_watch_fini(&w);
    return err;
}

static int set_later(void *arg)
{
    (void)arg;
    int err = weft_sleep(SECOND);
    set(9);
    return err;
}

static int select_wait_main(void *arg)
{
    (void)arg;
    uint64_t seen = 1, other = 1;
    int value = -1, untouched = -1;
    weft_scope scope;
    weft_watch_stats stats;
    init(1);
    weft_case cases[] = { weft_case_watch(&w, &seen, &value),
                          weft_case_watch(&w, &other, &untouched), weft_case_none() };
    weft_scope_begin(&scope);
    weft_spawn(&scope, set_later, NULL);
    assert_int_equal(weft_select(cases, 3), 0); /* it stands first in the line */
    assert_int_equal(value, 9);
    assert_int_equal(seen, 2);
    assert_int_equal(untouched, -1);
    assert_int_equal(other, 1);
    weft_watch_get_stats(&w, &stats);
    assert_int_equal(stats.line.waiting, 0);
    int err = weft_scope_end(&scope);
    weft_watch_fini(&w);
    return err;
}

static void test_watch_select_sees_a_newer_value(void **state)
{
    (void)state;
    assert_int_equal(run(select_main, NULL), 0);
    assert_string_equal(trace, "a2 ");
    assert_int_equal(run(select_wait_main, NULL), 0);
}

struct reader {
    weft_stackless self;
    uint64_t seen;
    int value;
    weft_watch_view view;
};

static int read_value(weft_stackless *self, int64_t result)
{
    struct reader *reader = weft_stackless_of(self, struct reader, self);
    if (result < 0) {
        note_int("r", (int)result);
        return result == WEFT_ECLOSED ? 0 : (int)result;
    }
    if (reader->seen > 0)
        note_int("r", reader->value);
    return weft_then_watch(self, &w, &reader->view, read_value);
}

static const weft_stackless_kind reader_kind = WEFT_STACKLESS(read_value, NULL);

static int then_main(void *arg)
{
    struct reader reader = { .value = -1 };
    weft_scope scope;
    reader.view = (weft_watch_view){ &reader.seen, &reader.value };
    init(1);
    weft_scope_begin(&scope);
    weft_stackless_spawn(&scope, &reader.self, &reader_kind);
    weft_sleep(SECOND);
    set(2);
    weft_sleep(SECOND);
    set(3);
    set(4);
    weft_sleep(SECOND);
    if (arg)
        weft_scope_cancel(&scope, "enough");
    else
        weft_watch_close(&w);
    int err = weft_scope_end(&scope);
    weft_watch_fini(&w);
    return err;
}

static void test_watch_a_stackless_task_sees_each_newer_value(void **state)
{
    char expected[60];
    (void)state;
    assert_int_equal(run(then_main, NULL), 0);
    snprintf(expected, sizeof expected, "r1 r2 r3 r4 r%d ", WEFT_ECLOSED);
    assert_string_equal(trace, expected);
    trace[0] = '\0';
    assert_int_equal(run(then_main, ""), 0);
    snprintf(expected, sizeof expected, "r1 r2 r3 r4 r%d ", -ECANCELED);
    assert_string_equal(trace, expected);
}

static int dump_main(void *arg)
{
    (void)arg;
    weft_scope scope;
    init(1);
    weft_scope_begin(&scope);
    weft_spawn(&scope, look_once, "a");
    weft_sleep(SECOND);
    dump_now();
    set(2);
    int err = weft_scope_end(&scope);
    weft_watch_fini(&w);
    return err;
}

static void test_watch_a_dump_says_which_value_is_waited_for(void **state)
{
    (void)state;
    assert_int_equal(run(dump_main, NULL), 0);
    EXPECT_ORDER("parked: waits for value 2 of the watch (made at ",
                 "test_watch.c:", "), for 1.00 s");
}

static int entry_main(void *arg)
{
    weft_scope scope;
    uint64_t seen = 0;
    int value = -77;
    (void)arg;
    init(1);
    weft_scope_begin(&scope);
    weft_scope_cancel(&scope, "enough");
    assert_int_equal(weft_watch_next(&w, &seen, &value), -ECANCELED);
    assert_int_equal(value, -77);
    assert_int_equal(seen, 0);
    assert_int_equal(weft_watch_try_next(&w, &seen, &value), 0); /* the twin looks at no cancel */
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_watch_fini(&w);
    return 0;
}

static void test_watch_in_a_cancelled_scope_nothing_is_seen(void **state)
{
    (void)state;
    assert_int_equal(run(entry_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_watch_shows_the_latest_value_and_none_between),
        core_test(test_watch_without_a_value_waits_for_the_first),
        core_test(test_watch_all_who_wait_are_given_the_value_in_order),
        core_test(test_watch_closed_it_still_shows_its_last_value),
        core_test(test_watch_a_cancel_stops_waiting_and_takes_back_nothing),
        core_test(test_watch_callbacks_set_and_look_without_waiting),
        core_test(test_watch_another_thread_is_refused),
        core_test(test_watch_given_up_while_a_task_waits_aborts),
        core_test(test_watch_values_may_be_empty),
        core_test(test_watch_select_sees_a_newer_value),
        core_test(test_watch_a_stackless_task_sees_each_newer_value),
        core_test(test_watch_a_dump_says_which_value_is_waited_for),
        core_test(test_watch_in_a_cancelled_scope_nothing_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
