#ifndef LOAD_RUN_H
#define LOAD_RUN_H

/* A closed or an open loop over an engine's connections, for a time or a number of requests. One
 * engine makes any number of runs, one after the other; the connections stay.
 *
 * Open loop: requests are due by a schedule (schedule.h), whatever became of those before. None is
 * skipped. At the end of the duration those that are due and have not been sent have as long again
 * as an answer may take; then they are given up and counted as unsent.
 *
 * Closed loop: each connection asks when it was answered. */

#include "engine.h"

#include <signal.h>

struct load_run {
    uint64_t requests; /* closed: so many in all; 0: until the time is over */
    int64_t duration;  /* nanoseconds; 0: until the requests are over */
    double rate;       /* requests a second; 0: closed */
    double rate_end;   /* … at the end of the duration, linearly; 0: the same */
    uint64_t seed;     /* arrivals at random, as a Poisson process; 0: evenly */
    int connections;   /* how many of the engine's ask; 0: all */
    int64_t ramp;      /* from one to that many in so long; 0: at once */
    /* Open: stay awake, and ask for events without a pause, so long before a request is due and for
     * so long an answer. Who sleeps sends late, and sees answers late. */
    int64_t spin;
    int64_t give_up;                   /* so long after the end; 0: 10 s */
    const volatile sig_atomic_t *stop; /* 1: end early, 2: at once; NULL: nobody stops it */
    /* What a second, or the rest of one, brought; NULL: nobody wants to know. */
    void (*tick)(void *context, const struct measures *second, int64_t length);
    void *context;
};

struct load_result {
    struct measures measures;
    int64_t elapsed; /* nanoseconds, to the last answer */
    double offered;  /* requests due in a second; closed: those asked */
    double achieved; /* right answers in a second */
    uint64_t unsent; /* were due, and never sent */
    int64_t cpu;     /* nanoseconds of processor time this thread took … */
    int64_t spun;    /* … and how many of them it only waited, in a spin */
};

/* The result is large: give it a static or allocated one. */
void load_run(struct engine *engine, const struct load_run *run, struct load_result *result);

#endif
