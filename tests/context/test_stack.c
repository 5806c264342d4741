/* The stack pool: reuse, limits, colours, guards, and every failure of the kernel. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "context/context.h"
#include "context/stack.h"

#define MANY 10000

static struct wf_stack_pool pool;

static int setup(void **state)
{
    (void)state;
    wf_stack_pool_init(&pool, 0, 0);
    return 0;
}

/* Every test gives back all it took, and its mappings with it. */
static int teardown(void **state)
{
    (void)state;
    return (int)wf_stack_pool_fini(&pool);
}

static struct wf_stack get(size_t size)
{
    struct wf_stack stack = { 0 };
    assert_int_equal(wf_stack_get(&pool, size, &stack), 0);
    return stack;
}

static void test_stack_get_gives_usable_memory_of_the_class(void **state)
{
    (void)state;
    const size_t sizes[] = { 1, WF_STACK_SMALL, WF_STACK_SMALL + 1, WF_STACK_MEDIUM,
                             WF_STACK_LARGE };
    const size_t classes[] = { WF_STACK_SMALL, WF_STACK_SMALL, WF_STACK_MEDIUM, WF_STACK_MEDIUM,
                               WF_STACK_LARGE };
    for (size_t i = 0; i < WF_ARRAY_SIZE(sizes); i++) {
        struct wf_stack stack = get(sizes[i]);
        assert_in_range(stack.size, classes[i] - 4096 - 31 * 64, classes[i] - 4096);
        assert_int_equal((uintptr_t)(stack.low + stack.size) % 64, 0);
        memset(stack.low, 0xa5, stack.size);
        wf_stack_put(&pool, &stack);
    }
}

static void test_stack_impossible_sizes_are_refused(void **state)
{
    (void)state;
    struct wf_stack stack;
    assert_int_equal(wf_stack_get(&pool, 0, &stack), -EINVAL);
    assert_int_equal(wf_stack_get(&pool, WF_STACK_LARGE + 1, &stack), -EINVAL);
    assert_int_equal(wf_stack_get(&pool, SIZE_MAX, &stack), -EINVAL);
    assert_int_equal(pool.mapped_bytes, 0);
}

static void test_stack_last_put_is_first_got(void **state)
{
    (void)state;
    struct wf_stack a = get(WF_STACK_MEDIUM), b = get(WF_STACK_MEDIUM), c = get(WF_STACK_MEDIUM);
    wf_stack_put(&pool, &a);
    wf_stack_put(&pool, &c);
    wf_stack_put(&pool, &b);
    struct wf_stack first = get(WF_STACK_MEDIUM), second = get(WF_STACK_MEDIUM);
    assert_ptr_equal(first.low, b.low);
    assert_ptr_equal(second.low, c.low);
    wf_stack_put(&pool, &first);
    wf_stack_put(&pool, &second);
}

static void test_stack_neighbours_differ_in_colour(void **state)
{
    (void)state;
    struct wf_stack stacks[32];
    bool seen[64] = { false };
    for (int i = 0; i < 32; i++) {
        stacks[i] = get(WF_STACK_MEDIUM);
        size_t set = (uintptr_t)(stacks[i].low + stacks[i].size) / 64 % 64;
        assert_false(seen[set]);
        seen[set] = true;
    }
    for (int i = 0; i < 32; i++)
        wf_stack_put(&pool, &stacks[i]);
}

static void test_stack_limit_is_on_live_stacks(void **state)
{
    (void)state;
    struct wf_stack a, b, c = { 0 };
    pool.limit = 2;
    a = get(WF_STACK_SMALL), b = get(WF_STACK_MEDIUM);
    assert_int_equal(wf_stack_get(&pool, WF_STACK_SMALL, &c), -ENOMEM);
    assert_null(c.slot);
    wf_stack_put(&pool, &a);
    c = get(WF_STACK_SMALL);
    assert_int_equal(pool.live, 2);
    assert_int_equal(pool.peak, 2);
    wf_stack_put(&pool, &b);
    wf_stack_put(&pool, &c);
}

static void put_all(struct wf_stack *stacks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wf_stack_put(&pool, &stacks[i]);
}

static void test_stack_ten_thousand_come_and_go(void **state)
{
    (void)state;
    struct wf_stack *stacks = calloc(MANY, sizeof(*stacks));
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < MANY; i++)
            stacks[i] = get(WF_STACK_MEDIUM);
        assert_int_equal(pool.live, MANY);
        put_all(stacks, MANY);
        assert_int_equal(pool.live, 0);
        assert_in_range(wf_stack_pool_free(&pool), 0, pool.free_max);
    }
    assert_int_equal(pool.peak, MANY);
    free(stacks);
}

