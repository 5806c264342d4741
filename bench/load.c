#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT      INT64_C(10000000000)
#define CEILING_TIME INT64_C(500000000)
#define SPIN         INT64_C(200000) /* the generator has a processor of its own */

struct bench_load {
    const struct bench_ask *ask;
    struct target target; /* the only one */
    struct engine *engine;
    struct load_result result;
};

static void die(const char *why)
{
    fprintf(stderr, "load: %s\n", why);
    exit(1);
}

static void aim(struct target *target, const struct bench_ask *ask, int port)
{
    char url[128], why[TARGET_TEXT_MAX];
    snprintf(url, sizeof url, "%s://127.0.0.1:%d%s", ask->scheme, port, ask->path ? ask->path : "");
    if (target_init(target, url, &ask->request, why) < 0)
        die(why);
}

static struct engine_options options_of(struct bench_load *load)
{
    return (struct engine_options){ .targets = &load->target,
                                    .target_count = 1,
                                    .connections = load->ask->connections,
                                    .pipeline = load->ask->pipeline,
                                    .timeout = TIMEOUT };
}

/* The first answer says what all have to be; that it is one to be content with is said here. */
static void connect_all(struct bench_load *load)
{
    char why[TARGET_TEXT_MAX];
    struct engine *engine = load->engine;
    if (engine_learn(engine, true, why) < 0)
        die(why);
    if (load->target.expected.status >= 400)
        die("the first answer says that something is wrong");
    engine_gather(engine);
    while (engine_is_gathering(engine))
        engine_turn(engine, engine_now() + TIMEOUT);
    if (engine_open_count(engine) < engine_connection_count(engine))
        die(strerror(engine_connect_error(engine)));
}

struct bench_load *bench_load_open(int port, const struct bench_ask *ask)
{
    struct bench_load *load = calloc(1, sizeof *load);
    if (!load)
        die("no memory");
    aim(&load->target, ask, port);
    load->ask = ask;
    const struct engine_options options = options_of(load);
    load->engine = engine_new(&options);
    if (!load->engine)
        die("no memory");
    connect_all(load);
    return load;
}

static void check(const struct bench_load *load)
{
    const struct measures *measures = &load->result.measures;
    for (enum fault fault = FAULT_CONNECT; fault < FAULTS; fault++)
        if (measures->faults[fault] > 0)
            die(engine_example(load->engine, fault));
    if (load->result.unsent > 0)
        die("requests that found no place");
}

/* At a rate, so many requests are due in the time that they take; rounded down, none more is. */
const struct load_result *bench_load_run(struct bench_load *load, long requests, double rate)
{
    struct load_run run = { .rate = rate, .spin = SPIN };
    if (rate > 0)
        run.duration = (int64_t)((double)requests / rate * 1e9);
    else
        run.requests = (uint64_t)requests;
    load_run(load->engine, &run, &load->result);
    check(load);
    return &load->result;
}

size_t bench_load_answer_size(const struct bench_load *load)
{
    const struct measures *measures = &load->result.measures;
    bool is_even = measures->answered > 0 && measures->bytes_in % measures->answered == 0;
    return is_even ? (size_t)(measures->bytes_in / measures->answered) : 0;
}

void bench_load_end(struct bench_load *load)
{
    engine_free(load->engine);
    target_fini(&load->target);
    free(load);
}

struct ceiling bench_load_ceiling(struct bench_load *load)
{
    char why[TARGET_TEXT_MAX];
    struct ceiling ceiling;
    const struct engine_options options = options_of(load);
    if (ceiling_find(&options, (size_t)load->target.expected.size, CEILING_TIME, &ceiling, why) < 0)
        die(why);
    return ceiling;
}
