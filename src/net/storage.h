#ifndef WF_NET_STORAGE_H
#define WF_NET_STORAGE_H

/* Where the buffers of a loop's streams get their memory: blocks of 4, 16 and 64 KiB. A few of each
 * are kept warm, last in, first out; the rest goes back to the heap, where larger ones come from.
 * A stream that has nothing buffered holds no block. */

#include "base/buffer.h"
#include "io/blocks.h"

#define WF_STORAGE_CLASSES 3

struct wf_storage {
    struct wf_buffer_storage source; /* what buffers and chains point at */
    struct wf_blocks classes[WF_STORAGE_CLASSES];
};

void wf_storage_init(struct wf_storage *storage);

/* All blocks must have come back. */
void wf_storage_fini(struct wf_storage *storage);

#endif
