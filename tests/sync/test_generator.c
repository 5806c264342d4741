/* Generators (semantics 20): whose task it is, what may be open across a yield, and how they end.
 */

#include "../core/core_test.h"

#include <weft/generator.h>

static int drops;

static void count_drop(void *arg)
{
    (void)arg;
    drops++;
}

static int generator_setup(void **state)
{
    drops = 0;
    return core_setup(state);
}

#define generator_test(function)                                                                   \
    cmocka_unit_test_setup_teardown(function, generator_setup, core_teardown)

/* 0, 1, 2 … up to the number that arg points to. */
static int count_to(weft_gen *gen, void *arg)
{
    for (int i = 0; i < *(int *)arg; i++) {
        int err = weft_yield(gen, &i);
        if (err < 0)
            return err;
    }
    return 7;
}

static int three = 3;

/* Items. */

static int items_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    int item = -1;
    assert_int_equal(weft_gen_open(&gen, count_to, &three, .item_size = sizeof item), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weft_gen_next(gen, &item), 1);
        assert_int_equal(item, i);
    }
    item = 99;
    assert_int_equal(weft_gen_next(gen, &item), 0);
    assert_int_equal(weft_gen_next(gen, &item), 0);
    assert_int_equal(item, 99);
    assert_int_equal(weft_gen_close(gen), 0);
    assert_int_equal(weft_gen_close(NULL), 0);
    assert_int_equal(wf_running->stacks.live, 1); /* ours */
    return 0;
}

static void test_generator_items_come_in_order_and_then_the_end(void **state)
{
    (void)state;
    assert_int_equal(run(items_main, NULL), 0);
}

struct big {
    char text[100];
};

static int give_big(weft_gen *gen, void *arg)
{
    struct big big = { "all of it" };
    (void)arg;
    int err = weft_yield(gen, &big);
    return err < 0 ? err : weft_yield(gen, NULL);
}

static int big_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    struct big big = { "" };
    assert_int_equal(weft_gen_open(&gen, give_big, NULL, .item_size = sizeof big), 0);
    assert_int_equal(weft_gen_next(gen, &big), 1);
    assert_string_equal(big.text, "all of it");
    assert_int_equal(weft_gen_next(gen, NULL), 1);
    return weft_gen_close(gen);
}

static void test_generator_items_of_any_size_or_none_are_copied(void **state)
{
    (void)state;
    assert_int_equal(run(big_main, NULL), 0);
}

static int note_and_yield(weft_gen *gen, void *arg)
{
    note(arg);
    return weft_yield(gen, NULL);
}

static int lazy_main(void *arg)
{
    (void)arg;
    weft_gen *gen, *never;
    assert_int_equal(weft_gen_open(&gen, note_and_yield, "b", .drop = count_drop), 0);
    assert_int_equal(weft_gen_open(&never, note_and_yield, "x", .drop = count_drop), 0);
    note("a");
    assert_int_equal(weft_gen_next(gen, NULL), 1);
    assert_int_equal(weft_gen_close(never), 0);
    assert_int_equal(drops, 1);
    assert_int_equal(weft_gen_close(gen), 0);
    assert_int_equal(drops, 2);
    return 0;
}

static void test_generator_body_begins_with_the_first_item_or_never(void **state)
{
    (void)state;
    assert_int_equal(run(lazy_main, NULL), 0);
    assert_string_equal(trace, "ab");
}

static int fail_second(weft_gen *gen, void *arg)
{
    (void)arg;
    int err = weft_yield(gen, NULL);
    return err < 0 ? err : -EIO;
}

static int failure_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    assert_int_equal(weft_gen_open(&gen, fail_second, NULL, .drop = count_drop), 0);
    assert_int_equal(weft_gen_next(gen, NULL), 1);
    assert_int_equal(weft_gen_next(gen, NULL), -EIO);
    assert_int_equal(drops, 1);
    assert_int_equal(weft_gen_next(gen, NULL), 0);
    return weft_gen_close(gen);
}

static void test_generator_failure_is_told_once(void **state)
{
    (void)state;
    assert_int_equal(run(failure_main, NULL), 0);
    assert_int_equal(drops, 1);
}

static int return_pointer(weft_gen *gen, void *arg)
{
    (void)gen;
    return weft_return_owned(arg, count_drop);
}

