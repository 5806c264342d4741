#ifndef WF_CORE_CALL_H
#define WF_CORE_CALL_H

/* Callbacks that were asked for, and the handles that name them.
 *
 * A handle is slot + generation, by value. A slot is reused with the next generation, so a handle
 * that is too old names nothing: cancelling late is harmless, ignoring a handle is free. */

#include "core/local.h"
#include "core/ready.h"
#include "core/timer.h"

#include <weft/loop.h>

/* What is called, and what the log calls it. */
struct wf_callback {
    weft_callback *fn;
    void *arg;
    const char *name;         /* NULL: nobody said */
    const char *site;         /* likewise */
    weft_handle handle;       /* its id is 0: it has none */
    struct wf_locals *locals; /* with which it runs; NULL: none */
    bool is_step;             /* of a stackless task: arg */
};

enum wf_call_state { WF_CALL_FREE, WF_CALL_TIMED, WF_CALL_READY };

struct wf_call {
    struct wf_ready ready; /* READY: in the queue */
    struct wf_timer timer; /* TIMED */
    weft_loop *loop;
    struct wf_callback callback; /* .fn is NULL in READY: cancelled, still queued */
    weft_drop_fn *drop;          /* NULL: the argument stays the caller's */
    uint32_t index;
    uint32_t generation;
    uint32_t next_free; /* index + 1 of the next free slot; 0: none */
    uint8_t state;      /* enum wf_call_state */
};

#define WF_CALLS_PER_CHUNK 64

struct wf_calls {
    struct wf_call **chunks;
    uint32_t chunk_count;
    uint32_t free; /* index + 1; 0: none */
    uint32_t live;
    uint32_t generation; /* of slots that were never used */
};

void wf_calls_init(struct wf_calls *calls);
void wf_calls_fini(struct wf_calls *calls);

/* The loop ends: give back the arguments of those that still wait for their time. */
void wf_calls_refuse(struct wf_calls *calls);

/* The one whose own code runs; NULL: none does. */
const struct wf_callback *wf_callback_running(void);

/* Call a user's callback on the dispatcher, so that it may say that it failed. Takes its locals. */
void wf_callback_run(weft_loop *loop, const struct wf_callback *callback);

#endif
