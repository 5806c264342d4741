#include "floor/sync_floor.h"

#include "bench.h"
#include "context/context.h"

/* Free and taken. */

struct thing {
    uint32_t holder;
    uint64_t taken;
};

static WF_NOINLINE int take(struct thing *thing, uint32_t holder)
{
    if (thing->holder != 0)
        return -1;
    thing->holder = holder;
    thing->taken++;
    return 0;
}

static WF_NOINLINE int let_go(struct thing *thing, uint32_t holder)
{
    if (thing->holder != holder)
        return -1;
    thing->holder = 0;
    return 0;
}

double sync_floor_mutex_ns(void *count)
{
    long n = *(long *)count;
    struct thing thing = { 0, 0 };
    double start = bench_now_ns();
    for (long i = 0; i < n; i++) {
        bench_keep((uint64_t)take(&thing, 1));
        bench_keep((uint64_t)let_go(&thing, 1));
    }
    return (bench_now_ns() - start) / (double)n;
}

/* A ring buffer. */

#define ROOM 64

static uint64_t ring[ROOM];
static unsigned put_in, taken_out;

static WF_NOINLINE int push(const uint64_t *item)
{
    if (put_in - taken_out == ROOM)
        return -1;
    ring[put_in++ % ROOM] = *item;
    return 0;
}

static WF_NOINLINE int pop(uint64_t *item)
{
    if (put_in == taken_out)
        return -1;
    *item = ring[taken_out++ % ROOM];
    return 0;
}

double sync_floor_ring_ns(void *count)
{
    long n = *(long *)count;
    uint64_t item = 0;
    double start = bench_now_ns();
    for (long i = 0; i < n; i++) {
        push(&item);
        pop(&item);
        bench_keep(item);
    }
    return (bench_now_ns() - start) / (double)n;
}

/* Another context. */

static struct wf_context home, other;
static uint64_t mail;
static _Alignas(64) char stack[64 << 10];

static void copy_for_ever(void *arg)
{
    (void)arg;
    for (uint64_t sum = 0;; sum += mail) {
        bench_keep(sum);
        wf_context_switch(&other, &home);
    }
}

static double pass(long n)
{
    wf_context_main(&home);
    wf_context_init(&other, stack, sizeof stack, copy_for_ever, NULL);
    double start = bench_now_ns();
    for (long i = 0; i < n; i++) {
        mail = (uint64_t)i;
        wf_context_switch(&home, &other);
    }
    return bench_now_ns() - start;
}

/* There one, back the next. */
double sync_floor_pass_ns(void *count)
{
    long n = *(long *)count;
    return pass(n / 2) / (double)n;
}

double sync_floor_there_and_back_ns(void *count)
{
    long n = *(long *)count;
    return pass(n) / (double)n;
}

/* Four places. */

struct place {
    uint64_t *items;
    unsigned count;
};

static WF_NOINLINE int look(struct place *const places[], int count, uint64_t *item)
{
    for (int i = 0; i < count; i++)
        if (places[i]->count > 0) {
            *item = places[i]->items[0];
            return i;
        }
    return -1;
}

double sync_floor_look_ns(void *count)
{
    long n = *(long *)count;
    uint64_t one = 7, item = 0;
    struct place empty = { NULL, 0 }, full = { &one, 1 };
    struct place *places[] = { &empty, &empty, &empty, &full };
    double start = bench_now_ns();
    for (long i = 0; i < n; i++) {
        bench_keep((uint64_t)look(places, 4, &item));
        bench_keep(item);
    }
    return (bench_now_ns() - start) / (double)n;
}