static int value_main(void *arg)
{
    weft_gen *gen;
    assert_int_equal(weft_gen_open(&gen, return_pointer, arg), 0);
    assert_int_equal(weft_gen_next(gen, NULL), -EINVAL);
    assert_int_equal(drops, 1);
    return weft_gen_close(gen);
}

static void test_generator_returns_no_pointer(void **state)
{
    (void)state;
    assert_int_equal(run(value_main, "x"), 0);
    expect_log("only a code is handed to its consumer");
}

/* Whose task. */

static int yield_names(weft_gen *gen, void *arg)
{
    int err = 0;
    (void)arg;
    while (err == 0) {
        const char *name = weft_task_name(weft_task_self());
        err = weft_sleep(SECOND);
        if (err == 0)
            err = weft_yield(gen, &name);
    }
    return err;
}

static int ask_name(void *arg)
{
    const char *name;
    int more = weft_gen_next(arg, &name);
    if (more == 1)
        assert_string_equal(name, weft_task_name(weft_task_self()));
    return more < 0 ? more : 0;
}

static int identity_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    weft_task *task;
    weft_scope s;
    int64_t start = weft_now();
    assert_int_equal(weft_gen_open(&gen, yield_names, NULL, .item_size = sizeof(char *)), 0);
    assert_int_equal(ask_name(gen), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, ask_name, gen, .name = "other", .task = &task);
    assert_int_equal(weft_await(task), 0);
    weft_task_release(task);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(ask_name(gen), 0);
    assert_int_equal(weft_now() - start, 3 * SECOND);
    return weft_gen_close(gen);
}

static void test_generator_borrows_the_task_of_each_consumer(void **state)
{
    (void)state;
    assert_int_equal(run(identity_main, NULL), 0);
}

static int busy_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    weft_scope s;
    assert_int_equal(weft_gen_open(&gen, yield_names, NULL, .item_size = sizeof(char *)), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, ask_name, gen, .name = "first");
    assert_int_equal(weft_sleep(MILLISECOND), 0);
    assert_int_equal(weft_gen_next(gen, NULL), -EBUSY);
    assert_non_null(strstr(weft_error_detail(), "task 'first'"));
    assert_int_equal(weft_gen_throw(gen, -EIO, NULL), -EBUSY);
    assert_int_equal(weft_gen_close(gen), -EBUSY);
    assert_int_equal(weft_scope_end(&s), 0);
    return weft_gen_close(gen);
}

static void test_generator_with_somebody_inside_is_busy(void **state)
{
    (void)state;
    assert_int_equal(run(busy_main, NULL), 0);
    expect_log("while task 'first'");
}

static int ask_oneself(weft_gen *gen, void *arg)
{
    (void)arg;
    assert_int_equal(weft_gen_next(gen, NULL), -EBUSY);
    assert_int_equal(weft_gen_close(gen), -EBUSY);
    return 0;
}

static int ask_oneself_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    assert_int_equal(weft_gen_open(&gen, ask_oneself, NULL), 0);
    assert_int_equal(weft_gen_next(gen, NULL), 0);
    return weft_gen_close(gen);
}

static void test_generator_that_asks_itself_is_busy(void **state)
{
    (void)state;
    assert_int_equal(run(ask_oneself_main, NULL), 0);
    expect_log("while task 'main'");
}

/* Cancel and deadlines. */

static int cancel_inside_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    weft_scope s;
    assert_int_equal(weft_gen_open(&gen, yield_names, NULL, .item_size = sizeof(char *)), 0);
    weft_scope_begin(&s, .timeout = MILLISECOND);
    int err = ask_name(gen);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_scope_leave(&s, err), -ETIMEDOUT);
    assert_int_equal(weft_gen_next(gen, NULL), 0);
    return weft_gen_close(gen);
}

static void test_generator_feels_its_consumers_deadline_where_it_waits(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_inside_main, NULL), 0);
}

static int ask_and_cancel_oneself(void *arg)
{
    int item;
    assert_int_equal(weft_gen_next(arg, &item), 1);
    weft_task_cancel(weft_task_self(), "between two items");
    assert_int_equal(weft_gen_next(arg, &item), 1); /* the body does not wait */
    return weft_sleep(SECOND);
}

