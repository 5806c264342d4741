/* Slow steps: who and where, while they still run. Real time must pass here: the limits are short,
 * and a step that is to be found goes on until it was. */

#include "core_test.h"

#include "core/watchdog.h"
#include "io/fault.h"

#include <weft/stackless.h>

#define LIMIT (30 * MILLISECOND)

static unsigned count_lines(const char *part)
{
    unsigned found = 0;
    pthread_mutex_lock(&logged.lock);
    for (unsigned i = 0; i < logged.count && i < LOG_LINES; i++)
        found += strstr(logged.text[i], part) != NULL;
    pthread_mutex_unlock(&logged.lock);
    return found;
}

/* Busy until the log has `lines` that contain `part`. */
__attribute__((noinline)) static bool burn_until(const char *part, unsigned lines)
{
    int64_t end = real_now() + 20 * SECOND;
    while (count_lines(part) < lines && real_now() < end)
        ;
    return count_lines(part) == lines;
}

static int burn_task(void *arg)
{
    bool *found = arg;
    *found = burn_until("task 'hog'", 1) && burn_until("  frame 1: ", 1);
    return 0;
}

static void expect_step(const char *who)
{
    char text[300];
    snprintf(text, sizeof text, "%s has held the loop up for ", who);
    expect_log(text);
    snprintf(text, sizeof text, "%s took ", who);
    expect_log(text);
    assert_true(take_log("  frame ") >= 2);
}

static char site[160]; /* where it was made */

static int debug_run(weft_fn *fn, void *arg)
{
    return weft_run(fn, arg, .no_signals = true, .debug = true, .slow_step = LIMIT);
}

static int main_task(void *arg)
{
    weft_spawn(weft_background(), burn_task, arg, .name = "hog");
    snprintf(site, sizeof site, "%s:%d", __FILE__, __LINE__ - 1);
    weft_sleep(0);
    weft_sleep(0);
    return 0;
}

static void test_watchdog_names_a_task_and_its_stack_while_it_runs(void **state)
{
    (void)state;
    if (WF_TSAN)
        skip(); /* it keeps signals back until the step is over */
    char who[256];
    bool found = false;
    assert_int_equal(debug_run(main_task, &found), 0);
    assert_true(found);
    snprintf(who, sizeof who, "task 'hog' (spawned at %s)", site);
    expect_step(who);
}

static void burn_callback(void *arg)
{
    *(bool *)arg = burn_until("callback 'burn_callback'", 1);
}

static int main_callback(void *arg)
{
    weft_call_soon(burn_callback, arg);
    snprintf(site, sizeof site, "%s:%d", __FILE__, __LINE__ - 1);
    weft_sleep(0);
    weft_sleep(0);
    return 0;
}

static void test_watchdog_names_a_callback_while_it_runs(void **state)
{
    (void)state;
    if (WF_TSAN)
        skip(); /* it keeps signals back until the step is over */
    char who[256];
    bool found = false;
    assert_int_equal(debug_run(main_callback, &found), 0);
    assert_true(found);
    snprintf(who, sizeof who, "callback 'burn_callback' (asked for at %s)", site);
    expect_step(who);
}

struct burner {
    weft_stackless self;
    bool found;
};

static int burn_step(weft_stackless *self, int64_t result)
{
    weft_stackless_of(self, struct burner, self)->found =
        burn_until("stackless task 'burn_step'", 1);
    return (int)result;
}

static const weft_stackless_kind burning = WEFT_STACKLESS(burn_step, NULL);

static int main_step(void *arg)
{
    struct burner burner;
    weft_scope s;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &burner.self, &burning);
    int err = weft_scope_end(&s);
    *(bool *)arg = burner.found;
    return err;
}

static void test_watchdog_names_a_step_of_a_stackless_task(void **state)
{
    (void)state;
    char who[256];
    bool found = false;
    if (WF_TSAN)
        skip(); /* it keeps signals back until the step is over */
    assert_int_equal(debug_run(main_step, &found), 0);
    assert_true(found);
    snprintf(who, sizeof who, "stackless task 'burn_step' (%s)", burning.site);
    expect_step(who);
}

