/* Whom a fault goes to beside the report: other faults, handlers of the application, its signal
 * stack, and a report that cannot be made. */

#include "overflow_test.h"

#include "io/fault.h"

static struct sigaction
    original[2]; /* of SIGSEGV and SIGBUS when the program began: ASan's, or none */

/* ---- what is not an overflow ---- */

static int dereference_nothing(void *arg)
{
    (void)arg;
    *(volatile char *)weft_now = 1; /* code, which nobody may write */
    return 0;
}

/* No pointer has such a value. Here it is used with little of the stack left. */
static A_FRAME int go_wild_at_the_end(unsigned levels)
{
    volatile char pad[64];
    pad[0] = (char)levels;
    if ((size_t)((const char *)wf_context_stack_pointer() - stack_low()) > 1000)
        return go_wild_at_the_end(levels + 1) + pad[0];
    return *(volatile char *)(uintptr_t)0x5a5a5a5a5a5a5a5a + pad[0];
}

static int go_wild(void *arg)
{
    (void)arg;
    return go_wild_at_the_end(0);
}

static void run_dereference(void *arg)
{
    run(arg ? go_wild : dereference_nothing, NULL);
}

static void test_overflow_is_not_said_of_another_fault(void **state)
{
    (void)state;
    expect_death(run_dereference, NULL);
    assert_string_equal(text, "");
    expect_death(run_dereference, "wild");
    assert_string_equal(text, "");
}

static int send_fault(void *arg)
{
    kill(getpid(), *(int *)arg);
    return 0;
}

static void run_send(void *arg)
{
    run(send_fault, arg);
}

static void test_overflow_is_not_said_of_a_signal_that_was_sent_and_it_kills(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        int number = i == 0 ? SIGSEGV : SIGBUS;
        assert_true(died_of(status_of(run_send, &number), number));
        assert_string_equal(text, "");
    }
}

static void run_send_ignored(void *arg)
{
    signal(SIGSEGV, SIG_IGN);
    run(send_fault, arg);
    struct sigaction action;
    sigaction(SIGSEGV, NULL, &action);
    assert_true(action.sa_handler == SIG_IGN);
}

static void test_overflow_leaves_an_ignored_signal_ignored(void **state)
{
    (void)state;
    int number = SIGSEGV;
    expect_survival(run_send_ignored, &number);
}

static A_FRAME int below(void)
{
    volatile char *stray = (char *)(uintptr_t)stack_low();
    stray[-100] = 1;
    return stray[0];
}

static int go_astray(void *arg)
{
    return below() + (arg != NULL);
}

static void run_astray(void *arg)
{
    run(go_astray, arg);
}

static void test_overflow_is_told_from_a_stray_pointer_into_the_guard(void **state)
{
    (void)state;
    expect_death(run_astray, NULL);
    expect_text("weft: task 1 'main' (spawned at ");
    expect_text(" has reached below its stack, of which it uses ");
    expect_text("weft: a pointer or an index is out of its bounds");
    expect_text("frame 0: below+0x");
}

/* ---- handlers of others ---- */

static sigjmp_buf recovery;
static volatile char *page;
static volatile int calls;

static void jump_back(int number)
{
    (void)number;
    calls++;
    siglongjmp(recovery, 1);
}

static void allow(int number, siginfo_t *info, void *context)
{
    (void)context;
    calls += number == SIGSEGV && info->si_addr == page;
    mprotect((void *)(uintptr_t)page, 4096, PROT_READ | PROT_WRITE);
}

static void forbid(void)
{
    if (!page)
        page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect((void *)(uintptr_t)page, 4096, PROT_NONE);
}

static WF_NOINLINE void fault(void)
{
    forbid();
    if (sigsetjmp(recovery, 1) == 0)
        *page = 1;
}

static int fault_and_go_on(void *arg)
{
    for (int i = 0; i < 3; i++) {
        fault();
        weft_sleep(SECOND);
    }
    return calls == *(int *)arg ? 0 : 1;
}

static void put_up(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = flags };
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void recover_by_jumping(void *arg)
{
    signal(SIGSEGV, jump_back);
    if (run(fault_and_go_on, arg) != 0)
        _exit(1);
}

static void recover_by_allowing(void *arg)
{
    put_up(SIGSEGV, allow, SA_SIGINFO);
    if (run(fault_and_go_on, arg) != 0)
        _exit(1);
}

static void recover_once(void *arg)
{
    put_up(SIGSEGV, allow, SA_SIGINFO | (int)SA_RESETHAND);
    run(fault_and_go_on, arg);
}

static void test_overflow_leaves_other_faults_to_who_recovers_from_them(void **state)
{
    (void)state;
    int three = 3;
    expect_survival(recover_by_jumping, &three);
    expect_survival(recover_by_allowing, &three);
}

