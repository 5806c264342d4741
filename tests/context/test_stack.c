/* The stack pool: reuse, limits, colours, guards, and every failure of the kernel. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "context/context.h"
#include "context/guard.h"
#include "context/stack.h"

#define MANY 10000

static struct wf_stack_pool pool;

static int setup(void **state)
{
    (void)state;
    wf_stack_pool_init(&pool, 0);
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

static void test_stack_limit_is_on_warm_ones_too(void **state)
{
    (void)state;
    struct wf_stack a, b, c = get(WF_STACK_SMALL);
    pool.limit = 2;
    wf_stack_put(&pool, &c);
    a = get(WF_STACK_MEDIUM), b = get(WF_STACK_MEDIUM);
    assert_int_equal(wf_stack_get(&pool, WF_STACK_SMALL, &c), -ENOMEM);
    wf_stack_put(&pool, &a);
    wf_stack_put(&pool, &b);
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
        assert_in_range(wf_stack_pool_free(&pool), MANY, MANY + 64);
    }
    assert_int_equal(pool.peak, MANY);
    free(stacks);
}

/* ---- cooling ---- */

/* Pages of the stack that have memory. */
static size_t resident(const struct wf_stack *stack)
{
    unsigned char pages[64];
    size_t count = 0, size = (stack->size + 4095) & ~(size_t)4095;
    assert_int_equal(mincore(stack->low, size, pages), 0);
    for (size_t i = 0; i < size / 4096; i++)
        count += pages[i] & 1;
    return count;
}

static void cool_all(void)
{
    wf_stack_pool_age(&pool);
    while (wf_stack_pool_cool(&pool))
        continue;
}

static void get_all(struct wf_stack *stacks, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        stacks[i] = get(size);
        stacks[i].low[0] = stacks[i].low[stacks[i].size - 1] = 1;
    }
}

static void test_stack_what_nobody_wants_for_a_period_loses_its_memory(void **state)
{
    (void)state;
    struct wf_stack stacks[50], last = get(WF_STACK_MEDIUM);
    get_all(stacks, 50, WF_STACK_MEDIUM);
    put_all(stacks, 50);
    cool_all();
    assert_int_equal(resident(&stacks[25]), 2);
    assert_true(wf_stack_pool_is_warm(&pool));
    cool_all();
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(resident(&stacks[i]), 0);
        assert_true(stacks[i].slot->fresh);
    }
    assert_false(wf_stack_pool_is_warm(&pool));
    size_t existing = pool.existing;
    get_all(stacks, 50, WF_STACK_MEDIUM);
    assert_int_equal(pool.existing, existing);
    put_all(stacks, 50);
    wf_stack_put(&pool, &last);
}

static void test_stack_what_is_wanted_keeps_its_memory(void **state)
{
    (void)state;
    struct wf_stack stacks[100], wanted[10], last = get(WF_STACK_SMALL);
    get_all(stacks, 100, WF_STACK_SMALL);
    put_all(stacks, 100);
    for (int period = 0; period < 3; period++) {
        get_all(wanted, 10, WF_STACK_SMALL);
        put_all(wanted, 10);
        cool_all();
    }
    size_t cold = 0;
    for (size_t i = 0; i < 100; i++)
        cold += resident(&stacks[i]) == 0;
    assert_int_equal(cold, 90);
    for (size_t i = 0; i < 10; i++)
        assert_int_not_equal(resident(&wanted[i]), 0);
    wf_stack_put(&pool, &last);
}

/* However many are wanted, and whether they come back before the period ends or are away. */
static void test_stack_beside_a_busy_crowd_the_others_cool(void **state)
{
    (void)state;
    enum { COUNT = 9000, WANTED = 5000 };
    static struct wf_stack stacks[COUNT];
    get_all(stacks, COUNT, WF_STACK_SMALL);
    put_all(stacks, COUNT);
    for (int period = 0; period < 3; period++) {
        get_all(stacks, WANTED, WF_STACK_SMALL);
        put_all(stacks + period, WANTED - (size_t)period);
        cool_all();
        put_all(stacks, (size_t)period);
    }
    size_t warm = 0;
    for (struct wf_stack_slot *slot = pool.classes[0].warm; slot; slot = slot->next)
        warm++;
    assert_int_equal(warm, WANTED);
    assert_int_equal(pool.classes[0].warm_count, WANTED);
}

