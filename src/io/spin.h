#ifndef WF_IO_SPIN_H
#define WF_IO_SPIN_H

/* Whether to look for mail for a moment before falling asleep, and for how long at most.
 *
 * To sleep and be woken costs two system calls and a switch of the kernel's, some microseconds; a
 * message that comes sooner is cheaper to wait for awake, if the processor has nothing else to do.
 * So the loop notes how long it was idle each time before mail came, as a moving average in which a
 * wait that ended otherwise counts as a long one. While that average is below the bound it spins,
 * for at most the bound; where mail stays away three idle times in a row are wasted, and no more.
 *
 *      idle ──> gap <= bound ? spin ──mail──> go on, no system call on either side
 *                  │no           └─bound─> sleep
 *                  └──────────────────────> sleep, and note when mail came
 *
 * A loop that spins does not say "asleep": its senders make no system call. */

#include "io/inbox.h"

#include <stdbool.h>
#include <stdint.h>

struct wf_spin {
    uint64_t bound; /* ticks; 0: never */
    uint64_t gap;   /* moving average of ticks */
};

/* `duration` ns at most; < 0: never; 0: WEFT_SPIN, else 20 us where the process may use four
 * processors, and never where it has fewer: there the sender may need this one. */
void wf_spin_init(struct wf_spin *spin, int64_t duration);

static inline bool wf_spin_is_worth(const struct wf_spin *spin)
{
    return spin->bound > 0 && spin->gap <= spin->bound;
}

/* Look until there is mail (true) or the ticks are `end`. */
bool wf_spin_until(const struct wf_inbox *inbox, uint64_t end);

/* The loop was idle for so many ticks until mail came, or something else. */
static inline void wf_spin_note(struct wf_spin *spin, uint64_t ticks, bool by_mail)
{
    uint64_t longest = spin->bound * 4;
    if (!by_mail || ticks > longest)
        ticks = longest;
    spin->gap = spin->gap - spin->gap / 8 + ticks / 8;
}

#endif