/* One report for a step however long, and one for the next. */
static int main_twice(void *arg)
{
    bool *right = arg;
    int64_t end = real_now() + 3 * LIMIT;
    *right = burn_until("'main' (spawned", 1);
    while (real_now() < end)
        ;
    *right &= count_lines("'main' (spawned") == 1;
    weft_sleep(0); /* two lines more: the end of this one, the begin of the next */
    *right &= burn_until("'main' (spawned", 3);
    return 0;
}

static void test_watchdog_reports_a_step_once(void **state)
{
    (void)state;
    bool right = false;
    assert_int_equal(debug_run(main_twice, &right), 0);
    assert_true(right);
    assert_int_equal(take_log("still runs"), 2);
    assert_int_equal(take_log("ms in one step"), 2);
    take_log("  frame ");
}

/* The signal that the thread did not take comes when nobody asks any more. */
static int main_deaf(void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *(bool *)arg = burn_until("whose thread takes no signals", 1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return weft_sleep(0);
}

static void test_watchdog_says_when_a_thread_takes_no_signals(void **state)
{
    (void)state;
    bool found = false;
    assert_int_equal(debug_run(main_deaf, &found), 0);
    assert_true(found);
    expect_log("a step, whose thread takes no signals, has held the loop up for ");
    expect_log("a step, whose thread takes no signals, took ");
}

static int main_waits(void *arg)
{
    (void)arg;
    return weft_sleep(6 * LIMIT);
}

static void test_watchdog_is_silent_while_the_loop_sleeps(void **state)
{
    (void)state;
    assert_int_equal(debug_run(main_waits, NULL), 0);
}

static int main_counts(void *arg)
{
    *(bool *)arg = weft_loop_current()->watchdog != NULL;
    return 0;
}

static void test_watchdog_is_there_in_debug_only(void **state)
{
    (void)state;
    bool there;
    unsetenv("WEFT_DEBUG");
    assert_int_equal(weft_run(main_counts, &there, .no_signals = true), 0);
    assert_false(there);
    setenv("WEFT_DEBUG", "1", 1);
    assert_int_equal(weft_run(main_counts, &there, .no_signals = true), 0);
    assert_true(there);
    setenv("WEFT_DEBUG", "0", 1);
    assert_int_equal(weft_run(main_counts, &there, .no_signals = true), 0);
    assert_false(there);
    unsetenv("WEFT_DEBUG");
}

static void test_watchdog_that_gets_no_thread_is_done_without(void **state)
{
    (void)state;
    bool there = true;
    struct wf_io_fault fault = { .kind = WF_FAULT_THREAD, .countdown = 1, .error = EAGAIN };
    struct wf_memory_fault memory = { .persistent = false };
    wf_io_fault_set(&fault);
    assert_int_equal(weft_run(main_counts, &there, .no_signals = true, .debug = true), 0);
    wf_io_fault_set(NULL);
    assert_false(there);
    expect_log("no memory or thread for the watchdog");
    weft_loop *loop;
    assert_int_equal(weft_loop_new(&loop, .debug = true), 0);
    memory.countdown = 1;
    wf_memory_fault_set(&memory);
    wf_watchdog_start(loop);
    wf_memory_fault_set(NULL);
    assert_null(loop->watchdog);
    expect_log("no memory or thread for the watchdog");
    assert_int_equal(weft_loop_free(loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_watchdog_names_a_task_and_its_stack_while_it_runs),
        core_test(test_watchdog_names_a_callback_while_it_runs),
        core_test(test_watchdog_names_a_step_of_a_stackless_task),
        core_test(test_watchdog_reports_a_step_once),
        core_test(test_watchdog_says_when_a_thread_takes_no_signals),
        core_test(test_watchdog_is_silent_while_the_loop_sleeps),
        core_test(test_watchdog_is_there_in_debug_only),
        core_test(test_watchdog_that_gets_no_thread_is_done_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
