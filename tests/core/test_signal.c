/* Ctrl-C (semantics 18): the first cancels main, the second shields too, the third is the system's.
 */

#include "core_test.h"

static int run_with_signals(weft_fn *fn, void *arg)
{
    return weft_run(fn, arg, .clock = WEFT_CLOCK_TEST);
}

static int interrupted_main(void *arg)
{
    raise(*(int *)arg);
    int err = weft_sleep(WEFT_HOUR);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_task_cancel_requests(weft_task_self()), 1);
    return err;
}

static bool is_default(int number)
{
    struct sigaction action;
    sigaction(number, NULL, &action);
    return action.sa_handler == SIG_DFL;
}

static int look_at_handlers(void *arg)
{
    struct sigaction *actions = arg;
    return sigaction(SIGINT, NULL, &actions[0]) | sigaction(SIGTERM, NULL, &actions[1]);
}

static void test_signal_handlers_run_on_the_alternate_stack(void **state)
{
    (void)state;
    struct sigaction actions[2];
    assert_int_equal(run_with_signals(look_at_handlers, actions), 0);
    for (int i = 0; i < 2; i++)
        assert_true(actions[i].sa_handler != SIG_DFL && (actions[i].sa_flags & SA_ONSTACK));
}

static void test_semantics_18_an_interrupt_is_an_ordinary_cancel_of_main(void **state)
{
    (void)state;
    int numbers[] = { SIGINT, SIGTERM };
    for (int i = 0; i < 4; i++) { /* run after run */
        assert_int_equal(run_with_signals(interrupted_main, &numbers[i % 2]), -ECANCELED);
        assert_true(is_default(SIGINT) && is_default(SIGTERM));
    }
}

static int clean_up(void *arg)
{
    weft_scope shield;
    weft_sleep(WEFT_HOUR);
    weft_scope_begin(&shield, .shield = true);
    note("1");
    if (arg)
        raise(SIGINT);
    int err = weft_sleep(SECOND);
    note(err == -ECANCELED ? "c" : "s");
    weft_scope_end(&shield);
    weft_scope_begin(&shield, .shield = true); /* put up later: it holds only after one Ctrl-C */
    err = weft_sleep(SECOND);
    note(err == -ECANCELED ? "c" : "s");
    weft_scope_end(&shield);
    return -ECANCELED;
}

static int shields_main(void *arg)
{
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, clean_up, arg);
    weft_sleep(0);
    raise(SIGINT);
    return weft_scope_end(&s);
}

static void test_semantics_18_the_first_leaves_shields_alone(void **state)
{
    (void)state;
    assert_int_equal(run_with_signals(shields_main, NULL), -ECANCELED);
    assert_string_equal(trace, "1ss");
}

static void test_semantics_18_the_second_cancels_shields_too(void **state)
{
    (void)state;
    assert_int_equal(run_with_signals(shields_main, "second"), -ECANCELED);
    assert_string_equal(trace, "1cc");
}

static int background_cleanup(void *arg)
{
    (void)arg;
    weft_scope shield;
    weft_scope_begin(&shield, .shield = true, .timeout = WEFT_FOREVER);
    int err = weft_sleep(WEFT_HOUR);
    note(err == -ECANCELED ? "c" : "s");
    return weft_scope_end(&shield);
}

static void interrupt(void *arg)
{
    note(arg);
    raise(SIGINT);
}

static int leave_background(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), background_cleanup, NULL);
    weft_call_later(SECOND, interrupt,
                    "1"); /* while the loop winds down, before the grace is over */
    weft_call_later(2 * SECOND, interrupt, "2");
    return weft_sleep(0);
}

static void test_semantics_18_it_works_while_the_loop_winds_down(void **state)
{
    (void)state;
    assert_int_equal(run_with_signals(leave_background, NULL), 0);
    assert_string_equal(trace, "12c");
}

static int third_main(void *arg)
{
    (void)arg;
    raise(SIGTERM);
    raise(SIGTERM);
    raise(SIGTERM); /* though the loop has heard of none */
    return 0;
}

static int twice_main(void *arg)
{
    raise(SIGINT);
    raise(SIGTERM);
    return background_cleanup(arg);
}

static void test_semantics_18_two_at_once_are_two(void **state)
{
    (void)state;
    assert_int_equal(run_with_signals(twice_main, NULL), -ECANCELED);
    assert_string_equal(trace, "c");
}

static void test_semantics_18_the_third_has_its_default_action(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run_with_signals(third_main, NULL) ? 1 : 2);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

static atomic_int seen;

static void own_handler(int number)
{
    (void)number;
    atomic_fetch_add(&seen, 1);
}

static int raise_main(void *arg)
{
    (void)arg;
    raise(SIGINT);
    return weft_sleep(SECOND);
}

static void test_signal_a_programs_own_handler_stays(void **state)
{
    (void)state;
    struct sigaction ours = { .sa_handler = own_handler }, before, after;
    sigaction(SIGINT, &ours, &before);
    assert_int_equal(run_with_signals(raise_main, NULL), 0);
    sigaction(SIGINT, NULL, &after);
    assert_ptr_equal(after.sa_handler, own_handler);
    assert_int_equal(atomic_load(&seen), 1);
    sigaction(SIGINT, &before, NULL);
}

