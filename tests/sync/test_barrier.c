/* Barriers: rounds, places, cancels, breaking; and a random run against a plain model. */

#include "calls.h"

#include <weft/barrier.h>

static int64_t wait_at(struct call *call)
{
    return weft_barrier_wait(call->object);
}

static weft_barrier_stats stats_of(const weft_barrier *barrier)
{
    weft_barrier_stats stats;
    weft_barrier_get_stats(barrier, &stats);
    return stats;
}

/* Rounds. */

static int together_main(void *arg)
{
    (void)arg;
    weft_barrier b;
    assert_int_equal(weft_barrier_init(&b, 3), 0);
    struct call x = { .fn = wait_at, .object = &b, .letter = "x" },
                y = { .fn = wait_at, .object = &b, .letter = "y" };
    begin(&x);
    begin(&y);
    settle();
    assert_true(x.waits && y.waits);
    assert_int_equal(stats_of(&b).line.waiting, 2);
    assert_int_equal(weft_barrier_wait(&b), 2);
    note("m");
    assert_int_equal(end(&x), 0);
    assert_int_equal(end(&y), 1);
    weft_barrier_fini(&b);
    return 0;
}

static void test_barrier_lets_all_go_on_when_the_last_has_come(void **state)
{
    (void)state;
    assert_int_equal(run(together_main, NULL), 0);
    assert_string_equal(trace, "mxy");
}

/* The last one of a round comes again before the others have left it. */
static int again_main(void *arg)
{
    (void)arg;
    weft_barrier b;
    weft_barrier_init(&b, 2);
    struct call x = { .fn = wait_at, .object = &b }, y = { .fn = wait_at, .object = &b };
    begin(&x);
    assert_int_equal(weft_barrier_wait(&b), 1);
    begin(&y);
    assert_true(y.waits);
    assert_int_equal(weft_barrier_wait(&b), 1);
    assert_int_equal(end(&x), 0);
    assert_int_equal(end(&y), 0);
    assert_int_equal(stats_of(&b).rounds, 2);
    weft_barrier_fini(&b);
    return 0;
}

static void test_barrier_begins_the_next_round_at_once(void **state)
{
    (void)state;
    assert_int_equal(run(again_main, NULL), 0);
}

static int alone_main(void *arg)
{
    (void)arg;
    weft_barrier b;
    weft_barrier_init(&b, 1);
    uint64_t turns = wf_running->counters.turns;
    for (int i = 0; i < 3; i++)
        assert_int_equal(weft_barrier_wait(&b), 0);
    assert_int_equal(wf_running->counters.turns, turns);
    assert_int_equal(stats_of(&b).rounds, 3);
    assert_int_equal(stats_of(&b).line.waited, 0);
    weft_barrier_fini(&b);
    return 0;
}

static void test_barrier_for_one_never_waits(void **state)
{
    (void)state;
    assert_int_equal(run(alone_main, NULL), 0);
}

/* Cancels. */

static int cancel_main(void *arg)
{
    (void)arg;
    weft_barrier b;
    weft_barrier_init(&b, 3);
    struct call x = { .fn = wait_at, .object = &b }, y = { .fn = wait_at, .object = &b },
                z = { .fn = wait_at, .object = &b };
    begin(&x);
    begin(&y);
    cancel(&x);
    assert_int_equal(end(&x), -ECANCELED);
    assert_int_equal(stats_of(&b).line.waiting, 1);
    begin(&z);
    settle();
    assert_true(y.waits && z.waits);
    assert_false(weft_barrier_is_broken(&b));
    assert_int_equal(weft_barrier_wait(&b), 2);
    assert_int_equal(end(&y), 0);
    assert_int_equal(end(&z), 1);
    assert_int_equal(stats_of(&b).line.cancelled, 1);
    weft_barrier_fini(&b);
    return 0;
}

static void test_barrier_who_is_cancelled_leaves_and_the_others_wait_on(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
}

