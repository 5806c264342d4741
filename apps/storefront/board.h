#ifndef STOREFRONT_BOARD_H
#define STOREFRONT_BOARD_H

/* What all processes of the demonstration share: one piece of memory, in which each writes what it
 * counts and reads what it is told.
 *
 *     dials     what each service is made to do: the switches write, the services read
 *     pulses    one for each loop: it beats, and notes who runs; the watcher reads
 *     sides     the two shops, weft's and the threads': figures
 *     store     what weft's shop remembers: figures
 *
 * All fields are atomic words, and none is needed to understand another, so nobody locks: a reader
 * may see one request that has ended and is still in flight. Whatever a process does, stop, block
 * or be killed, the others can go on reading. */

#include "histogram.h"

#include <stdbool.h>
#include <sys/types.h>

enum storefront_part {
    STOREFRONT_CATALOG,
    STOREFRONT_PRICE,
    STOREFRONT_STOCK,
    STOREFRONT_REVIEWS, /* the parts before it are required */
    STOREFRONT_PARTS,
    STOREFRONT_REQUIRED = STOREFRONT_REVIEWS,
    STOREFRONT_GATEWAY = STOREFRONT_PARTS,
    STOREFRONT_PROCESSES,      /* at most, of one side */
    STOREFRONT_LOOPS_MAX = 64, /* --threads: the gateway's first loop has its pulse among those of
                                  the processes, and the others behind them */
    STOREFRONT_PULSES = STOREFRONT_PROCESSES + STOREFRONT_LOOPS_MAX - 1,
};

/* Their names: "catalog", …, "gateway". */
extern const char *const part_names[STOREFRONT_PROCESSES];

/* The same of a pulse: every loop of the gateway's process is "gateway". */
const char *pulse_name(int pulse);

/* What a service is made to do. */
struct dial {
    _Atomic int64_t latency; /* it takes so long to answer, asleep as weft sleeps */
    _Atomic int64_t block;   /* now and then it really sleeps, so long; 0: never */
    atomic_bool pooled;      /* … on a thread of the pool and not on the loop's */
    atomic_bool dead;        /* it is gone: nobody listens */
};

#define BLOCK_INTERVAL INT64_C(2000000000) /* from one real sleep to the next */

/* Whether this request is to sleep for real; *next is when the next one of this service is to. */
bool block_is_due(const struct dial *dial, _Atomic int64_t *next);

/* How a page was answered. */
enum outcome {
    OUTCOME_WHOLE,    /* 200 */
    OUTCOME_DEGRADED, /* 200 without reviews */
    OUTCOME_ABSENT,   /* 404 */
    OUTCOME_LATE,     /* 504 */
    OUTCOME_FAILED,   /* 502 */
    OUTCOME_LOST,     /* not at all, or wrongly */
    OUTCOMES,
};

/* Pages as one of the two ends sees them. */
struct flow {
    _Atomic int64_t begun_at; /* when the newest one began */
    _Atomic int64_t in_flight;
    _Atomic int64_t in_flight_max;
    _Atomic uint64_t outcomes[OUTCOMES];
    struct histogram latency;
};

/* Count a page in, and out; `start` is what begin returned, or when it should have begun. */
int64_t flow_begin(struct flow *flow);
void flow_end(struct flow *flow, int64_t start, enum outcome outcome);

#define TROUBLE_MAX 160

/* One shop. */
struct side {
    struct flow served;                       /* as the gateway sees them */
    struct flow asked;                        /* as the load's clients do, from the time they
                                                 should have asked */
    struct histogram health;                  /* GET /health beside them, seen likewise */
    struct histogram parts[STOREFRONT_PARTS]; /* each service, as the gateway sees it */
    _Atomic uint64_t missed;  /* pages the load had no client free to ask for: too many wait */
    _Atomic int refusal;      /* errno of the first call that the kernel refused the shop … */
    _Atomic int refused;      /* … and which that was: enum refused */
    _Atomic int trouble_size; /* bytes of: */
    char
        trouble[TROUBLE_MAX]; /* the first line it wrote to its log, where nobody else reads that */
    _Atomic pid_t processes[STOREFRONT_PROCESSES]; /* 0: none. In one process: the last */
};

enum refused { REFUSED_NOTHING, REFUSED_ACCEPT, REFUSED_SOCKET, REFUSED_THREAD, REFUSED_ANSWER };

/* Note a refusal, if it is the first. */
void side_refuse(struct side *side, enum refused refused, int error);

enum { SIDE_WEFT, SIDE_THREADS, SIDES };

/* How a loop does: see watch.h. */
struct pulse {
    _Atomic int64_t beat;  /* when it last went round */
    _Atomic int64_t due;   /* when it will have gone round again; INT64_MAX: nobody knows */
    _Atomic int64_t since; /* when the newest handler noted that it runs … */
    _Atomic int who;       /* … and which that is: a part, or the gateway */
    _Atomic pid_t thread;  /* that beats */
};

/* What all loops and processes ask of the store, and of what is kept there for a while. */
struct store_figures {
    _Atomic uint64_t asked; /* commands, or groups of them … */
    _Atomic uint64_t failed;
    struct histogram latency;
    _Atomic uint64_t hits;   /* of the cache: it was there */
    _Atomic uint64_t misses; /* it was not, and somebody had to find out … */
    _Atomic uint64_t shared; /* … or somebody was at it, and the others waited for him */
};

struct board {
    int file;         /* behind it, in the process that made it */
    int64_t deadline; /* for all services of a page together; set before anybody reads it */
    struct dial dials[STOREFRONT_PARTS];
    struct pulse pulses[STOREFRONT_PULSES];
    struct side sides[SIDES];
    struct store_figures store;
};

#define BOARD_FILE 3 /* where a child finds it */

/* A new board, all zero but for a deadline of 300 ms; NULL, and errno. */
struct board *board_new(void);
/* The parent's board, in a child; NULL, and errno. */
struct board *board_attach(void);
void board_free(struct board *board);

#endif
