#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

/* What is told: to people while it runs and after, to programs as JSON and as CSV. */

#include "options.h"

#include <stdio.h>

/* All there is to tell. */
struct load_report {
    const struct load_options *options;
    const struct load_target *targets;
    int target_count;
    const struct load_result *const *results; /* of each step that was run */
    int count;
    const struct load_result *ceiling; /* or NULL */
};

/* What the progress line has to remember. */
struct load_progress {
    FILE *file;
    struct load_histogram before, fresh;
    uint64_t right, failed;
    int64_t elapsed;
    bool shows; /* a line stands there */
};

void load_report_text(FILE *file, const struct load_report *report);
void load_report_json(FILE *file, const struct load_report *report);
void load_report_csv(FILE *file, const struct load_report *report);
void load_report_ceiling(FILE *file, const struct load_result *ceiling);

/* For load_plan.progress; the context is a load_progress. */
void load_progress_show(void *context, const struct load_result *so_far);
void load_progress_clear(struct load_progress *progress);

#endif