static int cancel_between_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    weft_scope s;
    int item;
    assert_int_equal(weft_gen_open(&gen, count_to, &three, .item_size = sizeof item), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, ask_and_cancel_oneself, gen);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(weft_gen_next(gen, &item), 1);
    assert_int_equal(item, 2);
    return weft_gen_close(gen);
}

static void test_generator_is_not_touched_by_a_cancel_between_items(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_between_main, NULL), 0);
}

/* Scopes. */

static int yield_in_scope(weft_gen *gen, void *arg)
{
    weft_scope s;
    (void)arg;
    weft_scope_begin(&s, .timeout = SECOND);
    assert_int_equal(weft_yield(gen, NULL), -EINVAL);
    assert_non_null(strstr(weft_error_detail(), "test_generator.c"));
    assert_int_equal(weft_scope_end(&s), 0);
    return weft_yield(gen, NULL);
}

static int scope_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    weft_scope s;
    assert_int_equal(weft_gen_open(&gen, yield_in_scope, NULL), 0);
    weft_scope_begin(&s); /* the consumer's own do not count */
    assert_int_equal(weft_gen_next(gen, NULL), 1);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(weft_gen_next(gen, NULL), 0);
    return weft_gen_close(gen);
}

static void test_generator_does_not_yield_in_a_scope_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(run(scope_main, NULL), 0);
    expect_log("yields with the scope open");
}

static int leave_scope_open(weft_gen *gen, void *arg)
{
    weft_scope s;
    (void)gen, (void)arg;
    weft_scope_begin(&s);
    return 0;
}

static WF_NOINLINE void begin_and_return(void)
{
    weft_scope s;
    weft_scope_begin(&s);
    __asm__ volatile("" ::"r"(&s) : "memory");
}

static int wait_in_dead_scope(weft_gen *gen, void *arg)
{
    (void)gen, (void)arg;
    begin_and_return();
    return weft_sleep(SECOND);
}

static int yield_in_dead_scope(weft_gen *gen, void *arg)
{
    (void)arg;
    begin_and_return();
    return weft_yield(gen, NULL);
}

static weft_gen_fn *wrong_body;

static int wrong_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    weft_gen_open(&gen, wrong_body, NULL);
    return weft_gen_next(gen, NULL);
}

static void run_wrong(void)
{
    run(wrong_main, NULL);
}

static void test_generator_scope_left_open_aborts(void **state)
{
    (void)state;
    wrong_body = leave_scope_open;
    expect_abort(run_wrong, "was left open in task 'main'");
    wrong_body = wait_in_dead_scope;
    expect_abort(run_wrong, "was left open in task 'main'");
    wrong_body = yield_in_dead_scope;
    expect_abort(run_wrong, "was left open in task 'main'");
}

static int spawn_inside(weft_gen *gen, void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, note_arg, "e", .eager = true);
    weft_spawn(&s, note_arg, "l");
    int err = weft_sleep(SECOND);
    err = weft_scope_leave(&s, err);
    return err < 0 ? err : weft_yield(gen, NULL);
}

static int spawn_inside_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    assert_int_equal(weft_gen_open(&gen, spawn_inside, NULL), 0);
    assert_int_equal(weft_gen_next(gen, NULL), 1);
    note("n");
    return weft_gen_close(gen);
}

static void test_generator_opens_scopes_and_spawns_between_yields(void **state)
{
    (void)state;
    assert_int_equal(run(spawn_inside_main, NULL), 0);
    assert_string_equal(trace, "eln");
}

/* Sending and throwing. */

/* The mean of all that was sent so far. */
static int average(weft_gen *gen, void *arg)
{
    double sum = 0, mean = 0;
    int err = 0;
    (void)arg;
    for (int n = 1; err == 0; n++) {
        const double *sample = weft_gen_received(gen);
        if (!sample)
            return 0;
        sum += *sample;
        mean = sum / n;
        err = weft_yield(gen, &mean);
    }
    return err;
}

static int send_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    double samples[] = { 1, 3, 8 }, means[] = { 1, 2, 4 }, mean;
    assert_int_equal(weft_gen_open(&gen, average, NULL, .item_size = sizeof mean), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weft_gen_send(gen, &samples[i], &mean), 1);
        assert_true(mean == means[i]);
    }
    assert_int_equal(weft_gen_next(gen, &mean), 0);
    return weft_gen_close(gen);
}

