/* Stack overflows: each is reported, by everybody, everywhere, in every way. */

#include "overflow_test.h"

#include "base/random.h"

/* ---- every way, by everybody, everywhere ---- */

static void test_overflow_of_a_recursion_names_the_task_and_its_frames(void **state)
{
    (void)state;
    check(&(struct scenario){ .way = RECURSION, .stack_size = 64 << 10, .frame = 64 });
    expect_text("frame 0: recurse");
    expect_text("frame 7: recurse+0x");
    expect_text(" frames ...\n");
    expect_text("go_down+0x");
    expect_text(": victim+0x");
    expect_text("task 2 'victim'");
    expect_text("task 2 runs victim (program) and is at\n");
    assert_null(strstr(text, "wf_fiber_main"));
}

/* "65,024 of 61,312 bytes": what is used is more than there is. */
static void test_overflow_says_how_deep_the_stack_was(void **state)
{
    (void)state;
    check(&(struct scenario){ .way = RECURSION, .stack_size = 16 << 10, .frame = 256 });
    unsigned used[2], size[2];
    const char *numbers = strstr(text, "overflowed its stack: ");
    assert_int_equal(sscanf(numbers, "overflowed its stack: %u,%u of %u,%u bytes", &used[0],
                            &used[1], &size[0], &size[1]),
                     4);
    unsigned depth = used[0] * 1000 + used[1], most = size[0] * 1000 + size[1];
    assert_in_range(most, (16 << 10) - 4096 - 2048 - 256, (16 << 10) - 4096);
    assert_in_range(depth, most - 128, most + 4096);
}

static void test_overflow_is_reported_on_each_size_of_stack(void **state)
{
    (void)state;
    for (uint32_t size = 16 << 10; size <= 256 << 10; size *= 4)
        for (enum way way = RECURSION; way <= ALLOCA; way++)
            check(&(struct scenario){ .way = way, .stack_size = size, .frame = 200 });
}

/* With a canary it is the page below the slab that traps; on the way AddressSanitizer finds what
 * the neighbours' frames have marked. */
static void test_overflow_is_reported_with_guards_of_each_kind(void **state)
{
    (void)state;
    const enum weft_guards kinds[] = { WEFT_GUARDS_BEST, WEFT_GUARDS_PAGES, WEFT_GUARDS_CANARIES };
    for (size_t i = 0; i < WF_ARRAY_SIZE(kinds) - WF_ASAN; i++)
        check(&(struct scenario){
            .way = RECURSION, .stack_size = 64 << 10, .frame = 100, .guards = kinds[i] });
}

static int overrun_a_little(void *arg)
{
    memset((char *)(uintptr_t)stack_low(), 1, 64);
    return back(weft_sleep(*(int64_t *)arg));
}

static int overrun_main(void *arg)
{
    wf_running->stacks.guards = WEFT_GUARDS_CANARIES;
    SPAWN(overrun_a_little, .stack_size = 16 << 10);
    return weft_sleep(WEFT_HOUR);
}

static void run_overrun(void)
{
    int64_t second = SECOND;
    run(overrun_main, &second);
}

static void test_overflow_of_a_canary_is_found_at_the_next_switch(void **state)
{
    (void)state;
    const char *said = abort_text(run_overrun);
    assert_non_null(strstr(said, "weft: task 2 'victim' (spawned at "));
    assert_non_null(strstr(said, "has overflowed its stack"));
    assert_non_null(strstr(said, "its .stack_size is 16 KiB: give it 64 or 256 KiB"));
}

/* ---- fork ---- */

/* How the child of a task ends. */
static int fork_and_wait(void (*in_child)(const struct scenario *s), const struct scenario *s)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        in_child(s);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void in_child_overflow(const struct scenario *s)
{
    go_down(s);
}

static void in_child_exec(const struct scenario *s)
{
    (void)s;
    execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
}

/* Neither child is of any consequence to the parent, whose tasks go on. */
static int forker(void *arg)
{
    int overflowed = fork_and_wait(in_child_overflow, arg);
    int replaced = fork_and_wait(in_child_exec, arg);
    if (!died_of(overflowed, SIGSEGV) && !died_of(overflowed, SIGBUS))
        _exit(2);
    if (!WIFEXITED(replaced) || WEXITSTATUS(replaced) != 7)
        _exit(3);
    return back(weft_sleep(SECOND));
}

static int forker_main(void *arg)
{
    weft_scope s;
    wf_running->stacks.guards = (uint8_t)((const struct scenario *)arg)->guards;
    weft_scope_begin(&s);
    weft_spawn(&s, forker, arg, .name = "victim");
    return weft_scope_end(&s);
}