static int take_over_main(void *arg)
{
    struct sigaction ours = { .sa_handler = own_handler };
    (void)arg;
    sigaction(SIGTERM, &ours, NULL);
    return 0;
}

static void test_signal_a_handler_put_up_meanwhile_stays(void **state)
{
    (void)state;
    struct sigaction after, fallback = { .sa_handler = SIG_DFL };
    assert_int_equal(run_with_signals(take_over_main, NULL), 0);
    sigaction(SIGTERM, NULL, &after);
    assert_ptr_equal(after.sa_handler, own_handler);
    assert_true(is_default(SIGINT));
    sigaction(SIGTERM, &fallback, NULL);
}

/* Who does not listen is left after the grace: main itself, and a task that main waits for. */

static int deaf(void *arg)
{
    (void)arg;
    for (;;)
        weft_sleep(60 * SECOND);
    return 0;
}

static int deaf_main(void *arg)
{
    (void)arg;
    raise(SIGTERM);
    return deaf(NULL);
}

static int deaf_child_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, deaf, NULL);
    weft_sleep(SECOND);
    raise(SIGTERM);
    return weft_scope_end(&s);
}

/* An endless shield listens to the second signal; what follows it here does not. */
static int shielded_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s, .shield = true, .timeout = WEFT_FOREVER);
    raise(SIGINT);
    raise(SIGINT);
    struct wf_waiter w;
    static const struct wf_wait_ops deaf_ops = { .kind = "what never comes" };
    wf_waiter_arm(&w, &deaf_ops, NULL);
    wf_park(&w);
    return weft_scope_end(&s);
}

static int leave(weft_fn *fn)
{
    int err = weft_run(fn, NULL, .clock = WEFT_CLOCK_TEST, .grace = 3 * SECOND);
    return err == WEFT_ESTUCK && take_log("was destroyed while pending") > 0 ? 0 : 1;
}

static int leave_deaf(void)
{
    return leave(deaf_main);
}

static int leave_deaf_child(void)
{
    return leave(deaf_child_main);
}

static int leave_shielded(void)
{
    return leave(shielded_main);
}

static void test_semantics_01_a_deaf_main_ends_by_the_grace(void **state)
{
    (void)state;
    assert_int_equal(exit_status(leave_deaf), 0);
    assert_int_equal(exit_status(leave_deaf_child), 0);
}

static void test_semantics_18_the_second_begins_the_grace(void **state)
{
    (void)state;
    assert_int_equal(exit_status(leave_shielded), 0);
}

static int nothing_taken_main(void *arg)
{
    (void)arg;
    assert_true(is_default(SIGINT) && is_default(SIGTERM));
    return 0;
}

static void test_signal_no_signals_takes_none(void **state)
{
    (void)state;
    assert_int_equal(run(nothing_taken_main, NULL), 0);
}

/* Handlers on another thread while runs come and go: the runtime's handler, called as
 * the system would, on a thread of its own. */

static void (*runtime_handler)(int number);
static atomic_int runs; /* begun; -1: enough */

static int steal_handler(void *arg)
{
    (void)arg;
    struct sigaction taken;
    sigaction(SIGINT, NULL, &taken);
    runtime_handler = taken.sa_handler;
    return 0;
}

static void *interrupt_often(void *arg)
{
    int answered = 0, now;
    while ((now = atomic_load(&runs)) >= 0) {
        if (now != answered)
            runtime_handler(SIGINT); /* somewhere in the run, or after it */
        else
            sched_yield();
        answered = now;
    }
    return arg;
}

static int short_main(void *arg)
{
    (void)arg;
    weft_sleep(0);
    return 0;
}

static void test_signal_a_handler_on_another_thread_does_not_outlive_the_run(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(run_with_signals(steal_handler, NULL), 0);
    runs = 0;
    assert_int_equal(pthread_create(&thread, NULL, interrupt_often, NULL), 0);
    for (int i = 1; i <= 500; i++) {
        atomic_store(&runs, i);
        assert_in_range(-run_with_signals(short_main, NULL), 0, ECANCELED);
    }
    runs = -1;
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_signal_handlers_run_on_the_alternate_stack),
        core_test(test_semantics_18_an_interrupt_is_an_ordinary_cancel_of_main),
        core_test(test_semantics_18_the_first_leaves_shields_alone),
        core_test(test_semantics_18_the_second_cancels_shields_too),
        core_test(test_semantics_18_it_works_while_the_loop_winds_down),
        core_test(test_semantics_18_two_at_once_are_two),
        core_test(test_semantics_18_the_third_has_its_default_action),
        core_test(test_signal_a_programs_own_handler_stays),
        core_test(test_signal_a_handler_put_up_meanwhile_stays),
        core_test(test_semantics_01_a_deaf_main_ends_by_the_grace),
        core_test(test_semantics_18_the_second_begins_the_grace),
        core_test(test_signal_no_signals_takes_none),
        core_test(test_signal_a_handler_on_another_thread_does_not_outlive_the_run),
    };
    return cmocka_run_group_tests_name("core signal", tests, NULL, NULL);
}