static int granted_main(void *arg)
{
    (void)arg;
    weft_barrier b;
    weft_barrier_init(&b, 2);
    struct call x = { .fn = wait_at, .object = &b };
    begin(&x);
    assert_int_equal(weft_barrier_wait(&b), 1);
    cancel(&x);
    assert_int_equal(end(&x), 0);
    assert_int_equal(stats_of(&b).line.cancelled, 0);
    weft_barrier_fini(&b);
    return 0;
}

static void test_barrier_who_has_come_through_is_not_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run(granted_main, NULL), 0);
}

static int entered_main(void *arg)
{
    (void)arg;
    weft_barrier b;
    weft_scope s;
    weft_barrier_init(&b, 1);
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "the test");
    assert_int_equal(weft_barrier_wait(&b), -ECANCELED);
    weft_scope_end(&s);
    assert_int_equal(stats_of(&b).rounds, 0);
    weft_barrier_fini(&b);
    return 0;
}

static void test_barrier_in_a_cancelled_scope_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(run(entered_main, NULL), 0);
}

/* Breaking. */

static int reset_main(void *arg)
{
    (void)arg;
    weft_barrier b;
    weft_barrier_init(&b, 3);
    struct call x = { .fn = wait_at, .object = &b, .letter = "x" },
                y = { .fn = wait_at, .object = &b, .letter = "y" };
    begin(&x);
    begin(&y);
    weft_barrier_reset(&b);
    assert_int_equal(end(&x), WEFT_EBROKEN);
    assert_int_equal(end(&y), WEFT_EBROKEN);
    assert_false(weft_barrier_is_broken(&b));
    begin(&x);
    begin(&y);
    assert_int_equal(weft_barrier_wait(&b), 2);
    assert_int_equal(end(&x), 0);
    assert_int_equal(end(&y), 1);
    weft_barrier_fini(&b);
    return 0;
}

static void test_barrier_reset_tells_who_waits_and_begins_anew(void **state)
{
    (void)state;
    assert_int_equal(run(reset_main, NULL), 0);
    assert_string_equal(trace, "xyxy");
}

static int abort_main(void *arg)
{
    (void)arg;
    weft_barrier b;
    weft_barrier_init(&b, 2);
    struct call x = { .fn = wait_at, .object = &b };
    begin(&x);
    weft_barrier_abort(&b);
    assert_int_equal(end(&x), WEFT_EBROKEN);
    assert_true(weft_barrier_is_broken(&b));
    assert_true(stats_of(&b).broken);
    assert_int_equal(weft_barrier_wait(&b), WEFT_EBROKEN);
    weft_barrier_abort(&b);
    assert_int_equal(weft_barrier_wait(&b), WEFT_EBROKEN);
    weft_barrier_reset(&b);
    assert_false(weft_barrier_is_broken(&b));
    begin(&x);
    assert_int_equal(weft_barrier_wait(&b), 1);
    assert_int_equal(end(&x), 0);
    weft_barrier_fini(&b);
    return 0;
}

static void test_barrier_abort_breaks_it_until_a_reset(void **state)
{
    (void)state;
    assert_int_equal(run(abort_main, NULL), 0);
}

static void abort_it(void *arg)
{
    weft_barrier_abort(arg);
}

static void reset_it(void *arg)
{
    weft_barrier_reset(arg);
}

static int callback_main(void *arg)
{
    (void)arg;
    weft_barrier b;
    weft_barrier_init(&b, 2);
    struct call x = { .fn = wait_at, .object = &b };
    begin(&x);
    weft_call_soon(abort_it, &b);
    assert_int_equal(end(&x), WEFT_EBROKEN);
    weft_call_soon(reset_it, &b);
    settle();
    assert_false(weft_barrier_is_broken(&b));
    weft_barrier_fini(&b);
    return 0;
}