static void run_forker(void *arg)
{
    assert_int_equal(run(forker_main, arg), 0);
}

static void test_overflow_in_the_child_of_a_fork_is_reported_and_the_parent_goes_on(void **state)
{
    (void)state;
    const enum weft_guards kinds[] = { WEFT_GUARDS_BEST, WEFT_GUARDS_PAGES };
    for (size_t i = 0; i < WF_ARRAY_SIZE(kinds); i++) {
        struct scenario s = { .way = RECURSION, .frame = 100, .guards = kinds[i] };
        expect_survival(run_forker, &s);
        expect_text("weft: task 2 'victim' (spawned at ");
        expect_text(" has overflowed its stack: ");
    }
}

static void test_overflow_of_who_suspended_before_is_reported(void **state)
{
    (void)state;
    check(&(struct scenario){
        .way = RECURSION, .stack_size = 64 << 10, .frame = 100, .suspends = true });
}

static void test_overflow_is_reported_whoever_runs(void **state)
{
    (void)state;
    for (enum who who = TASK; who < WHO; who++)
        check(&(struct scenario){
            .way = RECURSION, .who = who, .stack_size = 16 << 10, .frame = 100 });
}

static void test_overflow_in_a_generator_names_it_and_who_is_in_it(void **state)
{
    (void)state;
    check(&(struct scenario){
        .way = RECURSION, .who = GENERATOR, .stack_size = 256 << 10, .frame = 3000 });
    expect_text("weft: generator 'lines' (opened at ");
    expect_text("), which task 2 'victim' (spawned at ");
    expect_text(") is in, has overflowed its stack: ");
    expect_text("generate+0x");
}

static void test_overflow_in_a_second_thread_is_reported(void **state)
{
    (void)state;
    check(&(struct scenario){
        .way = RECURSION, .stack_size = 64 << 10, .frame = 100, .in_thread = true });
}

static void test_overflow_of_a_far_alloca_is_found_by_the_stack_pointer(void **state)
{
    (void)state;
    check(&(struct scenario){ .way = JUMP, .stack_size = 16 << 10 });
    expect_text("frame 0: reach+0x");
}

static void test_overflow_of_a_probed_alloca_hits_the_guard(void **state)
{
    (void)state;
#if defined(__clang__)
    skip(); /* it has no such attribute */
#endif
    check(&(struct scenario){ .way = PROBES, .stack_size = 64 << 10 });
    expect_text("frame 0: probe+0x");
}

static int overflow_in_loop_1(void *arg)
{
    if (weft_loop_index() == 1) {
        SPAWN(victim, .stack_size = 64 << 10);
    }
    return weft_sleep(WEFT_HOUR);
}

static void run_group(void *arg)
{
    weft_run(overflow_in_loop_1, arg, .threads = 2, .no_signals = true);
}

static void test_overflow_in_a_loop_of_a_group_is_reported(void **state)
{
    (void)state;
    struct scenario s = { .way = RECURSION, .stack_size = 64 << 10, .frame = 100 };
    expect_death(run_group, &s);
    assert_null(check_report(&s));
}

static int print_site(void *arg)
{
    SPAWN(victim, .eager = false);
    fprintf(stderr, "expected: 'victim' (spawned at %s:%d)\n", __FILE__, __LINE__ - 1);
    return weft_sleep(SECOND);
}

static void run_print_site(void *arg)
{
    run(print_site, arg);
}

static int overflow_in_each_loop(void *arg)
{
    SPAWN(victim, .stack_size = 64 << 10);
    return weft_sleep(WEFT_HOUR);
}

static void run_all_of_a_group(void *arg)
{
    weft_run(overflow_in_each_loop, arg, .threads = 4, .no_signals = true);
}

/* Who dies first does not cut the others' frames off. */
static void test_overflow_in_all_loops_at_once_is_reported_as_a_whole(void **state)
{
    (void)state;
    struct scenario s = { .way = RECURSION, .stack_size = 64 << 10, .frame = 100 };
    for (int i = 0; i < 10; i++) {
        expect_death(run_all_of_a_group, &s);
        assert_null(check_report(&s));
        expect_text(": victim+0x");
    }
}

static void test_overflow_says_where_the_task_was_spawned(void **state)
{
    (void)state;
    struct scenario s = { .way = RECURSION, .frame = 64 };
    expect_death(run_print_site, &s);
    char *expected = strstr(text, "expected: ");
    assert_non_null(expected);
    expected += strlen("expected: ");
    char *end = strchr(expected, '\n');
    *end = '\0';
    assert_non_null(strstr(end + 1, expected));
}

