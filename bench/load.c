#include "load.h"

#include "weft-load/ceiling.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct load {
    struct load_target target;
    struct load_engine *engine;
    struct load_result result;
};

static struct load_setup setup_of(const struct load_ask *ask)
{
    return (struct load_setup){ .connections = ask->connections, .pipeline = ask->pipeline };
}

static void die(const char *why)
{
    fprintf(stderr, "load: %s\n", why);
    exit(1);
}

struct load *load_open(int port, const struct load_ask *ask)
{
    struct load *load = calloc(1, sizeof *load);
    struct load_setup setup = setup_of(ask);
    char url[128], why[256] = "no memory";
    snprintf(url, sizeof url, "%s://127.0.0.1:%d%s", ask->scheme, port, ask->path ? ask->path : "");
    if (!load || load_target_init(&load->target, url, &ask->message, why, sizeof why) < 0)
        die(why);
    load->engine = load_engine_open(&setup, &load->target, 1, why, sizeof why);
    if (!load->engine || load_engine_connect(load->engine, why, sizeof why) < 0)
        die(why);
    return load;
}

static void check(const struct load_result *result)
{
    for (int error = 0; error < LOAD_ERRORS; error++)
        if (result->errors[error] > 0)
            die(*result->example[error] ? result->example[error] : load_error_name(error));
}

const struct load_result *load_run(struct load *load, long requests, double rate)
{
    struct load_plan plan = { .requests = (uint64_t)requests, .rate = rate };
    load_engine_run(load->engine, &plan, &load->result);
    check(&load->result);
    return &load->result;
}

size_t load_answer_size(const struct load *load)
{
    return load->target.expected.wire_size;
}

void load_end(struct load *load)
{
    load_engine_close(load->engine);
    load_target_free(&load->target);
    free(load);
}

/* The bench stands on one CPU; here the server needs another. */
struct load_limit load_limit(const struct load_ask *ask)
{
    static struct load_result result;
    struct load_setup setup = setup_of(ask);
    char why[256] = "no ceiling";
    cpu_set_t one, all;
    memset(&all, 0xff, sizeof all);
    sched_getaffinity(0, sizeof one, &one);
    sched_setaffinity(0, sizeof all, &all);
    if (load_ceiling(&setup, &ask->message, *ask->scheme == 'e', 500000000, &result, why,
                     sizeof why) < 0)
        die(why);
    sched_setaffinity(0, sizeof one, &one);
    return (struct load_limit){ result.achieved, (double)result.cpu / (double)result.right };
}
