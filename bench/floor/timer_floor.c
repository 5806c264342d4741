#include "floor/timer_floor.h"

#include "base/list.h"
#include "bench.h"

#define SLOTS 65536
#define TICK  20 /* bits of a nanosecond's count: a millisecond, nearly */

struct timer {
    struct wf_list link;
    int64_t time;
    void (*call)(void *arg);
    void *arg;
};

static struct wf_list slots[SLOTS];

static void set(struct timer *timer, int64_t time)
{
    timer->time = time;
    wf_list_push_back(&slots[(time >> TICK) % SLOTS], &timer->link);
}

double timer_floor_ns(long pending, long count)
{
    struct timer *timers = calloc((size_t)pending + 1, sizeof *timers), *one = timers + pending;
    if (!timers)
        abort();
    for (int i = 0; i < SLOTS; i++)
        wf_list_init(&slots[i]);
    for (long i = 0; i < pending; i++)
        set(&timers[i], i * 7919 % 1000003 << TICK);
    double start = bench_now_ns();
    for (long i = 0; i < count; i++) {
        set(one, i * 104729 % 1000003 << TICK);
        bench_keep((uintptr_t)one);
        wf_list_remove(&one->link);
    }
    double each = (bench_now_ns() - start) / (double)count;
    free(timers);
    return each;
}