static void test_generator_receives_what_is_sent(void **state)
{
    (void)state;
    assert_int_equal(run(send_main, NULL), 0);
}

/* Hands what was thrown over as an item; -EIO ends it. */
static int echo_errors(weft_gen *gen, void *arg)
{
    int err = 0;
    (void)arg;
    while (err != -EIO && err != WEFT_ECLOSED)
        err = weft_yield(gen, &err);
    return err;
}

static int throw_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    int item;
    assert_int_equal(weft_gen_open(&gen, echo_errors, NULL, .item_size = sizeof item), 0);
    assert_int_equal(weft_gen_next(gen, &item), 1);
    assert_int_equal(weft_gen_throw(gen, -EBADF, &item), 1);
    assert_int_equal(item, -EBADF);
    assert_int_equal(weft_gen_next(gen, &item), 1);
    assert_int_equal(item, 0);
    assert_int_equal(weft_gen_throw(gen, 1, &item), -EINVAL);
    assert_int_equal(weft_gen_throw(gen, -EIO, &item), -EIO);
    assert_int_equal(weft_gen_next(gen, &item), 0);
    assert_int_equal(weft_gen_throw(gen, -EBADF, &item), -EBADF);
    return weft_gen_close(gen);
}

static void test_generator_may_handle_what_is_thrown(void **state)
{
    (void)state;
    assert_int_equal(run(throw_main, NULL), 0);
    expect_log("errors are < 0");
}

static int throw_first_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    assert_int_equal(weft_gen_open(&gen, note_and_yield, "x", .drop = count_drop), 0);
    assert_int_equal(weft_gen_throw(gen, -EIO, NULL), -EIO);
    assert_int_equal(drops, 1);
    assert_int_equal(weft_gen_next(gen, NULL), 0);
    return weft_gen_close(gen);
}

static void test_generator_that_has_not_begun_ends_by_a_throw(void **state)
{
    (void)state;
    assert_int_equal(run(throw_first_main, NULL), 0);
    assert_string_equal(trace, "");
}

/* Delegation. */

static int result_of_inner;

static int delegate(weft_gen *gen, void *arg)
{
    weft_gen *inner = arg;
    int err = weft_yield_from(gen, inner);
    result_of_inner = err;
    weft_gen_close(inner);
    return err < 0 ? err : 0;
}

static weft_gen *delegating(weft_gen_fn *fn, void *arg, size_t item_size)
{
    weft_gen *inner, *outer;
    assert_int_equal(weft_gen_open(&inner, fn, arg, .item_size = item_size), 0);
    assert_int_equal(weft_gen_open(&outer, delegate, inner, .item_size = item_size), 0);
    return outer;
}

static int delegation_main(void *arg)
{
    (void)arg;
    int item;
    double sample = 3, mean;
    weft_gen *gen = delegating(count_to, &three, sizeof item);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weft_gen_next(gen, &item), 1);
        assert_int_equal(item, i);
    }
    assert_int_equal(weft_gen_next(gen, &item), 0);
    assert_int_equal(result_of_inner, 7);
    assert_int_equal(weft_gen_close(gen), 0);

    gen = delegating(average, NULL, sizeof mean);
    assert_int_equal(weft_gen_send(gen, &sample, &mean), 1);
    sample = 5;
    assert_int_equal(weft_gen_send(gen, &sample, &mean), 1);
    assert_true(mean == 4);
    assert_int_equal(weft_gen_close(gen), 0);
    assert_int_equal(result_of_inner, WEFT_ECLOSED);

    gen = delegating(echo_errors, NULL, sizeof item);
    assert_int_equal(weft_gen_next(gen, &item), 1);
    assert_int_equal(weft_gen_throw(gen, -EBADF, &item), 1);
    assert_int_equal(item, -EBADF);
    assert_int_equal(weft_gen_throw(gen, -EIO, &item), -EIO);
    assert_int_equal(result_of_inner, -EIO);
    return weft_gen_close(gen);
}

static void test_generator_hands_on_items_values_and_errors(void **state)
{
    (void)state;
    assert_int_equal(run(delegation_main, NULL), 0);
}

static int wrong_size(weft_gen *gen, void *arg)
{
    assert_int_equal(weft_yield_from(gen, arg), -EINVAL);
    return 0;
}

