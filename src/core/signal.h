#ifndef WF_CORE_SIGNAL_H
#define WF_CORE_SIGNAL_H

/* Ctrl-C: SIGINT and SIGTERM of weft_run(), as notices to its loop. */

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <weft/loop.h>

struct wf_interrupt {
    struct weft_notice notice;
    weft_loop *loop;
    weft_task *main;
    struct sigaction before[2]; /* of SIGINT and SIGTERM */
    bool taken[2];              /* they had their default action and are ours now */
    atomic_uint count;          /* signals that came; the handler's */
    unsigned handled;           /* how many of them the loop has answered */
};

/* The first signal cancels `main`, the second one shields too and begins the grace, the third has
 * its default action, also when the loop hangs in a task that never suspends. */
void wf_interrupt_take(struct wf_interrupt *interrupt, weft_loop *loop, weft_task *main);
void wf_interrupt_give_back(struct wf_interrupt *interrupt);

/* In the child of a fork: the signals have the action again that they had before. */
void wf_interrupt_leave(void);

/* What the second signal does to a loop and its main. */
void wf_interrupt_pierce(weft_loop *loop, weft_task *main);

#endif
