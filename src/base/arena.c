/* A pointer that moves through blocks.
 *
 *      blocks   [ header | out out out | at ........ end ]  -> older block -> ...
 *
 * The first block is 4 KiB, each further one twice the last up to 64 KiB. A piece that is larger
 * than the next block would be gets a block of its own, linked behind the current one, so that
 * what is left of the current one is not lost. Only at..end of the current block is ever bumped.
 *
 * Invariants: used <= limit; every piece is a multiple of 16 bytes, so a block of `used` bytes
 * holds the same round again. What is not handed out is poisoned under AddressSanitizer. */

#include <weft/arena.h>

#include "base/memory.h"
#include "base/poison.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ALIGN          16
#define BLOCK_SIZE_MIN 4096
#define BLOCK_SIZE_MAX (64 * 1024) /* and the most that a reset keeps */

struct block {
    struct block *next; /* older, or a large piece's own */
    size_t size;        /* of the room behind this header */
};

_Static_assert(sizeof(struct block) % ALIGN == 0, "the room of a block starts aligned");

struct weft_arena {
    char *at;             /* next byte of the current block */
    char *end;            /* its end */
    struct block *blocks; /* the current one, if any, comes first */
    size_t used;          /* handed out since the last reset */
    size_t limit;         /* the most that may be */
    size_t reserved;      /* all blocks, headers included */
    size_t next_size;     /* room of the next ordinary block */
};

int weft_arena_new(weft_arena **arena, size_t limit)
{
    weft_arena *made = wf_alloc(sizeof *made);
    if (!made)
        return -ENOMEM;
    *made = (weft_arena){
        .limit = limit ? limit : WEFT_ARENA_LIMIT,
        .next_size = BLOCK_SIZE_MIN,
    };
    *arena = made;
    return 0;
}

static char *room(struct block *block)
{
    return (char *)(block + 1);
}

static void release(struct block *block)
{
    wf_unpoison(room(block), block->size);
    wf_memory_unhold(block->size);
    wf_free(block);
}

static void release_all(struct block *block)
{
    while (block) {
        struct block *next = block->next;
        release(block);
        block = next;
    }
}

void weft_arena_free(weft_arena *arena)
{
    if (!arena)
        return;
    release_all(arena->blocks);
    wf_free(arena);
}

/* Make `block`, which is linked first, the one to bump; NULL for none. */
static void bump_from(weft_arena *arena, struct block *block)
{
    arena->at = block ? room(block) : NULL;
    arena->end = block ? room(block) + block->size : NULL;
}

/* Unlink the smallest block that would have held `size` and is not too large to keep, or NULL. */
static struct block *take_fitting(weft_arena *arena, size_t size)
{
    struct block **best = NULL;
    for (struct block **link = &arena->blocks; *link; link = &(*link)->next) {
        bool fits = (*link)->size >= size && (*link)->size <= BLOCK_SIZE_MAX;
        if (fits && (!best || (*link)->size < (*best)->size))
            best = link;
    }
    struct block *taken = best ? *best : NULL;
    if (taken)
        *best = taken->next;
    return taken;
}

void weft_arena_reset(weft_arena *arena)
{
    size_t need = arena->used < BLOCK_SIZE_MAX ? arena->used : BLOCK_SIZE_MAX;
    struct block *kept = take_fitting(arena, need);
    release_all(arena->blocks);
    arena->blocks = kept;
    arena->reserved = 0;
    arena->used = 0;
    if (!kept)
        arena->next_size = need > BLOCK_SIZE_MIN ? need : BLOCK_SIZE_MIN;
    if (kept) {
        kept->next = NULL;
        arena->reserved = sizeof *kept + kept->size;
        wf_poison(room(kept), kept->size);
    }
    bump_from(arena, kept);
}

static struct block *add_block(weft_arena *arena, size_t size)
{
    struct block *block = wf_alloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    wf_memory_hold(size);
    arena->reserved += sizeof *block + size;
    wf_poison(room(block), size);
    return block;
}

/* A block of its own for a large piece, behind the current one. */
static void *alloc_large(weft_arena *arena, size_t size)
{
    struct block *block = add_block(arena, size);
    if (!block)
        return NULL;
    struct block **link = arena->at ? &arena->blocks->next : &arena->blocks;
    block->next = *link;
    *link = block;
    return room(block);
}

static void *alloc_from_new_block(weft_arena *arena, size_t size)
{
    struct block *block = add_block(arena, arena->next_size);
    if (!block)
        return NULL;
    block->next = arena->blocks;
    arena->blocks = block;
    bump_from(arena, block);
    if (arena->next_size <= BLOCK_SIZE_MAX / 2)
        arena->next_size *= 2;
    else
        arena->next_size = BLOCK_SIZE_MAX;
    arena->at += size;
    return room(block);
}

