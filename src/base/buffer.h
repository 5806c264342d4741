#ifndef WF_BASE_BUFFER_H
#define WF_BASE_BUFFER_H

/* What the layers below streams may do with buffers and chains: say where their storage comes
 * from, and lend a buffer storage that a driver has already filled. */

#include "base/compiler.h"

#include <weft/buffer.h>

/* A source of storage, for example a pool of 4, 16 and 64 KiB blocks. Set it in `.source` after
 * init, while the buffer or chain has no storage; it must outlive them. */
struct wf_buffer_storage {
    /* At least `size` bytes aligned to 16, and in `*capacity` how many; or NULL. */
    char *(*acquire)(void *context, size_t size, size_t *capacity);
    /* Takes storage back, with the capacity it came with. */
    void (*release)(void *context, char *storage, size_t capacity);
    void *context;
};

/* Through `source`, or the allocator when it is NULL. */
char *wf_buffer_storage_acquire(const struct wf_buffer_storage *source, size_t size,
                                size_t *capacity);
void wf_buffer_storage_release(const struct wf_buffer_storage *source, char *storage,
                               size_t capacity);

/* Make lent `storage`, whose first `used` of `capacity` bytes are filled, the content of `buffer`,
 * which must be empty. The buffer may write to the rest (capacity == used: there is none), and
 * calls `give_back` when the last byte is consumed, when it must grow, or at its end. Returns 0;
 * or WEFT_ELIMIT when `used` is more than the buffer may hold, and takes nothing then. */
WF_MUST_CHECK int wf_buffer_adopt(weft_buffer *buffer, char *storage, size_t capacity, size_t used,
                                  void (*give_back)(void *lender, char *storage, size_t capacity),
                                  void *lender);

#endif
