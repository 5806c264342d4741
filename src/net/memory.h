#ifndef WF_NET_MEMORY_H
#define WF_NET_MEMORY_H

/* Streams without a kernel: two halves that copy into one another. */

#include "net/stream.h"

#define WF_MEMORY_NAME 48

extern const size_t wf_memory_stream_size;

/* Both halves of a pair, each with its own options, and the name they tell of each other. -ENOMEM:
 * neither is made. */
int wf_memory_pair(weft_loop *loop, const struct wf_stream_options *a_options,
                   const struct wf_stream_options *b_options, const char *name, weft_stream **a,
                   weft_stream **b);

#endif
