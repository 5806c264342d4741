#ifndef WF_SYNC_GROUP_H
#define WF_SYNC_GROUP_H

/* A task that waits for several futures at once.
 *
 *     future ── seat ──┐
 *     future ── seat ──┼──> group ── waiter ── the task
 *     future ── seat ──┘
 *
 * Each seat is a waiter in one future's list. When a future is done its seat moves to the group's
 * `done` list, in that order, and the group's rule says whether the task has seen enough. The task
 * parks on the group's own waiter, which a cancel or a timer may end as well; the seats stay until
 * the group is left.
 *
 *   - a seat holds a reference on its future
 *   - pending == seats that are in a future's list */

#include "core/future.h"
#include "core/loop.h"

#define WF_SEATS_INLINE 4 /* need no memory */

struct wf_group;

struct wf_seat {
    struct wf_waiter waiter; /* link: in the future's list, then in group->done */
    struct wf_group *group;
    weft_future *future; /* NULL: not taken */
    int error;           /* without a future: why */
    bool ours;           /* a task that was made for this call */
};

/* OWN is ALL for who cancels what it waits for when it is given up, and then waits for its end. */
enum wf_group_rule { WF_GROUP_ALL, WF_GROUP_OWN, WF_GROUP_ANY, WF_GROUP_FIRST_ERROR };

struct wf_group {
    struct wf_waiter waiter; /* armed while the task waits */
    struct wf_timer timer;
    struct wf_list done; /* seats, in the order in which they were done */
    struct wf_seat *seats;
    size_t count, pending;
    struct wf_seat *failed; /* the first that was done with an error */
    uint8_t rule;           /* enum wf_group_rule */
    struct wf_seat few[WF_SEATS_INLINE];
};

/* Room for `count` seats, all empty: 0 or -ENOMEM. */
int wf_group_open(struct wf_group *group, size_t count);

/* Take a seat at a future of the current loop. */
void wf_group_join(struct wf_group *group, size_t index, weft_future *future);

/* Whether the rule is met. */
bool wf_group_is_settled(const struct wf_group *group, enum wf_group_rule rule);

/* Wait until the rule is met: 0, -ETIMEDOUT, -ECANCELED. */
int wf_group_wait(struct wf_group *group, enum wf_group_rule rule, int64_t timeout);

/* Wait until all are done, whatever anybody says. */
void wf_group_join_all(struct wf_group *group);

/* Give all seats up. */
void wf_group_close(struct wf_group *group);

/* Look at a list of awaitables before anything is done with it: 0; a NULL's maker's error; -EINVAL
 * for a coroutine where these are not wanted; -EDEADLK where all are waited for, so long, and one
 * waits for us; WEFT_ETHREAD; -EPERM outside a task. */
int wf_group_check(weft_awaitable *const list[], size_t count, bool with_coros,
                   enum wf_group_rule rule, int64_t timeout);

/* Take the coroutines of a list that was refused. */
void wf_group_refuse(weft_awaitable *const list[], size_t count);

/* Open a group with a seat at each of a list without coroutines, which it refuses: 0 or an error.
 */
int wf_group_of(struct wf_group *group, weft_awaitable *const list[], size_t count,
                enum wf_group_rule rule, int64_t timeout);

#endif
