#ifndef WF_NET_STORAGE_H
#define WF_NET_STORAGE_H

/* Where the buffers of a loop's streams get their memory: blocks of 4, 16 and 64 KiB, kept warm and
 * handed out last in, first out; larger ones come from the heap. A stream that has nothing buffered
 * holds no block. */

#include "base/buffer.h"
#include "base/slab.h"

#define WF_STORAGE_CLASSES 3

struct wf_storage {
    struct wf_buffer_storage source; /* what buffers and chains point at */
    struct wf_slab classes[WF_STORAGE_CLASSES];
};

void wf_storage_init(struct wf_storage *storage);

/* Blocks that were still out. */
size_t wf_storage_fini(struct wf_storage *storage);

#endif