static int wrong_size_main(void *arg)
{
    (void)arg;
    weft_gen *inner, *outer;
    assert_int_equal(weft_gen_open(&inner, count_to, &three, .item_size = sizeof(int)), 0);
    assert_int_equal(weft_gen_open(&outer, wrong_size, inner, .item_size = 1), 0);
    assert_int_equal(weft_gen_next(outer, NULL), 0);
    weft_gen_close(inner);
    return weft_gen_close(outer);
}

static void test_generator_hands_on_items_of_its_size_only(void **state)
{
    (void)state;
    assert_int_equal(run(wrong_size_main, NULL), 0);
    expect_log("whose items have 4");
}

/* The task waits in the innermost of three, and is cancelled there. */
static int chain_main(void *arg)
{
    (void)arg;
    weft_gen *inner, *middle, *outer;
    weft_scope s;
    const char *name;
    int64_t start = weft_now();
    assert_int_equal(weft_gen_open(&inner, yield_names, NULL, .item_size = sizeof name), 0);
    assert_int_equal(weft_gen_open(&middle, delegate, inner, .item_size = sizeof name), 0);
    assert_int_equal(weft_gen_open(&outer, delegate, middle, .item_size = sizeof name), 0);
    assert_int_equal(weft_gen_next(outer, &name), 1);
    assert_string_equal(name, "main");
    assert_int_equal(weft_now() - start, SECOND);
    weft_scope_begin(&s, .timeout = MILLISECOND);
    assert_int_equal(weft_scope_leave(&s, weft_gen_next(outer, &name)), -ETIMEDOUT);
    assert_int_equal(weft_gen_next(outer, &name), 0);
    return weft_gen_close(outer);
}

static void test_generator_chain_parks_the_one_task(void **state)
{
    (void)state;
    assert_int_equal(run(chain_main, NULL), 0);
}

static int yield_for_outer(weft_gen *gen, void *arg)
{
    (void)gen;
    assert_int_equal(weft_yield(arg, NULL), -EPERM);
    return 0;
}

static int ask_wrong_inner(weft_gen *gen, void *arg)
{
    weft_gen *inner;
    (void)arg;
    assert_int_equal(weft_gen_open(&inner, yield_for_outer, gen), 0);
    assert_int_equal(weft_gen_next(inner, NULL), 0);
    return weft_gen_close(inner);
}

static int outside_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    assert_int_equal(weft_gen_open(&gen, ask_wrong_inner, NULL), 0);
    assert_int_equal(weft_yield(gen, NULL), -EPERM);
    assert_int_equal(weft_gen_next(gen, NULL), 0);
    return weft_gen_close(gen);
}

static void test_generator_yield_outside_it_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(outside_main, NULL), 0);
    expect_log("weft_yield() was called outside generator 'ask_wrong_inner'");
}

/* Closing. */

static int clean_up_slowly(weft_gen *gen, void *arg)
{
    int err = 0;
    while (err == 0)
        err = weft_yield(gen, NULL);
    assert_int_equal(err, WEFT_ECLOSED);
    assert_int_equal(weft_yield(gen, NULL), WEFT_ECLOSED);
    *(int *)arg = weft_sleep(SECOND);
    return -EIO;
}

static int close_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    int slept = 1;
    int64_t start = weft_now();
    assert_int_equal(weft_gen_open(&gen, clean_up_slowly, &slept, .drop = count_drop), 0);
    assert_int_equal(weft_gen_next(gen, NULL), 1);
    assert_int_equal(weft_gen_close(gen), 0);
    assert_int_equal(weft_now() - start, SECOND);
    assert_int_equal(slept, 0);
    assert_int_equal(drops, 1);
    return 0;
}

static void test_generator_close_waits_for_the_cleanup(void **state)
{
    (void)state;
    assert_int_equal(run(close_main, NULL), 0);
}

static int never_listen(weft_gen *gen, void *arg)
{
    (void)arg;
    for (;;)
        weft_yield(gen, NULL);
    return 0;
}

static int ignored_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    assert_int_equal(weft_gen_open(&gen, never_listen, NULL, .drop = count_drop), 0);
    assert_int_equal(weft_gen_next(gen, NULL), 1);
    assert_int_equal(weft_gen_close(gen), WEFT_EIGNORED);
    assert_int_equal(drops, 1);
    return weft_sleep(0);
}

