#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

/* The generator of apps/weft-load, as benches use it: connections to one server, that are kept from
 * run to run, and an exit with a sentence when anything goes wrong. */

#include "weft-load/engine.h"

struct load_ask {
    const char *scheme; /* "echo" or "http" */
    const char *path;   /* of http */
    struct load_message message;
    int connections;
    int pipeline; /* 0: 1 */
};

struct load;

/* Connect, and learn the answer. `ask` is kept. */
struct load *load_open(int port, const struct load_ask *ask);

/* Run until so many answers have come: as fast as it goes, or `rate` a second. None is under way
 * when it returns. The result is good until the next run. */
const struct load_result *load_run(struct load *load, long requests, double rate);

/* The size of an answer on the wire; 0: it is not always the same. */
size_t load_answer_size(const struct load *load);

void load_end(struct load *load);

/* Against a server that answers without looking: requests a second, and nanoseconds of the
 * generator's CPU for each. */
struct load_limit {
    double rate, cpu_ns;
};
struct load_limit load_limit(const struct load_ask *ask);

#endif
