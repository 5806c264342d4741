#ifndef BENCH_FLOOR_SWITCH_FLOOR_H
#define BENCH_FLOOR_SWITCH_FLOOR_H

/* Nanoseconds for one switch, over 2 * *(unsigned long *)rounds of them. */
double switch_floor_ns(void *rounds);

#endif
