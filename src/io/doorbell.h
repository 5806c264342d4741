#ifndef WF_IO_DOORBELL_H
#define WF_IO_DOORBELL_H

/* One message that says "look": from whoever has put something where a loop will find it, to the
 * loop, and only when the loop has said that it waits.
 *
 *      QUIET ──want: the loop──> WANTED ──ring: any thread──> RUNG ──answer: the loop──> QUIET
 *        └─────────────── summon: any thread ──────────────────↑
 *
 * Who rings has published before; who wants looks once more afterwards. Both change the state by a
 * read-modify-write, so one of the two comes first in its history: either the ringer finds WANTED,
 * or the one who wants finds what was published. Nobody sends twice, because RUNG is entered by one
 * only and left by the loop only, when the message is out of the inbox.
 *
 * Costs: ring 1 read-modify-write, and a push when it is wanted. */

#include "io/inbox.h"

#include <stdatomic.h>
#include <stdbool.h>

enum wf_doorbell_state { WF_DOORBELL_QUIET, WF_DOORBELL_WANTED, WF_DOORBELL_RUNG };

struct wf_doorbell {
    struct wf_mail mail;
    struct wf_inbox *inbox; /* borrowed */
    atomic_uchar state;     /* enum wf_doorbell_state */
};

static inline void wf_doorbell_init(struct wf_doorbell *bell, struct wf_inbox *inbox,
                                    void (*deliver)(struct wf_mail *mail, bool closed))
{
    bell->mail.deliver = deliver;
    bell->inbox = inbox;
    atomic_init(&bell->state, WF_DOORBELL_QUIET);
}

/* On the loop's thread, before it looks for the last time. */
static inline void wf_doorbell_want(struct wf_doorbell *bell)
{
    unsigned char quiet = WF_DOORBELL_QUIET;
    atomic_compare_exchange_strong(&bell->state, &quiet, WF_DOORBELL_WANTED);
}

/* By deliver, before it looks. */
static inline void wf_doorbell_answer(struct wf_doorbell *bell)
{
    atomic_exchange(&bell->state, WF_DOORBELL_QUIET);
}

/* Any thread; it keeps the bell alive until this returns. True: a message was sent. */
static inline bool wf_doorbell_ring(struct wf_doorbell *bell)
{
    unsigned char state = atomic_fetch_add(&bell->state, 0); /* not a load: it takes its turn */
    if (state != WF_DOORBELL_WANTED)
        return false;
    if (!atomic_compare_exchange_strong(&bell->state, &state, WF_DOORBELL_RUNG))
        return false;
    return wf_inbox_push(bell->inbox, &bell->mail) == 0;
}

/* The same whether it is wanted or not. */
static inline bool wf_doorbell_summon(struct wf_doorbell *bell)
{
    if (atomic_exchange(&bell->state, WF_DOORBELL_RUNG) == WF_DOORBELL_RUNG)
        return false;
    return wf_inbox_push(bell->inbox, &bell->mail) == 0;
}

#endif