static void test_barrier_is_broken_and_reset_by_callbacks(void **state)
{
    (void)state;
    assert_int_equal(run(callback_main, NULL), 0);
}

/* Misuse. */

static int none_main(void *arg)
{
    (void)arg;
    weft_barrier b, zeroed = { { 0 } };
    assert_int_equal(weft_barrier_init(&b, 0), -EINVAL);
    expect_log("a barrier for 0 parties, at ");
    assert_int_equal(weft_barrier_init(&b, UINT32_MAX), -EINVAL);
    expect_log("a barrier for 4294967295 parties, at ");
    assert_int_equal(weft_barrier_wait(&b), -EINVAL);
    expect_log("a task waits at a barrier (made at ");
    assert_int_equal(weft_barrier_wait(&zeroed), -EINVAL);
    expect_log("a task waits at a barrier (made at ?) of no parties");
    weft_barrier_fini(&b);
    weft_barrier_fini(NULL);
    return 0;
}

static void test_barrier_of_no_parties_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(none_main, NULL), 0);
}

static int wait_elsewhere(void *barrier)
{
    weft_barrier_reset(barrier);
    weft_barrier_abort(barrier);
    return weft_barrier_wait(barrier);
}

static int thread_main(void *arg)
{
    (void)arg;
    weft_barrier b;
    weft_barrier_init(&b, 2);
    struct call x = { .fn = wait_at, .object = &b };
    begin(&x);
    assert_int_equal(on_another_thread(wait_elsewhere, &b), WEFT_ETHREAD);
    expect_log("was used by another thread than its own");
    assert_true(x.waits);
    assert_int_equal(weft_barrier_wait(&b), 1);
    end(&x);
    weft_barrier_fini(&b);
    return 0;
}

static void test_barrier_of_another_thread_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
}

static void test_barrier_outside_a_task_is_refused(void **state)
{
    (void)state;
    weft_barrier b;
    weft_barrier_init(&b, 1);
    assert_int_equal(weft_barrier_wait(&b), -EPERM);
    expect_log("a function that suspends was called outside a task");
    weft_barrier_fini(&b);
}

static int fini_main(void *arg)
{
    (void)arg;
    weft_barrier b;
    weft_barrier_init(&b, 2);
    struct call x = { .fn = wait_at, .object = &b };
    begin(&x);
    weft_barrier_fini(&b);
    return 0;
}

static void fini_in_use(void)
{
    run(fini_main, NULL);
}

static void test_barrier_given_up_with_a_waiter_aborts(void **state)
{
    (void)state;
    expect_abort(fini_in_use, "was given up while it is in use; waiting: 1");
}

static int stats_main(void *arg)
{
    (void)arg;
    weft_barrier b;
    weft_barrier_init(&b, 3);
    struct call x = { .fn = wait_at, .object = &b }, y = { .fn = wait_at, .object = &b };
    begin(&x);
    begin(&y);
    expect_waits_for(&y, "test_barrier.c:");
    expect_waits_for(&y, "), at which 2 of 3 are");
    weft_barrier_wait(&b);
    end(&x);
    end(&y);
    weft_barrier_stats stats = stats_of(&b);
    assert_int_equal(stats.line.waited, 2);
    assert_int_equal(stats.line.longest, 2);
    assert_int_equal(stats.line.waiting, 0);
    assert_int_equal(stats.rounds, 1);
    assert_int_equal(stats.parties, 3);
    weft_barrier_fini(&b);
    return 0;
}

static void test_barrier_statistics_and_words(void **state)
{
    (void)state;
    assert_int_equal(run(stats_main, NULL), 0);
}

/* A random run. The model is the list of who waits, in order, and what each is to return. */

enum { CALLS = 7, PARTIES = 4 };

static struct {
    weft_barrier barrier;
    struct call calls[CALLS];
    int64_t due[CALLS]; /* of calls that are to come back: what they return */
    bool is_due[CALLS];
    size_t line[CALLS];
    size_t length;
    bool broken;
} m;

