#ifndef WF_SYNC_SEVERAL_H
#define WF_SYNC_SEVERAL_H

/* A task that waits for several futures at once.
 *
 *     future ── seat ──┐
 *     future ── seat ──┼──> several ── waiter ── the task
 *     future ── seat ──┘
 *
 * Each seat is a waiter in one future's list. When a future is done its seat moves to the `done`
 * list, in that order, and the rule says whether the task has seen enough. The task parks on a
 * waiter of its own, which a cancel or a timer may end as well; the seats stay until they are
 * closed.
 *
 *   - a seat holds a reference on its future
 *   - pending == seats that are in a future's list */

#include "core/future.h"
#include "core/loop.h"

#define WF_SEATS_INLINE 4 /* need no memory */

struct wf_several;

struct wf_seat {
    struct wf_waiter waiter; /* link: in the future's list, then in several->done */
    struct wf_several *several;
    weft_future *future; /* NULL: not taken */
    int error;           /* without a future: why */
    bool ours;           /* a task that was made for this call */
};

/* OWN is ALL for who cancels what it waits for when it is given up, and then waits for its end. */
enum wf_several_rule { WF_SEVERAL_ALL, WF_SEVERAL_OWN, WF_SEVERAL_ANY, WF_SEVERAL_FIRST_ERROR };

struct wf_several {
    struct wf_waiter waiter; /* armed while the task waits */
    struct wf_timer timer;
    struct wf_list done; /* seats, in the order in which they were done */
    struct wf_seat *seats;
    size_t count, pending;
    struct wf_seat *failed; /* the first that was done with an error */
    uint8_t rule;           /* enum wf_several_rule */
    struct wf_seat few[WF_SEATS_INLINE];
};

/* Room for `count` seats, all empty: 0 or -ENOMEM. */
int wf_several_open(struct wf_several *several, size_t count);

/* Take a seat at a future of the current loop. */
void wf_several_join(struct wf_several *several, size_t index, weft_future *future);

/* Whether the rule is met. */
bool wf_several_is_settled(const struct wf_several *several, enum wf_several_rule rule);

/* Wait until the rule is met: 0, -ETIMEDOUT, -ECANCELED. */
int wf_several_wait(struct wf_several *several, enum wf_several_rule rule, int64_t timeout);

/* Wait until all are done, whatever anybody says. */
void wf_several_join_all(struct wf_several *several);

/* Give all seats up. */
void wf_several_close(struct wf_several *several);

/* Look at a list of awaitables before anything is done with it: 0; a NULL's maker's error; -EINVAL
 * for a coroutine where these are not wanted; -EDEADLK where all are waited for, so long, and one
 * waits for us; WEFT_ETHREAD; -EPERM outside a task. */
int wf_several_check(weft_awaitable *const list[], size_t count, bool with_coros,
                     enum wf_several_rule rule, int64_t timeout);

/* Take the coroutines of a list that was refused. */
void wf_several_refuse(weft_awaitable *const list[], size_t count);

/* Open, with a seat at each of a list without coroutines, which it refuses: 0 or an error. */
int wf_several_of(struct wf_several *several, weft_awaitable *const list[], size_t count,
                  enum wf_several_rule rule, int64_t timeout);

#endif