static void test_stack_cooling_ones_can_be_had_and_are_taken_before_cold_ones(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static struct wf_stack stacks[COUNT];
    get_all(stacks, COUNT, WF_STACK_SMALL);
    put_all(stacks, COUNT);
    wf_stack_pool_age(&pool);
    wf_stack_pool_age(&pool);
    assert_true(wf_stack_pool_cool(&pool));
    size_t existing = pool.existing, fresh = 0;
    for (size_t i = 0; i < COUNT; i++) {
        stacks[i] = get(WF_STACK_SMALL);
        fresh += stacks[i].slot->fresh;
        if (i == 1000)
            assert_in_range(fresh, 0, 64); /* a slab is given back as a whole */
    }
    assert_in_range(fresh, 65, 1000);
    assert_int_equal(pool.existing, existing);
    put_all(stacks, COUNT);
}

static void test_stack_wholly_cold_tracts_are_unmapped(void **state)
{
    (void)state;
    struct wf_stack stacks[640], last = get(WF_STACK_LARGE);
    size_t little = pool.mapped_bytes;
    get_all(stacks, 640, WF_STACK_SMALL);
    assert_true(pool.mapped_bytes > little);
    put_all(stacks, 640);
    cool_all();
    cool_all();
    assert_int_equal(pool.mapped_bytes, little);
    assert_int_equal(wf_stack_pool_free(&pool), 0);
    get_all(stacks, 640, WF_STACK_SMALL);
    put_all(stacks, 640);
    wf_stack_put(&pool, &last);
    cool_all();
    cool_all();
    assert_int_equal(pool.mapped_bytes, 0);
}

static void test_stack_tracts_that_cannot_be_unmapped_are_used_again(void **state)
{
    (void)state;
    struct wf_stack stacks[100];
    for (int round = 0; round < 3; round++) {
        get_all(stacks, 100, WF_STACK_SMALL);
        size_t mapped = pool.mapped_bytes, existing = pool.existing;
        put_all(stacks, 100);
        wf_stack_pool_age(&pool);
        wf_stack_pool_age(&pool);
        pool.fault = (struct wf_stack_fault){ 1, true };
        while (wf_stack_pool_cool(&pool))
            continue;
        pool.fault = (struct wf_stack_fault){ 0 };
        assert_false(wf_stack_pool_is_warm(&pool));
        assert_int_equal(pool.mapped_bytes, mapped);
        get_all(stacks, 100, WF_STACK_SMALL);
        assert_int_equal(pool.existing, existing);
        assert_int_equal(pool.mapped_bytes, mapped);
        for (int i = 0; i < 100; i++)
            assert_false(stacks[i].slot->fresh); /* its memory could not be given back */
        put_all(stacks, 100);
    }
}

/* Nothing is lost or given out twice, whatever cools when. */
static void test_stack_cooling_model(void **state)
{
    (void)state;
    enum { ROOM = 300, STEPS = 20000 };
    struct wf_stack stacks[ROOM];
    size_t live = 0;
    unsigned seed = 7;
    for (int step = 0; step < STEPS; step++) {
        seed = seed * 1103515245 + 12345;
        unsigned what = seed >> 16 & 0xff;
        if (what < 4) {
            wf_stack_pool_age(&pool);
        } else if (what < 12) {
            wf_stack_pool_cool(&pool);
        } else if (live < ROOM && what < 128 + (unsigned)(step / 2000 % 2) * 40) {
            stacks[live] = get((size_t)1 << (14 + what % 3 * 2));
            for (size_t i = 0; i < live; i++)
                assert_ptr_not_equal(stacks[i].low, stacks[live].low);
            memset(stacks[live].low, (int)what, 64);
            live++;
        } else if (live > 0) {
            size_t i = (seed >> 8) % live;
            wf_stack_put(&pool, &stacks[i]);
            stacks[i] = stacks[--live];
        }
        assert_int_equal(pool.live, live);
    }
    put_all(stacks, live);
}

/* ---- guards ---- */