static void is_to_return(size_t i, int64_t result)
{
    m.due[i] = result;
    m.is_due[i] = true;
}

static void all_are_to_return(int64_t result)
{
    for (size_t i = 0; i < m.length; i++)
        is_to_return(m.line[i], result < 0 ? result : (int64_t)i);
    m.length = 0;
}

static void model_wait(size_t i)
{
    if (m.broken) {
        is_to_return(i, WEFT_EBROKEN);
    } else if (m.length + 1 == PARTIES) {
        is_to_return(i, PARTIES - 1);
        all_are_to_return(0);
    } else {
        m.line[m.length++] = i;
    }
    begin(&m.calls[i]);
}

static void model_cancel(size_t i)
{
    for (size_t at = 0; at < m.length; at++) {
        if (m.line[at] != i)
            continue;
        m.length--;
        memmove(&m.line[at], &m.line[at + 1], (m.length - at) * sizeof m.line[0]);
        is_to_return(i, -ECANCELED);
        break;
    }
    cancel(&m.calls[i]);
}

static void collect(void)
{
    settle();
    for (size_t i = 0; i < CALLS; i++) {
        if (!m.calls[i].task)
            continue;
        assert_int_equal(m.calls[i].waits, !m.is_due[i]);
        if (!m.is_due[i])
            continue;
        assert_int_equal(end(&m.calls[i]), m.due[i]);
        m.is_due[i] = false;
    }
    assert_int_equal(stats_of(&m.barrier).line.waiting, m.length);
}

static void step(struct dice *dice)
{
    size_t i = dice_below(dice, CALLS), what = dice_below(dice, 20);
    if (what == 0) {
        m.broken = true;
        all_are_to_return(WEFT_EBROKEN);
        weft_barrier_abort(&m.barrier);
    } else if (what < 4) {
        m.broken = false;
        all_are_to_return(WEFT_EBROKEN);
        weft_barrier_reset(&m.barrier);
    } else if (what < 6) {
        collect();
    } else if (!m.calls[i].task) {
        model_wait(i);
    } else if (what < 10) {
        model_cancel(i);
    }
}

static int random_main(void *arg)
{
    memset(&m, 0, sizeof m);
    weft_barrier_init(&m.barrier, PARTIES);
    for (size_t i = 0; i < CALLS; i++)
        m.calls[i] = (struct call){ .fn = wait_at, .object = &m.barrier };
    for (int n = operations(100000); n > 0; n--)
        step(arg);
    all_are_to_return(WEFT_EBROKEN);
    weft_barrier_reset(&m.barrier);
    collect();
    weft_barrier_fini(&m.barrier);
    return 0;
}

static void test_barrier_does_as_its_model(void **state)
{
    (void)state;
    struct dice dice = dice_seed("barrier");
    assert_int_equal(run(random_main, &dice), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_barrier_lets_all_go_on_when_the_last_has_come),
        core_test(test_barrier_begins_the_next_round_at_once),
        core_test(test_barrier_for_one_never_waits),
        core_test(test_barrier_who_is_cancelled_leaves_and_the_others_wait_on),
        core_test(test_barrier_who_has_come_through_is_not_cancelled),
        core_test(test_barrier_in_a_cancelled_scope_does_not_count),
        core_test(test_barrier_reset_tells_who_waits_and_begins_anew),
        core_test(test_barrier_abort_breaks_it_until_a_reset),
        core_test(test_barrier_is_broken_and_reset_by_callbacks),
        core_test(test_barrier_of_no_parties_is_refused),
        core_test(test_barrier_of_another_thread_is_refused),
        core_test(test_barrier_outside_a_task_is_refused),
        core_test(test_barrier_given_up_with_a_waiter_aborts),
        core_test(test_barrier_statistics_and_words),
        core_test(test_barrier_does_as_its_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
