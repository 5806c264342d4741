#ifndef BENCH_FLOOR_SWITCH_FLOOR_H
#define BENCH_FLOOR_SWITCH_FLOOR_H

/* Nanoseconds for one switch, over 2 * *(unsigned long *)rounds of them. */
double switch_floor_ns(void *rounds);

#define SWITCH_FLOOR_RING_MAX 1000

/* A loop that switches to each coroutine in turn, as a scheduler does. */
struct switch_floor_ring {
    unsigned long rounds; /* to a coroutine and back, in all */
    unsigned long count;  /* coroutines */
    void *stack_tops[SWITCH_FLOOR_RING_MAX];
};

/* Nanoseconds for one switch of a struct switch_floor_ring. */
double switch_floor_ring_ns(void *ring);

#endif
