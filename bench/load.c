#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT      INT64_C(10000000000)
#define CEILING_TIME INT64_C(500000000)
#define SPIN         INT64_C(200000) /* the generator has a processor of its own */

struct bench_load {
    const struct bench_ask *ask;
    struct target *targets;
    int count;
    struct engine *engine;
    struct load_result result;
};

static void die(const char *why)
{
    fprintf(stderr, "load: %s\n", why);
    exit(1);
}

static void aim(struct target *target, const struct bench_ask *ask, int port, int index)
{
    char path[BENCH_PATH_MAX] = "", url[BENCH_PATH_MAX + 64], why[TARGET_TEXT_MAX];
    if (ask->path_of)
        ask->path_of(path, index);
    else if (ask->path)
        snprintf(path, sizeof path, "%s", ask->path);
    snprintf(url, sizeof url, "%s://127.0.0.1:%d%s", ask->scheme, port, path);
    if (target_init(target, url, &ask->request, why) < 0)
        die(why);
}

static void aim_all(struct bench_load *load, const struct bench_ask *ask, int port)
{
    load->ask = ask;
    load->count = ask->path_of ? ask->count : 1;
    load->targets = calloc((size_t)load->count, sizeof *load->targets);
    if (!load->targets)
        die("no memory");
    for (int i = 0; i < load->count; i++)
        aim(&load->targets[i], ask, port, i);
}

static struct engine_options options_of(struct bench_load *load)
{
    return (struct engine_options){ .targets = load->targets,
                                    .target_count = load->count,
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
    for (int i = 0; i < load->count; i++)
        if (load->targets[i].expected.status >= 400)
            die("a first answer says that something is wrong");
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
    aim_all(load, ask, port);
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
    for (int i = 0; i < load->count; i++)
        target_fini(&load->targets[i]);
    free(load->targets);
    free(load);
}

struct ceiling bench_load_ceiling(struct bench_load *load)
{
    char why[TARGET_TEXT_MAX];
    struct ceiling ceiling;
    const struct engine_options options = options_of(load);
    if (ceiling_find(&options, (size_t)load->targets[0].expected.size, CEILING_TIME, &ceiling,
                     why) < 0)
        die(why);
    return ceiling;
}