static void test_overflow_calls_a_handler_for_one_time_once(void **state)
{
    (void)state;
    int three = 3;
    expect_death(recover_once, &three);
    assert_string_equal(text, "");
}

static void say_and_leave(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    static const char words[] = "theirs\n";
    ssize_t written = write(STDERR_FILENO, words, sizeof words - 1);
    (void)written;
    _exit(7);
}

static void overflow_before_theirs(void *arg)
{
    put_up(SIGSEGV, say_and_leave, SA_SIGINFO | SA_ONSTACK);
    run_scenario(arg);
}

static void test_overflow_is_reported_before_the_application_gets_it(void **state)
{
    (void)state;
    struct scenario s = { .way = RECURSION, .stack_size = 64 << 10, .frame = 100 };
    int status = status_of(overflow_before_theirs, &s);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_null(check_report(&s));
    assert_true(strstr(text, "theirs\n") > strstr(text, "frame 0"));
}

/* One that was put up after ours and calls it, and that ours finds in its place the next time. */

static struct sigaction chained;

static void chain(int number, siginfo_t *info, void *context)
{
    chained.sa_sigaction(number, info, context);
}

static void overflow_in_a_circle(void *arg)
{
    weft_loop *first;
    struct sigaction action = { .sa_sigaction = chain, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&action.sa_mask);
    weft_loop_new(&first);
    sigaction(SIGSEGV, &action, &chained);
    weft_loop_free(first);
    struct sigaction now;
    sigaction(SIGSEGV, NULL, &now);
    assert_true(now.sa_sigaction == chain);
    run_scenario(arg);
}

static void test_overflow_is_not_passed_on_in_a_circle(void **state)
{
    (void)state;
    struct scenario s = { .way = RECURSION, .stack_size = 64 << 10, .frame = 100 };
    expect_death(overflow_in_a_circle, &s);
    assert_null(check_report(&s));
}

static bool is_handled_as(const struct sigaction *before)
{
    struct sigaction now = { .sa_handler = SIG_DFL };
    sigaction(SIGSEGV, NULL, &now);
    return now.sa_handler == before->sa_handler;
}

static void test_overflow_handlers_are_there_as_long_as_loops_are(void **state)
{
    (void)state;
    weft_loop *first, *second, *third;
    struct sigaction before;
    sigaction(SIGSEGV, NULL, &before);
    assert_int_equal(weft_loop_new(&first), 0);
    assert_false(is_handled_as(&before));
    assert_int_equal(weft_loop_new(&second), 0);
    assert_int_equal(weft_loop_free(first), 0);
    assert_false(is_handled_as(&before));
    assert_int_equal(weft_loop_free(second), 0);
    assert_true(is_handled_as(&before));
    assert_int_equal(weft_loop_new(&third, .no_overflow_report = true), 0);
    assert_true(is_handled_as(&before));
    assert_int_equal(weft_loop_free(third), 0);
}

static void run_without(void *arg)
{
    weft_run(scenario_main, arg, .clock = WEFT_CLOCK_TEST, .no_overflow_report = true);
}

static void test_overflow_report_can_be_declined(void **state)
{
    (void)state;
    struct scenario s = { .way = RECURSION, .stack_size = 64 << 10, .frame = 100 };
    expect_death(run_without, &s);
    assert_string_equal(text, "");
}

/* What ASan has to say comes after ours. */
static void overflow_as_it_began(void *arg)
{
    sigaction(SIGSEGV, &original[0], NULL);
    sigaction(SIGBUS, &original[1], NULL);
    run_scenario(arg);
}

static void test_overflow_is_reported_before_the_sanitizer_does(void **state)
{
    (void)state;
#if !WF_ASAN
    skip();
#endif
    struct scenario s = { .way = RECURSION, .stack_size = 64 << 10, .frame = 100 };
    int status = status_of(overflow_as_it_began, &s);
    assert_null(check_report(&s));
    expect_text("AddressSanitizer: stack-overflow");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
    assert_true(strstr(text, "AddressSanitizer") > strstr(text, "frame 0: recurse"));
}

/* ---- alternate stacks ---- */

static int look_at_stack(void *arg)
{
    return sigaltstack(NULL, arg) == 0 ? 0 : -errno;
}

/* The thread has this one; which one a run of it had. */
static stack_t stack_of_run(const stack_t *given)
{
    stack_t own, found, after;
    assert_int_equal(sigaltstack(given, &own), 0);
    assert_int_equal(run(look_at_stack, &found), 0);
    assert_int_equal(sigaltstack(&own, &after), 0);
    assert_int_equal(after.ss_flags, given->ss_flags);
    if (!(given->ss_flags & SS_DISABLE))
        assert_ptr_equal(after.ss_sp, given->ss_sp);
    return found;
}

