/* A million tasks with stacks: what they cost in memory and mappings, how long they take to begin,
 * to be cancelled and joined, to wake when all are due, and what it costs to go round among them;
 * a timer set and taken back beside a million others; and what a task on a stack that is new costs
 * beside the page fault that it cannot do without.
 *
 *     bench_million [--size TASKS]        some 4.5 KB each */

#include "bench.h"
#include "usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weft.h>

#define TASKS     1000000
#define ROUNDS    8
#define TIMERS    1000000
#define COLD      20000
#define STRIDE    ((size_t)64 << 10)
#define LIFE_LONG (24 * WEFT_HOUR)

static long tasks = TASKS;

/* Of the process. */

static double resident(void)
{
    return (double)usage_of(getpid()).resident;
}

static long mappings(void)
{
    long count = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    for (int c; file && (c = fgetc(file)) != EOF;)
        count += c == '\n';
    if (file)
        fclose(file);
    return count;
}

static double seconds_since(double start)
{
    return (bench_now_ns() - start) / 1e9;
}

/* Asleep. */

static int sleep_until(void *due)
{
    return weft_sleep_until(*(int64_t *)due);
}

static void begin(weft_scope *scope, weft_fn *fn, void *arg)
{
    for (long i = 0; i < tasks; i++)
        weft_spawn(scope, fn, arg);
    weft_sleep(0);
}

static int cancelled(void *arg)
{
    int64_t due = weft_now() + LIFE_LONG;
    double before = resident(), start = bench_now_ns();
    weft_scope scope;
    (void)arg;
    weft_scope_begin(&scope);
    begin(&scope, sleep_until, &due);
    bench_value("million/begun", "ns", (bench_now_ns() - start) / (double)tasks);
    bench_value("million/bytes", "B", (resident() - before) / (double)tasks);
    bench_value("million/mappings", "", (double)mappings());
    start = bench_now_ns();
    weft_scope_cancel(&scope, "enough");
    int err = weft_scope_end(&scope);
    bench_value("million/joined", "s", seconds_since(start));
    return err == -ECANCELED ? 0 : err;
}

static int woken(void *arg)
{
    weft_scope scope;
    double start = bench_now_ns();
    int64_t due = weft_now() + (int64_t)tasks * 3 * WEFT_MICROSECOND;
    (void)arg;
    weft_scope_begin(&scope);
    begin(&scope, sleep_until, &due);
    bench_value("million/begun again", "ns", (bench_now_ns() - start) / (double)tasks);
    if (weft_now() > due)
        bench_note("too slow to be asleep when they are due");
    int err = weft_scope_end(&scope);
    bench_value("million/woken", "ns", (double)(weft_now() - due) / (double)tasks);
    return err;
}

/* In turn. */

static int go_round(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS + 2; i++)
        weft_sleep(0);
    return 0;
}

static int in_turn(void *arg)
{
    weft_scope scope;
    (void)arg;
    weft_scope_begin(&scope);
    begin(&scope, go_round, NULL);
    double start = bench_now_ns();
    for (int i = 0; i < ROUNDS; i++)
        weft_sleep(0);
    bench_value("million/turn", "ns", (bench_now_ns() - start) / (double)ROUNDS / (double)tasks);
    return weft_scope_end(&scope);
}

/* Timers. */

static void never(void *arg)
{
    (void)arg;
}

static int among_timers(void *arg)
{
    enum { COUNT = 1000000 };
    static weft_handle pending[TIMERS];
    int64_t now = weft_now();
    (void)arg;
    for (long i = 0; i < TIMERS; i++)
        pending[i] =
            weft_call_at(now + WEFT_HOUR + i * 7919 % 1000003 * WEFT_MILLISECOND, never, NULL);
    double start = bench_now_ns();
    for (long i = 0; i < COUNT; i++)
        weft_handle_cancel(
            weft_call_at(now + WEFT_HOUR + i * 104729 % 1000003 * WEFT_MILLISECOND, never, NULL));
    bench_value("million/timer", "ns", (bench_now_ns() - start) / COUNT);
    for (long i = 0; i < TIMERS; i++)
        weft_handle_cancel(pending[i]);
    return 0;
}

/* On new stacks. */

static double cold_ns;

static int cold_main(void *arg)
{
    int64_t due = weft_now() + LIFE_LONG;
    weft_scope scope;
    (void)arg;
    weft_scope_begin(&scope);
    double start = bench_now_ns();
    for (long i = 0; i < COLD; i++)
        weft_spawn(&scope, sleep_until, &due);
    weft_sleep(0);
    cold_ns = (bench_now_ns() - start) / COLD;
    weft_scope_cancel(&scope, "enough");
    return weft_scope_end(&scope);
}

static double cold_run(void *arg)
{
    (void)arg;
    weft_run(cold_main, NULL);
    return cold_ns;
}

static double fault_run(void *arg)
{
    (void)arg;
    char *memory = mmap(NULL, COLD * STRIDE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    madvise(memory, COLD * STRIDE, MADV_NOHUGEPAGE);
    double start = bench_now_ns();
    for (size_t i = 1; i <= COLD; i++)
        memory[i * STRIDE - 64] = 1;
    double each = (bench_now_ns() - start) / COLD;
    munmap(memory, COLD * STRIDE);
    return each;
}

static void run(weft_fn *fn)
{
    int err = weft_run(fn, NULL, .stacks_max = (size_t)tasks + 2);
    if (err < 0)
        printf("%s\n", weft_error_text(err));
}

int main(int argc, char **argv)
{
    bench_begin("million", argc, argv);
    tasks = bench_size(TASKS);
    bench_pin(-1);
    bench_row("million/cold", "ns",
              (struct bench_side[]){ { "weft", NULL, cold_run, NULL },
                                     { "floor", "the first touch of a page", fault_run, NULL },
                                     { .name = NULL } });
    run(among_timers);
    run(cancelled);
    run(in_turn);
    run(woken);
    return bench_end();
}
