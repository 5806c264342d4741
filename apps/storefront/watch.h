#ifndef STOREFRONT_WATCH_H
#define STOREFRONT_WATCH_H

/* Who blocks a loop, and for how long.
 *
 * A handler that really sleeps, or computes for long, holds the loop's thread: nothing else on that
 * loop runs until it is done. The loop cannot see this itself, so somebody beside it looks:
 *
 *     the loop's pulse    beats each 10 ms, and says when it will beat next
 *     a handler           notes itself when it goes on after a wait: two stores
 *     the watcher         a thread; sees that a beat is late, and who noted himself last
 *
 *     beat      beat      beat                                            beat
 *      |---------|---------|----x==========================================|---
 *                               stock notes itself, and does not return
 *
 * Whoever noted himself after the last beat has run ever since: had he suspended, the loop would
 * have gone round and beaten. The block began with his note, to the microsecond, and ended just
 * before the next beat. Code that does not note itself is blamed on nobody, or on whoever ran
 * shortly before. A loop that had no processor most of the time was blocked by nobody: the kernel
 * knows how long a thread has waited for one. Without requests a loop beats each 100 ms, so that an
 * idle program stays idle. */

#include "board.h"

#define WATCH_INTERVAL      INT64_C(10000000)  /* between two beats, and between two looks */
#define WATCH_INTERVAL_IDLE INT64_C(100000000) /* the same, while nobody asks for pages */
#define WATCH_LATE          INT64_C(100000000) /* what is not yet worth a word */
#define WATCH_NOBODY        (-1)               /* who blocks: somebody who did not note himself */
#define WATCH_MACHINE       (-2)               /* … or others, who had the processors */
#define WATCH_STOPPED       (-3)               /* … or a signal, that stopped the process */

/* A loop whose pulse somebody watches; the argument of pulse_beat(). */
struct pulse_loop {
    struct board *board;
    int loop; /* which of the board's pulses */
};

/* Beat until cancelled: a task of that loop. */
int pulse_beat(void *loop);

/* A handler runs: `who` is a part or the gateway. On its start, and after what may have suspended.
 */
void pulse_note(struct pulse *pulse, int who);

/* How long to wait now, for whoever beats or looks. */
int64_t watch_interval(const struct board *board, int64_t now);

struct block {
    int64_t start;    /* 0: there is none */
    int64_t duration; /* so far, while it goes on */
    int loop;         /* whose pulse: a part with a process of its own, or a loop of the gateway */
    int who;          /* a part, the gateway, or one of those above */
};

struct watch {
    int64_t due; /* when the watcher is to look again */
    struct block going_on[STOREFRONT_PULSES];
    int64_t waited[STOREFRONT_PULSES]; /* for a processor, each loop, when all was well */
};

/* Look at every pulse once; returns how many blocks have ended since the last look, in `ended`. */
int watch_look(struct watch *watch, const struct board *board, int64_t now,
               struct block ended[STOREFRONT_PULSES]);

#endif
