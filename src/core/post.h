#ifndef WF_CORE_POST_H
#define WF_CORE_POST_H

/* What is behind weft_notice, and what a post carries. */

#include "core/call.h"
#include "core/ready.h"
#include "io/inbox.h"

#include <stdatomic.h>
#include <weft/loop.h>

struct wf_post {
    struct wf_mail mail;
    struct wf_ready ready;
    weft_loop *loop;
    struct wf_callback callback;
    weft_drop_fn *dropped;
};

struct wf_notice {
    struct wf_mail mail;
    struct wf_ready ready;
    weft_loop *loop;
    weft_callback *fn;
    void *arg;
    atomic_uchar state; /* IDLE -> MAILED (any thread) -> READY (loop) -> IDLE */
};

_Static_assert(sizeof(struct wf_notice) <= sizeof(struct weft_notice), "weft_notice is too small");

#endif
