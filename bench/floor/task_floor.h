#ifndef BENCH_FLOOR_TASK_FLOOR_H
#define BENCH_FLOOR_TASK_FLOOR_H

/* The floors under what tasks do: each function is one run and returns nanoseconds per operation.
 * They run on the thread's own stack, with contexts and stacks of the library but no scheduler. */

/* Once, before any other. */
void task_floor_init(void);

/* Take a pooled stack, switch to a function on it that ends at once, give the stack back. */
double task_floor_life_ns(void *count);

struct task_floor_ring {
    int contexts; /* 1: a call in place of a switch */
    long turns;
};

/* So many contexts hand the processor round: one switch, or one call. */
double task_floor_ring_ns(void *ring);

/* Ask an object in memory whether it is done, and for its result: a call and two loads. */
double task_floor_done_ns(void *count);

/* Put a function and its argument into a ring buffer, a hundred at a time, and call them. */
double task_floor_queue_ns(void *count);

/* Link a timer into the slot of a wheel that its time names, and unlink it. */
double task_floor_timer_ns(void *count);

/* The same for a time from now, which has to be asked for. */
double task_floor_timer_from_now_ns(void *count);

/* Link a record into the chain of its task's records, and unlink it: two calls. */
double task_floor_record_ns(void *count);

/* A number from another context: two switches, a store and a load. */
double task_floor_value_ns(void *count);

/* 64 bytes to another context's memory, and back: two switches, four copies. */
double task_floor_ping_pong_ns(void *count);

#endif
