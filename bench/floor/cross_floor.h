#ifndef BENCH_FLOOR_CROSS_FLOOR_H
#define BENCH_FLOOR_CROSS_FLOOR_H

/* The least that a round trip between two threads can cost, by hand. Each returns nanoseconds. */

/* Both sleep in epoll_wait() on an event descriptor that is never read. */
double cross_floor_asleep(long count);

/* Both look at a word in memory. */
double cross_floor_awake(long count);

#endif