static void test_generator_that_ignores_its_close_is_abandoned(void **state)
{
    (void)state;
    assert_int_equal(run(ignored_main, NULL), 0);
    expect_log("generator 'never_listen' (opened at");
}

static int close_in_cancelled(void *arg)
{
    assert_int_equal(weft_gen_next(arg, NULL), 1);
    weft_task_cancel(weft_task_self(), "test");
    assert_int_equal(weft_gen_close(arg), 0);
    return 0;
}

static int close_cancelled_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    weft_scope s;
    int slept = 1;
    assert_int_equal(weft_gen_open(&gen, clean_up_slowly, &slept), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, close_in_cancelled, gen);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(slept, -ECANCELED);
    return 0;
}

static void test_generator_close_is_not_cancelled_but_its_waits_are(void **state)
{
    (void)state;
    assert_int_equal(run(close_cancelled_main, NULL), 0);
}

/* The loop's end. */

static int left_slept;

static int leave_open_main(void *arg)
{
    (void)arg;
    weft_gen *begun, *fresh, *ended;
    assert_int_equal(weft_gen_open(&begun, clean_up_slowly, &left_slept, .drop = count_drop), 0);
    assert_int_equal(weft_gen_open(&fresh, note_and_yield, "x", .drop = count_drop), 0);
    assert_int_equal(weft_gen_open(&ended, fail_second, NULL, .drop = count_drop), 0);
    assert_int_equal(weft_gen_next(begun, NULL), 1);
    assert_int_equal(weft_gen_next(ended, NULL), 1);
    assert_int_equal(weft_gen_next(ended, NULL), -EIO);
    return 0;
}

static void test_generator_left_open_is_reported_and_closed(void **state)
{
    (void)state;
    left_slept = 1;
    assert_int_equal(run(leave_open_main, NULL), 0);
    assert_int_equal(left_slept, -ECANCELED);
    assert_int_equal(drops, 3);
    assert_string_equal(trace, "");
    expect_log("generator 'clean_up_slowly' (opened at");
    expect_log("generator 'note_and_yield' (opened at");
    expect_log("generator 'fail_second' (opened at");
}

/* Both are left open. The outer one closes the inner one when it ends: older, or younger. */
static int open_inner_and_delegate(weft_gen *gen, void *arg)
{
    weft_gen *inner;
    int err = weft_gen_open(&inner, count_to, arg, .item_size = sizeof(int));
    if (err < 0)
        return err;
    err = weft_yield_from(gen, inner);
    weft_gen_close(inner);
    return err;
}

static int leave_chain_main(void *arg)
{
    (void)arg;
    int item;
    weft_gen *outer = delegating(count_to, &three, sizeof item), *other;
    assert_int_equal(weft_gen_next(outer, &item), 1);
    assert_int_equal(
        weft_gen_open(&other, open_inner_and_delegate, &three, .item_size = sizeof item), 0);
    assert_int_equal(weft_gen_next(other, &item), 1);
    return 0;
}

static void test_generator_chain_left_open_is_closed_once(void **state)
{
    (void)state;
    assert_int_equal(run(leave_chain_main, NULL), 0);
    expect_log("generator 'fn'"); /* the inner one that main has opened */
    expect_log("generator 'delegate'");
    expect_log("generator 'open_inner_and_delegate'");
}

static int never_clean_up(weft_gen *gen, void *arg)
{
    weft_scope s;
    (void)arg;
    weft_yield(gen, NULL);
    weft_scope_begin(&s, .shield = true, .timeout = WEFT_FOREVER);
    weft_sleep(WEFT_FOREVER);
    return weft_scope_end(&s);
}

static int leave_stuck_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    int err = weft_gen_open(&gen, never_clean_up, NULL);
    return err < 0 ? err : weft_gen_next(gen, NULL);
}

static int run_stuck(void)
{
    int err = run(leave_stuck_main, NULL);
    return err == WEFT_ESTUCK && take_log("was left open") == 1 &&
                   take_log("was destroyed while pending: it still waits for sleep") == 1
               ? 0
               : 1;
}

static void test_generator_left_open_has_the_loops_grace_to_end(void **state)
{
    (void)state;
    assert_int_equal(exit_status(run_stuck), 0);
}

/* Places. */

