#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

/* What was seen, for people and for programs. */

#include "ceiling.h"
#include "options.h"
#include "run.h"

#include <stdio.h>

/* A second of a step. */
struct second {
    int step;
    int64_t end, length; /* nanoseconds; end: since the step began */
    uint64_t asked, answered, faults;
    int64_t p50, p99, max;
    int open; /* connections, at its end */
};

struct report {
    const struct options *options;
    const struct engine *engine;
    struct load_result *results[STEPS_MAX]; /* one for each step; a closed loop is one */
    int count;
    struct ceiling ceiling; /* of no rate: it was not looked for */
    struct second *seconds;
    size_t second_count, second_room;
    int64_t step_time; /* of the current step, so far */
    bool live;         /* there is a progress line to write */
};

/* Note a second, and show it where somebody looks. Fit for load_run's tick. */
void report_second(void *report, const struct measures *second, int64_t length);

/* Make the line of the terminal free again. */
void report_end_line(const struct report *report);

void report_summary(const struct report *report, FILE *file);
void report_ceiling(const struct ceiling *ceiling, FILE *file);
void report_json(const struct report *report, FILE *file);
void report_csv(const struct report *report, FILE *file);

/* All faults of all steps. */
uint64_t report_faults(const struct report *report);

#endif
