/* What a switch costs, against two coroutines and rings of them written by hand in one piece of
 * assembly, and what a stack costs from the pool. Figures mean something in a release build only.
 *
 *     bench_switch [--help] */

#include "bench.h"
#include "context/context.h"
#include "context/stack.h"
#include "floor/switch_floor.h"

#include <stdlib.h>

#define RING_MAX SWITCH_FLOOR_RING_MAX

static unsigned long rounds = 5 * 1000 * 1000;

static struct wf_context loop_context;
static struct wf_context other;
static struct wf_stack other_stack;
static struct wf_stack_pool pool;

static void inline_entry(void *arg)
{
    (void)arg;
    for (;;)
        wf_context_switch(&other, &loop_context);
}

static void outofline_entry(void *arg)
{
    (void)arg;
    for (;;)
        wf_context_switch_outofline(&other, &loop_context);
}

static double run_inline(void *arg)
{
    (void)arg;
    wf_context_init(&other, other_stack.low, other_stack.size, inline_entry, NULL);
    double start = bench_now_ns();
    for (unsigned long i = 0; i < rounds; i++)
        wf_context_switch(&loop_context, &other);
    return (bench_now_ns() - start) / (2.0 * (double)rounds);
}

static double run_outofline(void *arg)
{
    (void)arg;
    wf_context_init(&other, other_stack.low, other_stack.size, outofline_entry, NULL);
    double start = bench_now_ns();
    for (unsigned long i = 0; i < rounds; i++)
        wf_context_switch_outofline(&loop_context, &other);
    return (bench_now_ns() - start) / (2.0 * (double)rounds);
}

/* A scheduler's pattern: one switch out, many contexts, one switch back in each. */
static struct wf_context ring[RING_MAX];
static struct wf_stack ring_stacks[RING_MAX];

static void ring_entry(void *arg)
{
    struct wf_context *self = arg;
    for (;;)
        wf_context_switch(self, &loop_context);
}

static double run_ring(void *arg)
{
    const unsigned long count = *(const unsigned long *)arg;
    for (unsigned long i = 0; i < count; i++)
        wf_context_init(&ring[i], ring_stacks[i].low, ring_stacks[i].size, ring_entry, &ring[i]);
    unsigned long turns = rounds / count;
    double start = bench_now_ns();
    for (unsigned long turn = 0; turn < turns; turn++)
        for (unsigned long i = 0; i < count; i++)
            wf_context_switch(&loop_context, &ring[i]);
    return (bench_now_ns() - start) / (2.0 * (double)count * (double)turns);
}

/* Beside the same ring by hand, on the same stacks. */
static void compare_ring(const char *name, unsigned long count)
{
    static struct switch_floor_ring by_hand;
    by_hand.rounds = rounds;
    by_hand.count = count;
    for (unsigned long i = 0; i < count; i++)
        by_hand.stack_tops[i] = ring_stacks[i].low + ring_stacks[i].size;
    bench_row(
        name, "ns",
        (struct bench_side[]){ { "weft", NULL, run_ring, &count },
                               { "floor", "the same by hand", switch_floor_ring_ns, &by_hand },
                               { .name = NULL } });
}

static double run_get_put(void *arg)
{
    size_t size = *(size_t *)arg;
    struct wf_stack stack;
    double start = bench_now_ns();
    for (unsigned long i = 0; i < rounds; i++) {
        if (wf_stack_get(&pool, size, &stack) != 0)
            abort();
        bench_keep((uintptr_t)stack.low);
        wf_stack_put(&pool, &stack);
    }
    return (bench_now_ns() - start) / (double)rounds;
}

static void once_entry(void *arg)
{
    (void)arg;
    wf_context_switch_final(&other, &loop_context);
}

static double run_life(void *arg)
{
    (void)arg;
    struct wf_stack stack;
    double start = bench_now_ns();
    for (unsigned long i = 0; i < rounds; i++) {
        if (wf_stack_get(&pool, WF_STACK_MEDIUM, &stack) != 0)
            abort();
        wf_context_init(&other, stack.low, stack.size, once_entry, NULL);
        wf_context_switch(&loop_context, &other);
        wf_context_fini(&other);
        wf_stack_put(&pool, &stack);
    }
    return (bench_now_ns() - start) / (double)rounds;
}

static void get_or_die(struct wf_stack *stack)
{
    if (wf_stack_get(&pool, WF_STACK_MEDIUM, stack) != 0)
        abort();
}

static void prepare(void)
{
    wf_stack_pool_init(&pool, 0);
    wf_context_main(&loop_context);
    get_or_die(&other_stack);
    for (int i = 0; i < RING_MAX; i++)
        get_or_die(&ring_stacks[i]);
    /* One more at the peak, so that get and put stay on the fast path. */
    struct wf_stack spare[2];
    get_or_die(&spare[0]);
    get_or_die(&spare[1]);
    wf_stack_put(&pool, &spare[1]);
    wf_stack_put(&pool, &spare[0]);
}

static void beside_floor(const char *name, double (*run)(void *))
{
    bench_row(name, "ns",
              (struct bench_side[]){ { "weft", NULL, run, NULL },
                                     { "floor", "two by hand", switch_floor_ns, &rounds },
                                     { .name = NULL } });
}

int main(int argc, char **argv)
{
    size_t size = WF_STACK_MEDIUM;
    bench_begin("switch", argc, argv);
    bench_pin(-1);
    prepare();
    beside_floor("switch/inline", run_inline);
    beside_floor("switch/out of line", run_outofline);
    compare_ring("switch/ring/2", 2);
    compare_ring("switch/ring/10", 10);
    compare_ring("switch/ring/1,000", RING_MAX);
    bench_row("switch/stack", "ns",
              (struct bench_side[]){ { "weft", NULL, run_get_put, &size }, { .name = NULL } });
    bench_row("switch/life", "ns",
              (struct bench_side[]){ { "weft", NULL, run_life, NULL }, { .name = NULL } });
    return bench_end();
}
