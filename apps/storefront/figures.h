#ifndef STOREFRONT_FIGURES_H
#define STOREFRONT_FIGURES_H

/* What the board says of one second, as figures for people. */

#include "watch.h"

/* One side in one second. Times are nanoseconds; 0: nothing was measured. */
struct figures {
    bool runs;                   /* there is such a process */
    bool by_clients;             /* in_flight and the times are those of the load's clients */
    bool stopped;                /* one of the processes is, by a signal */
    int processes;               /* how many there are, and their … */
    int threads;                 /* … OS threads */
    int64_t resident;            /* … bytes of memory */
    double cpu;                  /* … processors in use */
    int64_t in_flight;           /* at the end of the second */
    double rate;                 /* pages answered in a second */
    uint64_t outcomes[OUTCOMES]; /* pages, by answer */
    uint64_t missed;             /* pages not even asked for: all clients of the load waited */
    int64_t p50;
    int64_t p99;
    int64_t health_p99; /* of GET /health, asked for beside the pages */
    int64_t part_p99[STOREFRONT_PARTS];
    char part_states[STOREFRONT_PARTS]; /* of a service's own process, as usage_of(); 0: none */
};

/* The store in one second. */
struct store_second {
    uint64_t asked, failed, hits, misses, shared;
    int64_t p99;
};

struct window {
    int64_t second; /* since the observer began; 1 is the first */
    struct figures sides[SIDES];
    struct store_second store;
};

/* What was read last, so that the next second can be told from all before. */
struct side_meter {
    struct tally served, asked, health, parts[STOREFRONT_PARTS];
    uint64_t outcomes[OUTCOMES];
    uint64_t missed;
    int64_t cpu;
};

struct meter {
    int64_t read_at;
    struct side_meter sides[SIDES];
    struct store_second store; /* as sums */
    struct tally store_latency;
    struct tally fresh; /* too large for a task's stack */
};

void meter_init(struct meter *meter, const struct board *board, int64_t now);

/* The figures of the time since the last call; all of *window but its second. */
void meter_read(struct meter *meter, const struct board *board, int64_t now, struct window *window);

/* A line on standard output, if there is anything to tell. `block`: the worst of this second; its
 * start is 0 when there was none. */
void window_print(const struct window *window, const struct block *block);

/* "stock has blocked the loop for 400 ms", and variations. */
void block_describe(const struct block *block, char *text, size_t size);

#endif