static void test_overflow_has_a_stack_to_report_on_while_the_loop_runs(void **state)
{
    (void)state;
    stack_t none = { .ss_flags = SS_DISABLE }, found = stack_of_run(&none);
    assert_false(found.ss_flags & SS_DISABLE);
    assert_in_range(found.ss_size, 60 << 10, 1 << 20);
}

static void test_overflow_report_uses_the_applications_stack_if_it_is_large_enough(void **state)
{
    (void)state;
    static char large[64 << 10], small[8 << 10];
    stack_t given = { .ss_sp = large, .ss_size = sizeof large };
    assert_ptr_equal(stack_of_run(&given).ss_sp, large);
    given = (stack_t){ .ss_sp = small, .ss_size = sizeof small };
    assert_ptr_not_equal(stack_of_run(&given).ss_sp, small);
}

static void test_overflow_stack_that_cannot_be_mapped_is_an_error(void **state)
{
    (void)state;
    weft_loop *loop;
    struct wf_io_fault fault = { .kind = WF_FAULT_MAP, .countdown = 1, .error = ENOMEM };
    wf_io_fault_set(&fault);
    int err = weft_loop_new(&loop);
    wf_io_fault_set(NULL);
    assert_int_equal(err, -ENOMEM);
    assert_string_equal(weft_error_detail(), "no memory for a loop's signal stack");
}

/* ---- a report that comes to nothing ---- */

static int overflow_without_a_name(void *arg)
{
    (void)arg;
    wf_running->current->name = (const char *)(uintptr_t)16;
    return back(recurse(1 << 20, 100));
}

static void run_without_a_name(void *arg)
{
    run(overflow_without_a_name, arg);
}

static void test_overflow_whose_report_faults_ends_by_default(void **state)
{
    (void)state;
    assert_true(died_of(status_of(run_without_a_name, NULL), SIGSEGV));
    assert_string_equal(text, "");
}

/* Nobody reads it. */
static void run_unread(void *arg)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    close(pipes[0]);
    dup2(pipes[1], STDERR_FILENO);
    run_scenario(arg);
}

static void test_overflow_whose_report_nobody_reads_dies_of_the_fault(void **state)
{
    (void)state;
    struct scenario s = { .way = RECURSION, .stack_size = 64 << 10, .frame = 100 };
    expect_death(run_unread, &s);
}

/* ---- found later ---- */

static int find(void *arg)
{
    (void)arg;
    const weft_task *self = weft_task_self();
    wf_overflow_found(self, self->fiber);
}

static void run_find(void *arg)
{
    run(find, arg);
}

static void test_overflow_that_is_found_later_is_reported_too(void **state)
{
    (void)state;
    assert_true(died_of(status_of(run_find, NULL), SIGABRT));
    expect_text("weft: task 1 'main' (spawned at ");
    expect_text(" has overflowed its stack of ");
    expect_text(" bytes, which was found at its next switch\n");
    expect_text("its .stack_size is 64 KiB: give it 256 KiB");
}

int main(void)
{
    sigaction(SIGSEGV, NULL, &original[0]);
    sigaction(SIGBUS, NULL, &original[1]);
    const struct CMUnitTest tests[] = {
        core_test(test_overflow_is_not_said_of_another_fault),
        core_test(test_overflow_is_not_said_of_a_signal_that_was_sent_and_it_kills),
        core_test(test_overflow_leaves_an_ignored_signal_ignored),
        core_test(test_overflow_is_told_from_a_stray_pointer_into_the_guard),
        core_test(test_overflow_leaves_other_faults_to_who_recovers_from_them),
        core_test(test_overflow_calls_a_handler_for_one_time_once),
        core_test(test_overflow_is_reported_before_the_application_gets_it),
        core_test(test_overflow_is_not_passed_on_in_a_circle),
        core_test(test_overflow_handlers_are_there_as_long_as_loops_are),
        core_test(test_overflow_report_can_be_declined),
        core_test(test_overflow_is_reported_before_the_sanitizer_does),
        core_test(test_overflow_has_a_stack_to_report_on_while_the_loop_runs),
        core_test(test_overflow_report_uses_the_applications_stack_if_it_is_large_enough),
        core_test(test_overflow_stack_that_cannot_be_mapped_is_an_error),
        core_test(test_overflow_whose_report_faults_ends_by_default),
        core_test(test_overflow_whose_report_nobody_reads_dies_of_the_fault),
        core_test(test_overflow_that_is_found_later_is_reported_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