static bool valgrind(void)
{
#if defined(WF_VALGRIND)
    return RUNNING_ON_VALGRIND; /* it has a limit on mappings of its own, and ends */
#else
    return false;
#endif
}

static size_t max_map_count(void)
{
    size_t count = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu", &count), 1);
    fclose(file);
    return count;
}

/* The kernel allows so many mappings; we stop at a quarter, and say so. Whatever other tests have
 * had, and what has failed in them, has been forgotten. */
static void test_stack_pages_stop_before_the_kernel_does(void **state)
{
    (void)state;
    if (valgrind())
        skip();
    size_t count = 0, room = 40000;
    pool.guards = WF_GUARDS_PAGES;
    struct wf_stack *stacks = calloc(room, sizeof(*stacks));
    int error = 0;
    while (count < room && (error = wf_stack_get(&pool, WF_STACK_SMALL, &stacks[count])) == 0)
        count++;
    if (count < room) {
        assert_int_equal(error, -ENOMEM);
        assert_int_equal(count, max_map_count() / 4);
    }
    assert_int_equal(pool.live, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(stacks[i].slot->guard, WF_GUARD_PAGE);
    put_all(stacks, count);
    free(stacks);
}

static void test_stack_without_marks_canaries_follow_pages(void **state)
{
    (void)state;
    if (valgrind())
        skip();
    size_t count = 40000, kinds[3] = { 0 };
    struct wf_stack *stacks = calloc(count, sizeof(*stacks));
    pool.guards = WF_GUARDS_OLD;
    for (size_t i = 0; i < count; i++) {
        stacks[i] = get(WF_STACK_SMALL);
        kinds[stacks[i].slot->guard]++;
    }
    assert_int_equal(kinds[WF_GUARD_MARK], 0);
    assert_true(kinds[WF_GUARD_PAGE] > 1000);
    assert_true(kinds[WF_GUARD_CANARY] > 0 || kinds[WF_GUARD_PAGE] == count);
    put_all(stacks, count);
    free(stacks);
}

static void test_stack_canary_tells_an_overrun_and_costs_no_memory(void **state)
{
    (void)state;
    pool.guards = WF_GUARDS_CANARIES;
    struct wf_stack stack = get(WF_STACK_MEDIUM);
    stack.low[stack.size - 1] = 1;
    assert_int_equal(stack.slot->guard, WF_GUARD_CANARY);
    assert_false(wf_guard_is_overrun(stack.slot));
    memset(stack.low + 64, 7, stack.size - 64);
    assert_false(wf_guard_is_overrun(stack.slot));
    for (int i = 0; i < 64; i++) {
        stack.low[i] = 1;
        assert_true(wf_guard_is_overrun(stack.slot));
        stack.low[i] = 0;
    }
    wf_stack_put(&pool, &stack);
}

/* By who may ask without a signal: the kernel, which writes there. */
static bool traps(char *page)
{
    errno = 0;
    return sigpending((sigset_t *)(void *)page) < 0 && errno == EFAULT;
}

/* What runs through all of them is stopped. */
static void test_stack_canaries_have_a_trap_below_each_slab(void **state)
{
    (void)state;
    enum { COUNT = 128 };
    struct wf_stack stacks[COUNT];
    pool.guards = WF_GUARDS_CANARIES;
    for (int i = 0; i < COUNT; i++)
        stacks[i] = get(WF_STACK_SMALL);
    for (int i = 0; i < COUNT; i++) {
        bool is_first = (char *)wf_stack_slab_of(stacks[i].slot) + 8192 == stacks[i].low;
        assert_int_equal(traps(stacks[i].low - 4096), is_first);
        assert_int_equal(is_first, i % 64 == 0);
    }
    put_all(stacks, COUNT);
}

static size_t mappings(void)
{
    size_t count = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    for (int c; (c = fgetc(file)) != EOF;)
        count += c == '\n';
    fclose(file);
    return count;
}

static bool has_marks(void)
{
    struct wf_stack stack = { 0 };
    pool.guards = WF_GUARDS_MARKS;
    bool has = wf_stack_get(&pool, WF_STACK_MEDIUM, &stack) == 0;
    if (has)
        wf_stack_put(&pool, &stack);
    pool.guards = WF_GUARDS_BEST;
    return has;
}

/* Where the kernel has marks memory is what bounds the stacks. */
static void test_stack_a_crowd_is_fewer_than_a_hundred_mappings(void **state)
{
    (void)state;
    const char *asked = getenv("WEFT_TEST_OPERATIONS");
    size_t count = asked ? strtoul(asked, NULL, 10) : 200000;
    if (valgrind() || WF_TSAN || !has_marks())
        skip(); /* no marks before Linux 6.13 */
    size_t before = mappings();
    struct wf_stack *stacks = calloc(count, sizeof(*stacks));
    for (size_t i = 0; i < count; i++)
        stacks[i] = get(WF_STACK_MEDIUM);
    assert_in_range(mappings() - before, 0, 99);
    put_all(stacks, count);
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
    for (int i = 0; i < 2; i++) {
        wf_stack_pool_age(&pool);
        while (wf_stack_pool_cool(&pool))
            continue;
    }
    return error;
}

static void check_failure_at(long n, bool persistent)
{
    bool marks = has_marks();
    assert_int_equal(wf_stack_pool_fini(&pool), 0);
    wf_stack_pool_init(&pool, 0);
    pool.guards = (uint8_t)(n % (WF_GUARDS_OLD + 1));
    if (pool.guards == WF_GUARDS_MARKS && !marks)
        return;
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
    for (long n = 1; n < 200; n++) {
        check_failure_at(n, false);
        check_failure_at(n, true);
    }
    wf_stack_pool_init(&pool, 0);
}

static void test_stack_failure_leaves_nothing_behind(void **state)
{
    (void)state;
    struct wf_stack stack = { 0 };
    pool.guards = WF_GUARDS_PAGES;
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
    wf_stack_pool_init(&pool, 0);
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

/* The stacks are the parent's, or the child's own. */
static void overflow(enum wf_guards guards, bool inherits)
{
    pool.guards = (uint8_t)guards;
    struct wf_stack below = { 0 };
    if (inherits)
        below = get(WF_STACK_MEDIUM), deep_stack = get(WF_STACK_MEDIUM);
    pid_t child = fork();
    if (child == 0) {
        if (!inherits)
            below = get(WF_STACK_MEDIUM), deep_stack = get(WF_STACK_MEDIUM);
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
    if (inherits)
        wf_stack_put(&pool, &below), wf_stack_put(&pool, &deep_stack);
}

static void test_stack_overflow_hits_the_guard(void **state)
{
    (void)state;
    overflow(WF_GUARDS_PAGES, false);
    overflow(WF_GUARDS_BEST, false);
    overflow(WF_GUARDS_PAGES, true);
    overflow(WF_GUARDS_BEST, true);
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
        TEST(test_stack_limit_is_on_warm_ones_too),
        TEST(test_stack_ten_thousand_come_and_go),
        TEST(test_stack_what_nobody_wants_for_a_period_loses_its_memory),
        TEST(test_stack_what_is_wanted_keeps_its_memory),
        TEST(test_stack_beside_a_busy_crowd_the_others_cool),
        TEST(test_stack_cooling_ones_can_be_had_and_are_taken_before_cold_ones),
        TEST(test_stack_wholly_cold_tracts_are_unmapped),
        TEST(test_stack_tracts_that_cannot_be_unmapped_are_used_again),
        TEST(test_stack_cooling_model),
        TEST(test_stack_without_marks_canaries_follow_pages),
        TEST(test_stack_canary_tells_an_overrun_and_costs_no_memory),
        TEST(test_stack_canaries_have_a_trap_below_each_slab),
        TEST(test_stack_a_crowd_is_fewer_than_a_hundred_mappings),
        TEST(test_stack_survives_each_failing_call),
        TEST(test_stack_failure_leaves_nothing_behind),
        TEST(test_stack_pages_stop_before_the_kernel_does),
        TEST(test_stack_real_exhaustion_is_an_error),
        TEST(test_stack_fini_counts_the_live),
        TEST(test_stack_overflow_hits_the_guard),
        TEST(test_stack_double_put_aborts),
        TEST(test_stack_reuse_is_clean_after_a_final_switch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
