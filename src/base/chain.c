/* A queue of bytes to send, in pieces: copies that live in the chain's blocks, and borrowed bytes
 * that live elsewhere.
 *
 *      block     [ header | segment copied-bytes | segment | segment copied-bytes | at ... ]
 *                                                   |
 *                                                   +-> borrowed bytes
 *
 * Segments are laid out in blocks in the order they are sent, so blocks empty in that order too,
 * and a borrowed piece costs 48 bytes of a block and no allocation of its own. A copy grows the
 * last segment when that is a copy with free room behind it. When the chain is empty the newest
 * block stays, rewound.
 *
 * Invariants: size == the sum of all segments <= limit; no segment is empty; `last` lives in
 * `block`, and a block without segments is `block` of an empty chain. */

#include "base/buffer.h"

#include "base/memory.h"

#include <weft/error.h>

#include <errno.h>
#include <string.h>

#define ALIGN            16
#define BLOCK_SIZE_FIRST 4096
#define BLOCK_SIZE_NEXT  (16 * 1024) /* once one block was not enough */
#define FRAGMENT_MIN     64          /* less room than that is not worth a segment */

struct wf_chain_block {
    size_t capacity; /* of the block, this header included */
    size_t at;       /* where free room begins */
};

struct wf_chain_segment {
    struct wf_chain_segment *next;
    struct wf_chain_block *block; /* where this struct lives */
    const char *data;
    size_t size;
    weft_chain_release_fn *release; /* of borrowed bytes; may be NULL */
    void *context;
};

_Static_assert(sizeof(struct wf_chain_block) % ALIGN == 0, "segments start aligned");
_Static_assert(sizeof(struct wf_chain_segment) % ALIGN == 0, "a segment leaves its block aligned");

void weft_chain_init(weft_chain *chain, size_t limit)
{
    *chain = (weft_chain){ .limit = limit ? limit : WEFT_BUFFER_LIMIT };
}

static char *end_of(struct wf_chain_block *block)
{
    return (char *)block + block->at;
}

static size_t room_of(const struct wf_chain_block *block)
{
    return block ? block->capacity - block->at : 0;
}

/* Does a segment fit? If so, how much data would fit behind it? */
static bool has_room_for_segment(const struct wf_chain_block *block, size_t *behind)
{
    size_t padding = block ? -block->at & (ALIGN - 1) : 0;
    size_t taken = padding + sizeof(struct wf_chain_segment);
    size_t room = room_of(block);
    *behind = room > taken ? room - taken : 0;
    return room >= taken;
}

/* A block with room for a segment and `size` bytes; the chain does not know of it yet. */
static struct wf_chain_block *new_block(const weft_chain *chain, size_t size)
{
    const size_t overhead = sizeof(struct wf_chain_block) + sizeof(struct wf_chain_segment);
    size_t wanted = chain->block ? BLOCK_SIZE_NEXT : BLOCK_SIZE_FIRST;
    if (size > SIZE_MAX - overhead)
        return NULL;
    if (wanted < size + overhead)
        wanted = size + overhead;
    size_t capacity;
    char *storage = wf_buffer_storage_acquire(chain->source, wanted, &capacity);
    if (!storage)
        return NULL;
    struct wf_chain_block *block = (struct wf_chain_block *)(void *)storage;
    *block = (struct wf_chain_block){ .capacity = capacity, .at = sizeof *block };
    return block;
}

static void release_block(const weft_chain *chain, struct wf_chain_block *block)
{
    wf_buffer_storage_release(chain->source, (char *)block, block->capacity);
}

/* Make `block` the newest; an older one that holds no segment goes back. */
static void push_block(weft_chain *chain, struct wf_chain_block *block)
{
    if (chain->block && !chain->last)
        release_block(chain, chain->block);
    chain->block = block;
}

