#include "bench.h"

#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static double read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

double bench_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double bench_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* The set that the first process began with: a child's is what its parent was left with. */
static cpu_set_t allowed;
static bool knows_allowed;

static void learn_allowed(void)
{
    if (!knows_allowed && sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        perror("sched_getaffinity");
    knows_allowed = true;
}

/* Of those allowed, the first or the last. */
static int end_of_allowed(bool last)
{
    int found = 0;
    learn_allowed();
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, &allowed)) {
            found = cpu;
            if (!last)
                break;
        }
    return found;
}

int bench_cpu_of(int cpu)
{
    return end_of_allowed(cpu < 0);
}

void bench_pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)bench_cpu_of(cpu), &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        perror("sched_setaffinity");
}