/* What a piece of `size` bytes takes. */
static size_t taken_by(size_t size)
{
    return (size + !size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* `size` as it counts: a multiple of ALIGN, at least one; 0 when the limit forbids it. */
static size_t rounded(const weft_arena *arena, size_t size)
{
    size_t left = arena->limit - arena->used;
    if (size > left || size > SIZE_MAX / 2)
        return 0;
    size = taken_by(size);
    return size <= left ? size : 0;
}

void weft_arena_set_limit(weft_arena *arena, size_t limit)
{
    limit = limit ? limit : WEFT_ARENA_LIMIT;
    arena->limit = limit > arena->used ? limit : arena->used;
}

void *weft_arena_alloc(weft_arena *arena, size_t size)
{
    size_t total = rounded(arena, size);
    if (total == 0)
        return NULL;
    char *memory = arena->at;
    if (WF_LIKELY(total <= (size_t)(arena->end - arena->at)))
        arena->at += total;
    else if (total > arena->next_size)
        memory = alloc_large(arena, total);
    else
        memory = alloc_from_new_block(arena, total);
    if (!memory)
        return NULL;
    arena->used += total;
    wf_unpoison(memory, size);
    return memory;
}

/* Growing. */

/* The link to the block that holds this piece and nothing else, or NULL. */
static struct block **own_block(weft_arena *arena, const char *memory)
{
    for (struct block **link = &arena->blocks; *link; link = &(*link)->next)
        if (room(*link) == memory)
            return arena->end == memory + (*link)->size ? NULL : link;
    return NULL;
}

static char *grow_block(weft_arena *arena, struct block **link, size_t total)
{
    struct block *block = *link;
    size_t before = block->size;
    wf_unpoison(room(block), before);
    struct block *grown = wf_realloc(block, sizeof *block + total);
    if (!grown)
        return NULL;
    *link = grown;
    grown->size = total;
    wf_memory_hold(total - before);
    arena->reserved += total - before;
    return room(grown);
}

/* Where it lies, or in a block that the heap may move; NULL when neither can be. */
static char *grow_in_place(weft_arena *arena, char *memory, size_t before, size_t more)
{
    if (memory + before == arena->at && more <= (size_t)(arena->end - arena->at)) {
        arena->at += more;
        return memory;
    }
    struct block **link = before > BLOCK_SIZE_MAX ? own_block(arena, memory) : NULL;
    return link ? grow_block(arena, link, before + more) : NULL;
}

static void *grow_elsewhere(weft_arena *arena, const void *memory, size_t size, size_t larger)
{
    void *copy = weft_arena_alloc(arena, larger);
    return copy && size > 0 ? memcpy(copy, memory, size) : copy;
}

void *weft_arena_grow(weft_arena *arena, void *memory, size_t size, size_t larger)
{
    if (!memory)
        return weft_arena_alloc(arena, larger);
    if (larger > SIZE_MAX / 2)
        return NULL;
    size_t before = taken_by(size), after = taken_by(larger);
    if (after > before && after - before > arena->limit - arena->used)
        return NULL;
    if (after > before) {
        char *grown = grow_in_place(arena, memory, before, after - before);
        if (!grown)
            return grow_elsewhere(arena, memory, size, larger);
        arena->used += after - before;
        memory = grown;
    }
    wf_unpoison(memory, larger);
    return memory;
}

char *weft_arena_copy(weft_arena *arena, const void *data, size_t size)
{
    char *copy = size < SIZE_MAX ? weft_arena_alloc(arena, size + 1) : NULL;
    if (!copy)
        return NULL;
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

/* What vsnprintf answers for the room that is left, which it may fill. */
WEFT_PRINTF(2, 0)
static int try_print(weft_arena *arena, const char *format, va_list list)
{
    size_t left = (size_t)(arena->end - arena->at);
    wf_unpoison(arena->at, left);
    int size = vsnprintf(arena->at, left, format, list);
    wf_poison(arena->at, left);
    return size;
}

WEFT_PRINTF(2, 0)
static char *print(weft_arena *arena, const char *format, va_list list)
{
    va_list again;
    va_copy(again, list);
    char *printed = arena->at;
    int size = try_print(arena, format, list);
    char *string = size < 0 ? NULL : weft_arena_alloc(arena, (size_t)size + 1);
    if (string && string != printed)
        vsnprintf(string, (size_t)size + 1, format, again);
    va_end(again);
    return string;
}

char *weft_arena_format(weft_arena *arena, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    char *string = print(arena, format, list);
    va_end(list);
    return string;
}

size_t weft_arena_used(const weft_arena *arena)
{
    return arena->used;
}

size_t weft_arena_reserved(const weft_arena *arena)
{
    return arena->reserved + sizeof *arena;
}