static int no_stack_main(void *arg)
{
    (void)arg;
    weft_gen *gen = NULL;
    assert_int_equal(weft_gen_open(&gen, count_to, &three, .drop = count_drop), -ENOMEM);
    assert_null(gen);
    assert_int_equal(drops, 0);
    return 0;
}

static void test_generator_needs_a_stack_when_it_is_opened(void **state)
{
    (void)state;
    assert_int_equal(weft_run(no_stack_main, NULL, .clock = WEFT_CLOCK_TEST, .no_signals = true,
                              .stacks_max = 1),
                     0);
}

static void ask_in_callback(void *arg)
{
    assert_int_equal(weft_gen_next(arg, NULL), -EPERM);
}

static void *ask_in_thread(void *arg)
{
    assert_int_equal(weft_gen_next(arg, NULL), WEFT_ETHREAD);
    assert_int_equal(weft_gen_close(arg), WEFT_ETHREAD);
    return NULL;
}

static int places_main(void *arg)
{
    (void)arg;
    weft_gen *gen;
    pthread_t thread;
    assert_int_equal(weft_gen_open(&gen, count_to, &three, .item_size = sizeof(int)), 0);
    weft_call_soon(ask_in_callback, gen);
    assert_int_equal(weft_sleep(0), 0);
    assert_int_equal(pthread_create(&thread, NULL, ask_in_thread, gen), 0);
    pthread_join(thread, NULL);
    return weft_gen_close(gen);
}

static void test_generator_runs_in_tasks_of_its_loop_only(void **state)
{
    (void)state;
    assert_int_equal(run(places_main, NULL), 0);
    expect_log("was used outside a task");
    expect_log("was used from another thread");
}

static void test_generator_opens_and_closes_outside_tasks(void **state)
{
    (void)state;
    weft_loop *loop;
    weft_gen *gen;
    assert_int_equal(weft_gen_open(&gen, count_to, &three), -EPERM);
    expect_log("where there is no loop");
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    assert_int_equal(weft_gen_open(&gen, count_to, &three, .stack_size = 1 << 20), -EINVAL);
    expect_log(".stack_size of 1048576");
    assert_int_equal(weft_gen_open(&gen, count_to, &three, .drop = count_drop), 0);
    assert_int_equal(weft_gen_close(gen), 0);
    assert_int_equal(drops, 1);
    assert_int_equal(weft_loop_free(loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        generator_test(test_generator_items_come_in_order_and_then_the_end),
        generator_test(test_generator_items_of_any_size_or_none_are_copied),
        generator_test(test_generator_body_begins_with_the_first_item_or_never),
        generator_test(test_generator_failure_is_told_once),
        generator_test(test_generator_returns_no_pointer),
        generator_test(test_generator_borrows_the_task_of_each_consumer),
        generator_test(test_generator_with_somebody_inside_is_busy),
        generator_test(test_generator_that_asks_itself_is_busy),
        generator_test(test_generator_feels_its_consumers_deadline_where_it_waits),
        generator_test(test_generator_is_not_touched_by_a_cancel_between_items),
        generator_test(test_generator_does_not_yield_in_a_scope_of_its_own),
        generator_test(test_generator_scope_left_open_aborts),
        generator_test(test_generator_opens_scopes_and_spawns_between_yields),
        generator_test(test_generator_receives_what_is_sent),
        generator_test(test_generator_may_handle_what_is_thrown),
        generator_test(test_generator_that_has_not_begun_ends_by_a_throw),
        generator_test(test_generator_hands_on_items_values_and_errors),
        generator_test(test_generator_hands_on_items_of_its_size_only),
        generator_test(test_generator_chain_parks_the_one_task),
        generator_test(test_generator_yield_outside_it_is_refused),
        generator_test(test_generator_close_waits_for_the_cleanup),
        generator_test(test_generator_that_ignores_its_close_is_abandoned),
        generator_test(test_generator_close_is_not_cancelled_but_its_waits_are),
        generator_test(test_generator_left_open_is_reported_and_closed),
        generator_test(test_generator_chain_left_open_is_closed_once),
        generator_test(test_generator_left_open_has_the_loops_grace_to_end),
        generator_test(test_generator_needs_a_stack_when_it_is_opened),
        generator_test(test_generator_runs_in_tasks_of_its_loop_only),
        generator_test(test_generator_opens_and_closes_outside_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