static void test_stack_idle_ones_are_bounded(void **state)
{
    (void)state;
    struct wf_stack stacks[640];
    pool.free_max = 100;
    for (size_t i = 0; i < 640; i++)
        stacks[i] = get(WF_STACK_SMALL);
    size_t full = pool.mapped_bytes;
    put_all(stacks, 640);
    assert_in_range(wf_stack_pool_free(&pool), 1, 100);
    assert_true(pool.mapped_bytes < full / 4);
    struct wf_stack again = get(WF_STACK_SMALL);
    memset(again.low, 1, again.size);
    wf_stack_put(&pool, &again);
}

static void test_stack_everything_is_released_beyond_the_bound(void **state)
{
    (void)state;
    struct wf_stack stacks[3];
    pool.free_max = 1;
    for (int i = 0; i < 3; i++)
        stacks[i] = get(WF_STACK_LARGE);
    put_all(stacks, 3);
    assert_int_equal(wf_stack_pool_free(&pool), 0);
    assert_int_equal(pool.mapped_bytes, 0);
    stacks[0] = get(WF_STACK_LARGE);
    wf_stack_put(&pool, &stacks[0]);
}

/* The kernel allows so many mappings; we stop at a quarter, and say so. */
static void test_stack_guards_stop_before_the_kernel_does(void **state)
{
    (void)state;
#if defined(WF_VALGRIND)
    if (RUNNING_ON_VALGRIND)
        skip(); /* it has a limit on mappings of its own, and ends */
#endif
    size_t count = 0, room = 40000;
    pool.protects = true;
    struct wf_stack *stacks = calloc(room, sizeof(*stacks));
    int error = 0;
    while (count < room && (error = wf_stack_get(&pool, WF_STACK_SMALL, &stacks[count])) == 0)
        count++;
    if (count < room)
        assert_int_equal(error, -ENOMEM);
    pool.protects = false;
    assert_true(count > 1000);
    assert_int_equal(pool.live, count);
    put_all(stacks, count);
    struct wf_stack again = get(WF_STACK_LARGE);
    wf_stack_put(&pool, &again);
    free(stacks);
}

/* Takes and puts stacks of each class, two slabs of the largest; returns the first error. */
static int exercise(void)
{
    static const size_t sizes[] = { WF_STACK_SMALL, WF_STACK_MEDIUM, WF_STACK_LARGE };
    struct wf_stack stacks[3 * 18];
    size_t count = 0;
    int error = 0;
    for (size_t i = 0; i < WF_ARRAY_SIZE(stacks) && !error; i++) {
        error = wf_stack_get(&pool, sizes[i % 3], &stacks[count]);
        if (!error)
            stacks[count++].low[0] = 1;
    }
    assert_int_equal(pool.live, count);
    put_all(stacks, count);
    return error;
}

static void check_failure_at(long n, bool persistent)
{
    wf_stack_pool_init(&pool, 0, 1);
    pool.protects = n % 2 == 0;
    pool.fault = (struct wf_stack_fault){ n, persistent };
    int error = exercise();
    assert_true(error == 0 || error == -ENOMEM);
    pool.fault = (struct wf_stack_fault){ 0 };
    assert_int_equal(exercise(), 0);
    assert_int_equal(wf_stack_pool_fini(&pool), 0);
}

static void test_stack_survives_each_failing_call(void **state)
{
    (void)state;
    for (long n = 1; n < 80; n++) {
        check_failure_at(n, false);
        check_failure_at(n, true);
    }
    wf_stack_pool_init(&pool, 0, 0);
}

static void test_stack_failure_leaves_nothing_behind(void **state)
{
    (void)state;
    struct wf_stack stack = { 0 };
    pool.protects = true;
    for (long n = 1; n <= 2; n++) {
        pool.fault.countdown = n;
        assert_int_equal(wf_stack_get(&pool, WF_STACK_MEDIUM, &stack), -ENOMEM);
        assert_null(stack.slot);
        assert_int_equal(pool.mapped_bytes, 0);
        assert_int_equal(pool.existing, 0);
    }
}

static void test_stack_real_exhaustion_is_an_error(void **state)
{
    (void)state;
#if WF_ASAN || WF_TSAN
    skip(); /* their shadow is beyond any limit on address space */
#endif
    struct rlimit was, now;
    struct wf_stack stack = { 0 };
    getrlimit(RLIMIT_AS, &was);
    now = was;
    now.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_AS, &now), 0);
    int error = wf_stack_get(&pool, WF_STACK_MEDIUM, &stack);
    setrlimit(RLIMIT_AS, &was);
    assert_int_equal(error, -ENOMEM);
    assert_int_equal(pool.mapped_bytes, 0);
}

