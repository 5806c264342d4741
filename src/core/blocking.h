#ifndef WF_CORE_BLOCKING_H
#define WF_CORE_BLOCKING_H

#include "io/pool.h"

#include <weft/blocking.h>

/* weft_blocking() on a given pool, for a task that has entered. NULL pool: -ENOMEM. */
int wf_blocking_on(weft_loop *loop, struct wf_pool *pool, weft_fn *fn,
                   const struct weft_blocking_options *options);

#endif
