#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

/* weft-load's engine, as benches use it: connections to one server that are kept from run to run,
 * every answer looked at, and an exit with a sentence when anything goes wrong. */

#include "weft-load/ceiling.h"
#include "weft-load/run.h"

#define BENCH_PATH_MAX 128

struct bench_ask {
    const char *scheme; /* "echo", "http" or "redis" */
    const char *path;   /* of http and redis */
    struct request_options request;
    int connections;
    int pipeline; /* 0: 1 */
    /* Many to ask in turn: the path of each, and how many there are. NULL: one, `path`. */
    void (*path_of)(char path[BENCH_PATH_MAX], int index);
    int count;
};

struct bench_load;

/* Connect, and learn the answer. `ask` is borrowed until the end. */
struct bench_load *bench_load_open(int port, const struct bench_ask *ask);

/* Run until so many answers have come: as fast as it goes, or `rate` a second. None is under way
 * when it returns. The result is good until the next run. */
const struct load_result *bench_load_run(struct bench_load *load, long requests, double rate);

/* The bytes of an answer, by the last run; 0: they were not always as many. */
size_t bench_load_answer_size(const struct bench_load *load);

void bench_load_end(struct bench_load *load);

/* The same requests, and answers of the same size, against a server that does nothing. */
struct ceiling bench_load_ceiling(struct bench_load *load);

#endif
