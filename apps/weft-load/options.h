#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

/* The command line. What it says is checked here; texts point into argv, or are allocated once and
 * stay for the program's life. */

#include "engine.h"

#define LOAD_STEPS_MAX 64

enum load_mode { LOAD_MODE_RUN, LOAD_MODE_NULL, LOAD_MODE_CEILING, LOAD_MODE_NOTHING };

struct load_step {
    double rate, rate_end; /* both 0: closed loop */
};

struct load_options {
    enum load_mode mode;
    struct load_setup setup;
    struct load_message message;
    struct load_plan plan; /* of each step, but for the rates */
    int64_t warm_up;
    struct load_step steps[LOAD_STEPS_MAX];
    int step_count;
    const char **urls;
    int url_count;
    const char *null_address; /* NULL: any */
    const char *json, *csv;   /* NULL: none; "-": standard output */
    bool ceiling;
    bool quiet;
};

/* Returns 0, or 2 after a sentence on standard error. NOTHING: --help or --version was answered. */
int load_options_read(struct load_options *options, int argc, char **argv);

/* "20k", "1.5M": a number above 0. */
bool load_read_number(const char *text, double *number);

/* "10s", "250ms", "1m", and a bare number is seconds. */
bool load_read_duration(const char *text, int64_t *duration);

/* "20k", "1k..50k", "1k,2k,5k..8k". Returns how many, or -1. */
int load_read_rates(const char *text, struct load_step *steps, int room);

#endif