static void test_stack_fini_counts_the_live(void **state)
{
    (void)state;
    get(WF_STACK_MEDIUM), get(WF_STACK_SMALL);
    assert_int_equal(wf_stack_pool_fini(&pool), 2);
    wf_stack_pool_init(&pool, 0, 0);
}

/* ---- overflow ---- */

static struct wf_context test_context, deep;
static struct wf_stack deep_stack;

static WF_NOINLINE int recurse(volatile int levels)
{
    volatile char pad[512];
    pad[0] = (char)levels;
    return levels == 0 ? 0 : recurse(levels - 1) + pad[0];
}

static void overflow_entry(void *arg)
{
    (void)arg;
    recurse(1 << 20);
    wf_context_switch_final(&deep, &test_context);
}

static void report_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    char *address = info->si_addr;
    _exit(address < deep_stack.low && address >= deep_stack.low - 4096 ? 42 : 43);
}

/* The handler cannot run on the stack that is full. */
static void catch_faults(void)
{
    static char stack[64 << 10];
    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
    struct sigaction action = { .sa_sigaction = report_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigaction(SIGSEGV, &action, NULL);
}

static void overflow(bool protects)
{
    pid_t child = fork();
    if (child == 0) {
        pool.protects = protects;
        struct wf_stack below = get(WF_STACK_MEDIUM);
        deep_stack = get(WF_STACK_MEDIUM);
        memset(below.low, 7, below.size);
        catch_faults();
        wf_context_main(&test_context);
        wf_context_init(&deep, deep_stack.low, deep_stack.size, overflow_entry, NULL);
        wf_context_switch(&test_context, &deep);
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

static void test_stack_overflow_hits_the_guard(void **state)
{
    (void)state;
    overflow(true);
    overflow(false);
}

/* Where the kernel has marks for it, a guard is no mapping: memory is what bounds the stacks. Where
 * it has none, each guard is one, and that is what is counted. */
static void test_stack_guards_cost_no_mappings(void **state)
{
    (void)state;
    enum { COUNT = 40000 };
    static struct wf_stack stacks[COUNT];
    size_t count = 0;
    while (count < COUNT && wf_stack_get(&pool, WF_STACK_SMALL, &stacks[count]) == 0)
        count++;
    assert_true(count > 0);
    struct wf_stack_slab *slab = wf_stack_slab_of(stacks[0].slot);
    assert_true(slab->protected == 0 || slab->protected == slab->cut);
    if (slab->protected == 0)
        assert_int_equal(count, COUNT);
    put_all(stacks, count);
}

static void put_twice(void)
{
    struct wf_stack stack = get(WF_STACK_SMALL);
    wf_stack_put(&pool, &stack);
    wf_stack_put(&pool, &stack);
}

static void test_stack_double_put_aborts(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        put_twice();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ---- contexts on pooled stacks ---- */

static void use_entry(void *arg)
{
    char local[2048];
    memset(local, 3, sizeof(local));
    __asm__ volatile("" ::"r"(local) : "memory");
    *(int *)arg += 1;
    wf_context_switch_final(&deep, &test_context);
}

static void test_stack_reuse_is_clean_after_a_final_switch(void **state)
{
    (void)state;
    int runs = 0;
    wf_context_main(&test_context);
    for (int i = 0; i < 1000; i++) {
        struct wf_stack stack = get(WF_STACK_SMALL);
        wf_context_init(&deep, stack.low, stack.size, use_entry, &runs);
        wf_context_switch(&test_context, &deep);
        wf_context_fini(&deep);
        wf_stack_put(&pool, &stack);
        memset(stack.low, 0, stack.size);
    }
    assert_int_equal(runs, 1000);
    wf_context_fini(&test_context);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stack_get_gives_usable_memory_of_the_class),
        TEST(test_stack_impossible_sizes_are_refused),
        TEST(test_stack_last_put_is_first_got),
        TEST(test_stack_neighbours_differ_in_colour),
        TEST(test_stack_limit_is_on_live_stacks),
        TEST(test_stack_ten_thousand_come_and_go),
        TEST(test_stack_idle_ones_are_bounded),
        TEST(test_stack_everything_is_released_beyond_the_bound),
        TEST(test_stack_guards_stop_before_the_kernel_does),
        TEST(test_stack_survives_each_failing_call),
        TEST(test_stack_failure_leaves_nothing_behind),
        TEST(test_stack_real_exhaustion_is_an_error),
        TEST(test_stack_fini_counts_the_live),
        TEST(test_stack_overflow_hits_the_guard),
        TEST(test_stack_guards_cost_no_mappings),
        TEST(test_stack_double_put_aborts),
        TEST(test_stack_reuse_is_clean_after_a_final_switch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
