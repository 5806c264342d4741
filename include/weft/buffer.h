#ifndef WEFT_BUFFER_H
#define WEFT_BUFFER_H

/* Bytes on their way: a buffer to parse from and print to, a chain to send from.
 *
 *      weft_buffer   [ consumed | readable ......... | writable ..... ]
 *                               read                 write            capacity
 *
 *      weft_chain    copy, copy -> borrowed -> copy -> borrowed ...      one iovec each
 *
 * Both are born with a limit and have no memory until the first byte arrives. Their fields are
 * there to be read; change them only through these functions. One thread at a time. */

#include <weft/define.h>

#include <sys/uio.h>

WEFT_BEGIN_DECLS

/** The limit of a buffer or a chain that names none, in bytes. */
#define WEFT_BUFFER_LIMIT ((size_t)1 << 20)

/** Bytes that belong to someone else. */
typedef struct weft_slice {
    const char *data;
    size_t size;
} weft_slice;

struct wf_buffer_storage;
struct wf_chain_segment;
struct wf_chain_block;

typedef struct weft_buffer {
    char *storage;                          /* NULL: none yet, or given back */
    size_t read;                            /* where readable bytes begin */
    size_t write;                           /* where they end */
    size_t capacity;                        /* of storage */
    size_t limit;                           /* the most bytes that may be readable */
    const struct wf_buffer_storage *source; /* of storage; NULL: the allocator */
    void (*give_back)(void *lender, char *storage, size_t capacity); /* set while it is lent */
    void *lender;
    uint64_t spare[3]; /* for later releases */
    /* read <= write <= capacity, write - read <= limit */
} weft_buffer;

/** Make an empty buffer, in the caller's memory, that holds at most `limit` bytes. Allocates
 * nothing. A `limit` of 0 is WEFT_BUFFER_LIMIT; SIZE_MAX is no limit.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: gives the buffer; weft_buffer_fini takes it back.
 * Threads: any; afterwards one thread at a time. */
WEFT_API
void weft_buffer_init(weft_buffer *buffer, size_t limit);

/** Give the storage back, readable bytes included; the buffer is empty and may be used again.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: slices of the buffer are gone. NULL is fine.
 * Threads: the one that uses the buffer. */
WEFT_API
void weft_buffer_fini(weft_buffer *buffer);

/** How many bytes can be read.
 *
 * Returns: bytes.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes nothing.
 * Threads: the one that uses the buffer. */
static inline size_t weft_buffer_readable(const weft_buffer *buffer)
{
    return buffer->write - buffer->read;
}

/** The bytes that can be read.
 *
 * Returns: the first of them; NULL when the buffer has no storage.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: borrowed; valid until the buffer is reserved, appended to, consumed or ended.
 * Threads: the one that uses the buffer. */
static inline char *weft_buffer_data(const weft_buffer *buffer)
{
    return buffer->storage ? buffer->storage + buffer->read : NULL;
}

/** How many bytes weft_buffer_commit would take now.
 *
 * Returns: bytes; at least what was reserved.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes nothing.
 * Threads: the one that uses the buffer. */
static inline size_t weft_buffer_writable(const weft_buffer *buffer)
{
    size_t room = buffer->capacity - buffer->write;
    size_t allowed = buffer->limit - weft_buffer_readable(buffer);
    return room < allowed ? room : allowed;
}

/** Make room for `size` more bytes, to be filled by the caller and then committed. Moves what is
 * readable to the front when that makes enough room at little cost, else doubles the storage.
 *
 *     char *space;
 *     int err = weft_buffer_reserve(&buffer, 4096, &space);
 *
 * Returns: 0, and where to write in `*space`; weft_buffer_writable() says how much fits.
 * Errors: WEFT_ELIMIT when the limit forbids it; -ENOMEM. Nothing changes then.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: `*space` is borrowed, as weft_buffer_data() is; earlier slices are gone.
 * Threads: the one that uses the buffer. */
WEFT_API
int weft_buffer_reserve(weft_buffer *buffer, size_t size, char **space);

/** Make the next `size` bytes, which the caller has written, readable. More than
 * weft_buffer_writable() aborts: memory would be torn already.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes nothing.
 * Threads: the one that uses the buffer. */
WEFT_API
void weft_buffer_commit(weft_buffer *buffer, size_t size);

/** Drop the first `size` readable bytes; more than there are aborts. The storage stays for the next
 * bytes (weft_buffer_release_if_empty gives it back), unless a driver had lent it: that goes back
 * with its last byte.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: slices of the buffer are gone.
 * Threads: the one that uses the buffer. */
WEFT_API
void weft_buffer_consume(weft_buffer *buffer, size_t size);

/** Give the storage back if nothing is readable: for whoever is about to wait for long.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: space that was reserved is gone.
 * Threads: the one that uses the buffer. */
WEFT_API
void weft_buffer_release_if_empty(weft_buffer *buffer);

