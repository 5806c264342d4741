#ifndef LOAD_ENGINE_H
#define LOAD_ENGINE_H

/* The engine: connections to servers, and runs of requests over them.
 *
 * One thread, one level-triggered epoll, raw sockets; of weft only the codec, for a generator must
 * not measure itself with what it measures. Connections are opened once and kept from run to run.
 *
 *     engine = load_engine_open(&setup, targets, count, why, sizeof why);
 *     load_engine_run(engine, &(struct load_plan){ .requests = 100000 }, result);      closed loop
 *     load_engine_run(engine, &(struct load_plan){ .rate = 20000, .duration = ... }, result);
 *     load_engine_close(engine);
 *
 * Closed loop (no rate): each connection keeps `pipeline` requests under way. It finds out how much
 * a server can do, and says little about waiting: a server that pauses is not asked meanwhile.
 *
 * Open loop: request i is due when the schedule says so, whatever became of those before. It goes
 * to the next connection in turn that has room; where all have `pipeline` requests under way it
 * waits here, in a backlog without a limit, and its time counts from when it was due. Nothing is
 * skipped: after the schedule's end the backlog is sent and awaited for as long as `timeout`.
 *
 * The engine sleeps until shortly before the next due time and spins for the rest of it. How late
 * it noticed a due time nevertheless is counted: then the generator was too slow, not the server.
 *
 * Costs: a receive and a send for what is at hand, no allocation per request; a connection has
 * about 150 bytes, and 24 for each request that may be under way. */

#include "histogram.h"
#include "target.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define LOAD_EXAMPLE_MAX 200

struct load_engine;

/* All zeros is a useful setup. */
struct load_setup {
    int connections;             /* 0: 1 */
    int pipeline;                /* requests under way on one; 0: 1 */
    bool churns;                 /* one exchange per connection: connect, ask, close */
    int64_t timeout;             /* nanoseconds, for an answer and for connecting; 0: 10 s */
    unsigned check_every;        /* look at the body of each n-th answer; 0: of each */
    volatile sig_atomic_t *stop; /* or NULL; when it is set the run ends at once */
};

struct load_result;

/* One run. Without a rate it is a closed loop; one of `requests` and `duration` has to be given,
 * and the first that is reached ends it. */
struct load_plan {
    uint64_t requests;
    int64_t duration; /* nanoseconds */
    double rate;      /* requests a second */
    double rate_end;  /* 0: the same; else the rate moves to this one within `duration` */
    bool is_poisson;
    uint64_t seed;
    int64_t ramp_up; /* open loop or closed: put the connections to work one by one in this time */
    void (*progress)(void *context, const struct load_result *so_far); /* once a second, or NULL */
    void *context;
};

/* Invariant after a run: due = right + the sum of errors. */
struct load_result {
    uint64_t due; /* requests whose time had come; closed loop: that were issued */
    uint64_t sent;
    uint64_t right; /* answered as they should be */
    uint64_t errors[LOAD_ERRORS];
    char example[LOAD_ERRORS][LOAD_EXAMPLE_MAX]; /* the first one of each kind, for people */
    uint64_t retried;  /* sent again, for the server had closed a kept connection meanwhile */
    uint64_t connects; /* connections that were opened */
    uint64_t bytes_out, bytes_in;
    uint64_t waiting, waiting_max; /* due and without a connection: now, and at most */
    double offered;                /* requests a second of the plan; closed loop: as achieved */
    double achieved;               /* right answers a second */
    int64_t elapsed;               /* to the last answer, or the plan's end if that is later */
    int64_t cpu;                   /* of this thread */

    /* Right answers since they were due; closed loop: since they were sent. */
    struct load_histogram latency;

    /* The same since they were sent, and due times until the engine noticed; closed loop: empty. */
    struct load_histogram service, late;
};

/* Connect to each server once and ask for each target once, to learn the answers; the other
 * connections are opened when a run needs them, or by load_engine_connect(). `targets` are kept.
 * Returns NULL with a sentence in `why` where that fails. */
struct load_engine *load_engine_open(const struct load_setup *setup, struct load_target *targets,
                                     int count, char *why, size_t why_size);

/* Open all connections now. Returns 0, or -1 with a sentence. Not with `churns`. */
int load_engine_connect(struct load_engine *engine, char *why, size_t why_size);

/* Run. None is under way when it returns. Returns 0, or -1 when it was stopped; the result is good
 * in both cases, and cleared before. */
int load_engine_run(struct load_engine *engine, const struct load_plan *plan,
                    struct load_result *result);

void load_engine_close(struct load_engine *engine);

uint64_t load_result_failed(const struct load_result *result);

#endif