/* An empty segment at the end of the newest block, which has room for it. */
static struct wf_chain_segment *push_segment(weft_chain *chain)
{
    struct wf_chain_block *block = chain->block;
    block->at = (block->at + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct wf_chain_segment *segment = (struct wf_chain_segment *)(void *)end_of(block);
    block->at += sizeof *segment;
    *segment = (struct wf_chain_segment){ .block = block };
    if (chain->last)
        chain->last->next = segment;
    else
        chain->first = segment;
    chain->last = segment;
    return segment;
}

/* Is the last segment a copy that ends where the newest block's free room begins? */
static bool can_extend(const weft_chain *chain)
{
    struct wf_chain_segment *last = chain->last;
    return last && last->data + last->size == end_of(chain->block);
}

/* Copy `size` bytes, for which there is room, into the last segment or a new one. */
static void copy(weft_chain *chain, const char *data, size_t size)
{
    if (!can_extend(chain)) {
        struct wf_chain_segment *segment = push_segment(chain);
        segment->data = end_of(chain->block);
    }
    memcpy(end_of(chain->block), data, size);
    chain->block->at += size;
    chain->last->size += size;
    chain->size += size;
}

/* How many bytes can be copied into the newest block. */
static size_t room_for_copy(const weft_chain *chain)
{
    if (can_extend(chain))
        return room_of(chain->block);
    size_t room;
    has_room_for_segment(chain->block, &room);
    return room;
}

/* Copy `size` bytes, the first `room` of them into the newest block and the rest into one more. */
static int copy_over_blocks(weft_chain *chain, const char *data, size_t size, size_t room)
{
    struct wf_chain_block *block = new_block(chain, size - room);
    if (!block)
        return -ENOMEM;
    if (room > 0)
        copy(chain, data, room);
    push_block(chain, block);
    copy(chain, data + room, size - room);
    return 0;
}

int weft_chain_append(weft_chain *chain, const void *data, size_t size)
{
    if (size > chain->limit - chain->size)
        return WEFT_ELIMIT;
    if (size == 0)
        return 0;
    size_t room = room_for_copy(chain);
    if (WF_UNLIKELY(room < size))
        return copy_over_blocks(chain, data, size, room < FRAGMENT_MIN ? 0 : room);
    copy(chain, data, size);
    return 0;
}

static int ensure_segment(weft_chain *chain)
{
    size_t behind;
    if (has_room_for_segment(chain->block, &behind))
        return 0;
    struct wf_chain_block *block = new_block(chain, 0);
    if (!block)
        return -ENOMEM;
    push_block(chain, block);
    return 0;
}

int weft_chain_append_borrowed(weft_chain *chain, const void *data, size_t size,
                               weft_chain_release_fn *release, void *context)
{
    if (size > chain->limit - chain->size)
        return WEFT_ELIMIT;
    if (size == 0) {
        if (release)
            release(context);
        return 0;
    }
    int err = ensure_segment(chain);
    if (err < 0)
        return err;
    struct wf_chain_segment *segment = push_segment(chain);
    segment->data = data;
    segment->size = size;
    segment->release = release;
    segment->context = context;
    chain->size += size;
    return 0;
}

int weft_chain_iovec(const weft_chain *chain, struct iovec *pieces, int count)
{
    int filled = 0;
    const struct wf_chain_segment *segment = chain->first;
    for (; segment && filled < count; segment = segment->next)
        pieces[filled++] = (struct iovec){
            .iov_base = (char *)(uintptr_t)segment->data,
            .iov_len = segment->size,
        };
    return filled;
}

/* Drop the first segment, and its block with it if that was the block's last one. */
static void pop_segment(weft_chain *chain)
{
    struct wf_chain_segment *segment = chain->first;
    struct wf_chain_segment *next = segment->next;
    struct wf_chain_block *block = segment->block;
    weft_chain_release_fn *release = segment->release;
    void *context = segment->context;
    chain->first = next;
    if (!next) {
        chain->last = NULL;
        block->at = sizeof *block; /* rewound */
    } else if (next->block != block) {
        release_block(chain, block);
    }
    if (release)
        release(context);
}

void weft_chain_consume(weft_chain *chain, size_t size)
{
    wf_assert(size <= chain->size);
    chain->size -= size;
    while (size > 0 && size >= chain->first->size) {
        size -= chain->first->size;
        pop_segment(chain);
    }
    if (size > 0) {
        chain->first->data += size;
        chain->first->size -= size;
    }
}

void weft_chain_release_if_empty(weft_chain *chain)
{
    if (chain->first || !chain->block)
        return;
    release_block(chain, chain->block);
    chain->block = NULL;
}

void weft_chain_fini(weft_chain *chain)
{
    if (!chain)
        return;
    weft_chain_consume(chain, chain->size);
    weft_chain_release_if_empty(chain);
}