/** Copy `size` bytes to the end.
 *
 * Returns: 0.
 * Errors: WEFT_ELIMIT when the limit forbids it; -ENOMEM. Nothing changes then.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: borrows `data`, which must not lie in this buffer; earlier slices are gone.
 * Threads: the one that uses the buffer. */
WEFT_API
int weft_buffer_append(weft_buffer *buffer, const void *data, size_t size);

/** Print to the end, as printf would, without a NUL.
 *
 * Returns: 0.
 * Errors: WEFT_ELIMIT when the limit forbids it; -ENOMEM; -EINVAL when printf refuses. Nothing
 *   changes then.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: borrows its arguments, which must not lie in this buffer; earlier slices are gone.
 * Threads: the one that uses the buffer. */
WEFT_API
int weft_buffer_append_format(weft_buffer *buffer, const char *format, ...) WEFT_PRINTF(2, 3);

/** Find `size` bytes of `needle` among the readable ones, from offset `from` on. To go on after
 * more bytes have arrived, start size - 1 before where the last search ended.
 *
 * Returns: the offset of the first match; -1 when there is none. An empty needle is found at once.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: borrows `needle`.
 * Threads: the one that uses the buffer. */
WEFT_API
ssize_t weft_buffer_find(const weft_buffer *buffer, size_t from, const void *needle, size_t size);

/** A part of what is readable; a part that is not there aborts.
 *
 * Returns: the slice.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: borrowed; valid until the buffer is reserved, appended to, consumed or ended.
 * Threads: the one that uses the buffer. */
WEFT_API
weft_slice weft_buffer_slice(const weft_buffer *buffer, size_t from, size_t size);

/** Told when the chain is done with borrowed bytes. Must neither suspend nor use the chain. */
typedef void weft_chain_release_fn(void *context);

typedef struct weft_chain {
    struct wf_chain_segment *first; /* next to go */
    struct wf_chain_segment *last;
    struct wf_chain_block *block;           /* newest: `last` lives in it */
    size_t size;                            /* of all segments */
    size_t limit;                           /* the most that may be */
    const struct wf_buffer_storage *source; /* of blocks; NULL: the allocator */
    uint64_t spare[3];                      /* for later releases */
} weft_chain;

/** Make an empty chain, in the caller's memory, that holds at most `limit` bytes, copied and
 * borrowed together. Allocates nothing. A `limit` of 0 is WEFT_BUFFER_LIMIT; SIZE_MAX is no limit.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: gives the chain; weft_chain_fini takes it back.
 * Threads: any; afterwards one thread at a time. */
WEFT_API
void weft_chain_init(weft_chain *chain, size_t limit);

/** Drop everything; the chain is empty and may be used again.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: releases what was borrowed. NULL is fine.
 * Threads: the one that uses the chain. */
WEFT_API
void weft_chain_fini(weft_chain *chain);

/** How many bytes wait in the chain.
 *
 * Returns: bytes.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes nothing.
 * Threads: the one that uses the chain. */
static inline size_t weft_chain_size(const weft_chain *chain)
{
    return chain->size;
}

/** Copy `size` bytes to the end; small copies share one segment.
 *
 * Returns: 0.
 * Errors: WEFT_ELIMIT when the limit forbids it; -ENOMEM. Nothing changes then.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: borrows `data`.
 * Threads: the one that uses the chain. */
WEFT_API
int weft_chain_append(weft_chain *chain, const void *data, size_t size);

/** Put `size` bytes at the end without copying them. `release` (NULL: nobody needs to know) is
 * called once, with `context`, when the last of them was consumed; at once when `size` is 0.
 *
 * Returns: 0.
 * Errors: WEFT_ELIMIT when the limit forbids it; -ENOMEM. Nothing changes, and `release` is not
 *   called, then.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: keeps `data` until it calls `release`.
 * Threads: the one that uses the chain. */
WEFT_API
int weft_chain_append_borrowed(weft_chain *chain, const void *data, size_t size,
                               weft_chain_release_fn *release, void *context);

/** Describe the first bytes of the chain for writev: at most `count` pieces.
 *
 * Returns: how many pieces were filled in; 0 when the chain is empty.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: the pieces are borrowed; valid until they are consumed, appending leaves them be.
 * Threads: the one that uses the chain. */
WEFT_API
int weft_chain_iovec(const weft_chain *chain, struct iovec *pieces, int count);

/** Drop the first `size` bytes; more than there are aborts. One block of storage stays for the next
 * bytes; weft_chain_release_if_empty gives it back.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: releases what was borrowed and is now consumed.
 * Threads: the one that uses the chain. */
WEFT_API
void weft_chain_consume(weft_chain *chain, size_t size);

/** Give the storage back if the chain is empty: for whoever is about to wait for long.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes nothing.
 * Threads: the one that uses the chain. */
WEFT_API
void weft_chain_release_if_empty(weft_chain *chain);

WEFT_END_DECLS

#endif
