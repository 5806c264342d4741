#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

/* The command line of weft-load. */

#include "target.h"

#define STEPS_MAX 100

enum check { CHECK_BODY, CHECK_SIZE, CHECK_STATUS, CHECK_NONE };

struct options {
    struct target *targets;
    int target_count;
    char **urls; /* before they are targets */
    unsigned *weights;
    struct request_options request;
    int connections, pipeline;
    uint64_t requests;
    int64_t duration, warm_up, ramp, timeout, spin;
    struct {
        double from, to;
    } steps[STEPS_MAX]; /* rates; none: a closed loop */
    int step_count;
    uint64_t seed;
    enum check check;
    int check_every;
    int expect_status;
    char *expect_body;
    size_t expect_size;
    const char *json, *csv; /* NULL: none; "-": standard output */
    bool quiet, is_null, ceiling;
    struct bytes data;
    char **headers;
};

/* Returns the exit status with which the program is to end, or -1: go on. */
int options_read(struct options *options, int count, char **words);
/* One more URL. As above. */
int options_add_url(struct options *options, const char *url);
/* Make the targets of the URLs. 0; or 2, after a sentence. */
int options_resolve(struct options *options);
void options_free(struct options *options);

#endif
