#ifndef BENCH_GUARD_CLOCK_H
#define BENCH_GUARD_CLOCK_H

#include <stdint.h>

/* Let `duration` nanoseconds pass at once. */
void guard_clock_pass(int64_t duration);

#endif
