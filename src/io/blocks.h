#ifndef WF_IO_BLOCKS_H
#define WF_IO_BLOCKS_H

/* The blocks that RECV_LEND receives into: as many as are needed at one time, up to a limit. A few
 * are kept when they come back (the last one back is the first one out, so it is warm); the rest
 * goes to the heap again, so that a crowd that has left costs nothing. A kept block's bytes are
 * nobody's to touch (ASan traps it). One thread. */

#include <stddef.h>

struct wf_blocks {
    void *free;  /* kept, linked through their first pointer */
    size_t kept; /* length of that list */
    size_t lent; /* out there now */
    size_t size; /* of a block */
    size_t limit;
    /* lent <= limit */
};

/* `size` and `limit` of 0 take the defaults: 16 KiB, 65,536. Allocates nothing. */
void wf_blocks_init(struct wf_blocks *blocks, size_t size, size_t limit);

/* All must have come back. */
void wf_blocks_fini(struct wf_blocks *blocks);

/* Errors: -ENOBUFS: `limit` are lent; -ENOMEM. */
int wf_blocks_get(struct wf_blocks *blocks, char **block);
void wf_blocks_put(struct wf_blocks *blocks, char *block);

#endif
