#ifndef BENCH_FLOOR_TIMER_FLOOR_H
#define BENCH_FLOOR_TIMER_FLOOR_H

/* The least that could keep timers by hand: a ring of lists, a tick each, into which a timer is
 * linked by its time and out of which it is taken again. It cannot hold one that is more than a
 * turn away, and says in no order which of a tick are due.
 *
 * Nanoseconds for one that is set and taken back, beside so many others. */
double timer_floor_ns(long pending, long count);

#endif
