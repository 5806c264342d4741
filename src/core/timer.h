#ifndef WF_CORE_TIMER_H
#define WF_CORE_TIMER_H

/* Timers: an exact, cascading wheel.
 *
 *     level 0   64 slots of 65.5 us          |  a timer lies on the level of the highest bit in
 *     level 1   64 slots of 4.2 ms           |  which its tick differs from the wheel's, in the
 *     level 2   64 slots of 268 ms           |  slot that these six bits name; so every timer of
 *     …         level 7: for ever            |  a level is due before every timer of the next
 *
 * When the wheel's time reaches a slot of a higher level its timers move down; when it reaches one
 * of level 0 they move to `due`, which is sorted by (deadline, sequence). Only from there do they
 * fire: never early, in the order of their deadlines, and in the order they were set where these
 * are equal.
 *
 * Each slot keeps a lower bound of its deadlines, so that the next deadline is known without
 * looking at the timers; a cancel may leave it too low, which costs one idle wake-up.
 *
 * Add and cancel are O(1), 5-15 ns; a timer moves at most once per level; firing n timers of one
 * slot sorts them, which is linear where they were set in order. */

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

#define WF_TIMER_LEVELS     8
#define WF_TIMER_SLOTS      64
#define WF_TIMER_TICK_SHIFT 16 /* a tick is 2^16 ns */

struct wf_timer {
    struct wf_list link; /* in a slot or in due; next == NULL: not armed */
    int64_t deadline;
    uint64_t sequence;
    void (*fire)(struct wf_timer *timer); /* disarmed before the call; may add and cancel */
};

struct wf_timers {
    uint64_t tick;        /* the wheel's time; every slot before it is empty */
    uint64_t sequence;    /* of the next timer */
    size_t count;         /* armed timers */
    struct wf_list due;   /* ticks <= tick, sorted by (deadline, sequence) */
    struct wf_list early; /* set for a tick <= tick since the last advance, unsorted */
    int64_t early_bound;  /* <= every deadline in early */
    uint64_t occupied[WF_TIMER_LEVELS];
    struct wf_list slots[WF_TIMER_LEVELS][WF_TIMER_SLOTS];
    int64_t bound[WF_TIMER_LEVELS][WF_TIMER_SLOTS]; /* <= every deadline in the slot */
};

void wf_timers_init(struct wf_timers *timers, int64_t now);

static inline void wf_timer_init(struct wf_timer *timer, void (*fire)(struct wf_timer *))
{
    timer->link.next = NULL;
    timer->fire = fire;
}

static inline bool wf_timer_is_armed(const struct wf_timer *timer)
{
    return timer->link.next != NULL;
}

/* The timer must not be armed. A deadline in the past fires at the next expiry. */
void wf_timer_add(struct wf_timers *timers, struct wf_timer *timer, int64_t deadline);

/* Harmless when it is not armed. */
void wf_timer_cancel(struct wf_timers *timers, struct wf_timer *timer);

/* When the loop must look again: <= the earliest deadline; WEFT_FOREVER when nothing is armed. */
int64_t wf_timers_next(const struct wf_timers *timers);

/* Move what is due at `now` to the due list; then wf_timers_pop() gives it in order, NULL when the
 * next one is later. Popped timers are disarmed; the caller fires them. What is added for a time
 * that is over waits for the next advance. */
void wf_timers_advance(struct wf_timers *timers, int64_t now);
struct wf_timer *wf_timers_pop(struct wf_timers *timers, int64_t now);

#endif
