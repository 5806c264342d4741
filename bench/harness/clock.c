#include "bench.h"

#include <sched.h>
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

void bench_pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)(cpu < 0 ? (int)sysconf(_SC_NPROCESSORS_ONLN) + cpu : cpu), &set);
    sched_setaffinity(0, sizeof set, &set);
}