/* A signal whose handler runs on the stack it finds. */

static void do_nothing(int number)
{
    (void)number;
}

static A_FRAME int raise_at_the_end(unsigned levels)
{
    volatile char pad[64];
    pad[0] = (char)levels;
    if ((size_t)((const char *)wf_context_stack_pointer() - stack_low()) <
        wf_alternate_frame_size() / 2)
        raise(SIGUSR1);
    else
        return raise_at_the_end(levels + 1) + pad[0];
    return pad[0];
}

static int need_a_frame(void *arg)
{
    (void)arg;
    signal(SIGUSR1, do_nothing);
    raise(SIGUSR1); /* there is room; and the loader, which needs much, has found raise() now */
    return back(raise_at_the_end(0));
}

static void run_need_a_frame(void *arg)
{
    run(need_a_frame, arg);
}

static void test_overflow_by_the_frame_of_a_signal_is_reported(void **state)
{
    (void)state;
    expect_death(run_need_a_frame, NULL);
    expect_text("weft: task 1 'main' (spawned at ");
    expect_text(" bytes, too few left for a signal whose handler is without SA_ONSTACK\n");
    expect_text(": raise_at_the_end+0x");
}

/* A random mixture: each must be reported. */

static struct scenario random_scenario(struct wf_random *dice)
{
    struct scenario s = {
        .way = (enum way)wf_random_below(dice, JUMP + 1),
        .who = (enum who)wf_random_below(dice, WHO),
        .stack_size = (16u << 10) << (2 * wf_random_below(dice, 3)),
        .frame = 16 + (uint32_t)wf_random_below(dice, 3000),
        .guards = (enum weft_guards)wf_random_below(dice, WEFT_GUARDS_CANARIES + !WF_ASAN),
        .in_thread = wf_random_below(dice, 4) == 0,
        .suspends = wf_random_below(dice, 2) == 0,
    };
    if (s.guards == WEFT_GUARDS_MARKS)
        s.guards = WEFT_GUARDS_BEST; /* older kernels have none */
    if (s.guards == WEFT_GUARDS_CANARIES)
        s.way = (enum way)wf_random_below(dice, ARRAYS + 1);
    return s;
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *value = getenv(variable);
    return value ? strtoull(value, NULL, 10) : otherwise;
}

static void test_overflow_is_reported_each_time(void **state)
{
    (void)state;
    uint64_t seed = number_from("WEFT_SEED", wf_random_entropy());
    uint64_t count = number_from("WEFT_TEST_OPERATIONS", 100);
    struct wf_random dice;
    wf_random_seed(&dice, seed);
    print_message("repeat with WEFT_SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < count; i++) {
        struct scenario s = random_scenario(&dice);
        int status = status_of(run_scenario, &s);
        const char *missing = check_report(&s);
        if (missing || !(died_of(status, SIGSEGV) || died_of(status, SIGBUS)))
            fail_msg(
                "number %llu: way %d, who %d, stack %u, frame %u, status %#x, without '%s': %s",
                (unsigned long long)i, (int)s.way, (int)s.who, s.stack_size, s.frame,
                (unsigned)status, missing ? missing : "", text);
    }
    print_message("covered: overflows %llu\n", (unsigned long long)count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_overflow_of_a_recursion_names_the_task_and_its_frames),
        core_test(test_overflow_says_how_deep_the_stack_was),
        core_test(test_overflow_is_reported_on_each_size_of_stack),
        core_test(test_overflow_is_reported_with_guards_of_each_kind),
        core_test(test_overflow_of_a_canary_is_found_at_the_next_switch),
        core_test(test_overflow_in_the_child_of_a_fork_is_reported_and_the_parent_goes_on),
        core_test(test_overflow_of_who_suspended_before_is_reported),
        core_test(test_overflow_is_reported_whoever_runs),
        core_test(test_overflow_in_a_generator_names_it_and_who_is_in_it),
        core_test(test_overflow_in_a_second_thread_is_reported),
        core_test(test_overflow_of_a_far_alloca_is_found_by_the_stack_pointer),
        core_test(test_overflow_of_a_probed_alloca_hits_the_guard),
        core_test(test_overflow_in_a_loop_of_a_group_is_reported),
        core_test(test_overflow_in_all_loops_at_once_is_reported_as_a_whole),
        core_test(test_overflow_by_the_frame_of_a_signal_is_reported),
        core_test(test_overflow_says_where_the_task_was_spawned),
        core_test(test_overflow_is_reported_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
