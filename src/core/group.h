#ifndef WF_CORE_GROUP_H
#define WF_CORE_GROUP_H

/* The loops of one weft_run(): a group. Its story is in group.c. */

#include "base/list.h"
#include "io/gate.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <weft/loop.h>

#define WF_GROUP_MAX 1024

/* One loop of a group, and its thread. */
struct wf_peer {
    struct wf_group *group;
    weft_loop *loop; /* NULL: not made; kept until all threads are through */
    weft_task *main;
    struct weft_notice news; /* something in the group has changed: look */
    pthread_t thread;        /* not of peer 0, which is the caller's */
    unsigned index;
    int result;     /* of its birth, then of its main */
    int end;        /* of its loop: WEFT_ESTUCK */
    bool cancelled; /* what the news were about has been done */
    bool pierced;
    bool waits; /* for what the news may be: each turn may be the last */
};

struct wf_group {
    weft_fn *fn;
    const struct weft_loop_options *options;
    unsigned count;
    const struct wf_loop_watch *watch; /* the caller's; NULL */
    bool goes;                         /* every loop was made: written before `start` */
    cpu_set_t cpus;                    /* .pin: of the calling thread, before it was pinned */
    struct wf_gate born, start, gone;
    atomic_uint mains;      /* that have not ended */
    atomic_uint winding;    /* loops that have not wound down */
    atomic_uint interrupts; /* SIGINT and SIGTERM, as told by loop 0 */
    atomic_int first;       /* the first negative result of a main; 0: there is none */
    char detail[256];       /* what weft_error_detail() said of it there */
    struct wf_lock lock;    /* of what follows */
    struct wf_list shared;  /* net/shared.c: what several loops listen on */
    struct wf_peer peers[];
};

/* weft_run() with .threads > 1. */
int wf_group_run(weft_fn *fn, const struct weft_loop_options *options);

/* Loop 0 was interrupted for the `count`-th time: tell all. Any loop that has none: nothing. */
void wf_group_interrupt(const weft_loop *loop, unsigned count);

/* Have every loop look at what has changed. */
void wf_group_ring(struct wf_group *group);

/* This loop has wound down, and waits for the others. */
void wf_group_wound_down(weft_loop *loop);

/* Whether others have not. */
bool wf_group_winds_down(const weft_loop *loop);

#endif
