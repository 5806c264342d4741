#ifndef BENCH_FLOOR_SYNC_FLOOR_H
#define BENCH_FLOOR_SYNC_FLOOR_H

/* The floors under what tasks use to wait for one another: each function is one run and returns
 * nanoseconds per operation. No scheduler, no lines, no cancel; contexts are the library's. */

/* Take what is free and let it go: two calls, each a test and a store. */
double sync_floor_mutex_ns(void *count);

/* Eight bytes into a ring buffer and out again: two calls. */
double sync_floor_ring_ns(void *count);

/* Eight bytes to another context, which copies them: a switch for each. */
double sync_floor_pass_ns(void *count);

/* The processor to another context and back: two switches. */
double sync_floor_there_and_back_ns(void *count);

/* Look at four places, take from the first that has something. */
double sync_floor_look_ns(void *count);

#endif
