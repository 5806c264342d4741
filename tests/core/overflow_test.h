#ifndef WF_TESTS_CORE_OVERFLOW_TEST_H
#define WF_TESTS_CORE_OVERFLOW_TEST_H

/* Programs that overflow a stack, each in a process of its own: ways down, and what the report must
 * say of them.
 *
 * What cannot be caught: code that moves the stack pointer over the guard in one step and finds
 * mapped memory where it writes, which is another stack in most cases. Compilers move it page by
 * page with -fstack-clash-protection. The programs that jump look for a place where nothing is
 * mapped. */

#include "core_test.h"

#include "core/overflow.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <weft/generator.h>

/* Children. */

static char text[64 << 10]; /* what the last one wrote */

static inline void read_text(int fd)
{
    size_t used = 0;
    ssize_t n;
    while (used < sizeof text - 1 && (n = read(fd, text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    close(fd);
}

/* cmocka's handlers would run the next test, and a core takes its time. */
static inline void be_a_child(int fd)
{
    struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_CORE, &none);
    for (int number = 1; number < 32; number++)
        signal(number, SIG_DFL);
    dup2(fd, STDERR_FILENO);
    weft_log_set_sink(NULL, NULL);
    alarm(30);
}

/* The status of a process that does nothing else; 0 if `program` returns. */
static inline int status_of(void (*program)(void *arg), void *arg)
{
    int pipes[2], status = 0;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        be_a_child(pipes[1]);
        program(arg);
        _exit(0);
    }
    close(pipes[1]);
    read_text(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static inline bool died_of(int status, int number)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == number;
}

static inline void expect_death(void (*program)(void *arg), void *arg)
{
    int status = status_of(program, arg);
    if (!died_of(status, SIGSEGV) && !died_of(status, SIGBUS))
        fail_msg("it did not die of the fault (status %#x); it wrote: %s", (unsigned)status, text);
}

static inline void expect_text(const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected '%s' in: %s", part, text);
}

static inline void expect_survival(void (*program)(void *arg), void *arg)
{
    int status = status_of(program, arg);
    if (status != 0)
        fail_msg("status %#x; it wrote: %s", (unsigned)status, text);
}

/* Ways down, whose frames all stay and have the names that they have here. */

#if defined(__clang__)
#    define A_FRAME WF_NOINLINE
#else
#    define A_FRAME __attribute__((noinline, noclone))
#endif

/* Behind a call: so it is none by a jump. */
static inline int back(int result)
{
    __asm__ volatile("" : "+r"(result));
    return result;
}

static A_FRAME int recurse(unsigned levels, size_t frame)
{
    volatile char *pad = __builtin_alloca(frame);
    pad[0] = (char)levels;
    pad[frame - 1] = 1;
    return levels == 0 ? 0 : recurse(levels - 1, frame) + pad[0];
}

#if WF_ASAN
#    define UNCHECKED __attribute__((no_sanitize("address")))
#else
#    define UNCHECKED
#endif

/* Written as a whole: from below the guard, where it is another stack's, up to it. */
UNCHECKED static A_FRAME int fill(unsigned levels)
{
    volatile char array[9000];
    for (size_t i = 0; i < sizeof array; i++)
        array[i] = (char)levels;
    return levels == 0 ? 0 : fill(levels - 1) + array[levels % sizeof array];
}

static inline const char *stack_low(void)
{
    const weft_loop *loop = wf_running;
    const weft_task *task = loop->interrupted ? loop->interrupted : loop->current;
    return task->fiber->context.stack_low;
}

/* Its far end lies so many bytes below the stack. */
static A_FRAME int reach(size_t below)
{
    size_t size = (size_t)((const char *)wf_context_stack_pointer() - stack_low()) + below;
    volatile char *far = __builtin_alloca(size);
    far[0] = 1;
    return far[0];
}

static inline bool is_unmapped(const char *page)
{
    unsigned char resident;
    return mincore((char *)(uintptr_t)page, 1, &resident) < 0 && errno == ENOMEM;
}

/* Over the guard, to where nothing is. */
static A_FRAME int jump(void)
{
    size_t below = 1 << 20;
    while (!is_unmapped(stack_low() - below) || !is_unmapped(stack_low() - below - 4096))
        below += 1 << 20;
    return back(reach(below));
}

#if !defined(__clang__)
__attribute__((optimize("stack-clash-protection")))
#endif
static A_FRAME int
probe(size_t size)
{
    volatile char *far = __builtin_alloca(size);
    far[0] = 1;
    return far[0];
}

enum way { RECURSION, ARRAYS, ALLOCA, JUMP, PROBES, WAYS };

/* Who goes it, and where. */
enum who { TASK, EAGER, GENERATOR, DROP, CALLBACK, WHO };

struct scenario {
    enum way way;
    enum who who;
    uint32_t stack_size;
    uint32_t frame; /* of a recursion */
    enum weft_guards guards;
    bool in_thread; /* in a second thread's loop */
    bool suspends;  /* before it goes down */
};

static A_FRAME int go_down(const struct scenario *s)
{
    switch (s->way) {
    case RECURSION:
        return back(recurse(1 << 20, s->frame));
    case ARRAYS:
        return back(fill(1 << 10));
    case ALLOCA:
        return back(reach(s->frame));
    case JUMP:
        return back(jump());
    default:
        return back(probe(1 << 20));
    }
}

static inline int victim(void *arg)
{
    const struct scenario *s = arg;
    if (s->suspends)
        weft_sleep(SECOND);
    return back(go_down(s));
}

static inline int generate(weft_gen *gen, void *arg)
{
    int item = 1;
    weft_yield(gen, &item);
    return back(go_down(arg));
}

static inline int consume(void *arg)
{
    weft_gen *gen;
    const struct scenario *s = arg;
    int item, err = weft_gen_open(&gen, generate, arg, .item_size = sizeof item, .name = "lines",
                                  .stack_size = s->stack_size);
    assert_int_equal(err, 0);
    while (weft_gen_next(gen, &item) > 0)
        continue;
    return 0;
}

static inline void drop_down(void *arg)
{
    back(go_down(arg));
}

#define SPAWN(fn, ...) weft_spawn(weft_background(), fn, arg, .name = "victim", __VA_ARGS__)

static inline void spawn_victim(void *arg)
{
    const struct scenario *s = arg;
    SPAWN(victim, .stack_size = s->stack_size);
}

static inline int scenario_main(void *arg)
{
    const struct scenario *s = arg;
    wf_running->stacks.guards = (uint8_t)s->guards;
    if (s->who == TASK)
        SPAWN(victim, .stack_size = s->stack_size);
    else if (s->who == EAGER)
        SPAWN(victim, .stack_size = s->stack_size, .eager = true);
    else if (s->who == GENERATOR)
        SPAWN(consume, .stack_size = 16 << 10);
    else if (s->who == DROP)
        SPAWN(return_zero, .stack_size = s->stack_size, .drop = drop_down);
    else
        weft_call_later(SECOND, spawn_victim, arg);
    return weft_sleep(WEFT_HOUR);
}

static inline void *run_scenario_here(void *arg)
{
    run(scenario_main, arg);
    return NULL;
}

static inline void run_scenario(void *arg)
{
    const struct scenario *s = arg;
    pthread_t thread;
    if (!s->in_thread)
        run_scenario_here(arg);
    else if (pthread_create(&thread, NULL, run_scenario_here, arg) == 0)
        pthread_join(thread, NULL);
}

/* What the report must say, and does not; NULL: it says all. */
static inline const char *check_report(const struct scenario *s)
{
    static const char *const advices[] = { "its .stack_size is 16 KiB: give it 64 or 256 KiB",
                                           "its .stack_size is 64 KiB: give it 256 KiB",
                                           "its .stack_size is 256 KiB, the largest" };
    const char *const parts[] = {
        "weft: ",
        " 'victim' (spawned at ",
        s->who == GENERATOR ? "generator 'lines' (opened at " : "task ",
        " has overflowed its stack: ",
        " bytes\n",
        advices[(s->stack_size > WF_STACK_SMALL) + (s->stack_size > WF_STACK_MEDIUM)],
        " runs ",
        " and is at\n",
        "weft:   frame 0: ",
        "weft:   frame 2: ",
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(parts); i++)
        if (!strstr(text, parts[i]))
            return parts[i];
    return NULL;
}

static inline void check(const struct scenario *s)
{
    struct scenario copy = *s;
    expect_death(run_scenario, &copy);
    const char *missing = check_report(s);
    if (missing)
        fail_msg("expected '%s' in: %s", missing, text);
}

#endif
