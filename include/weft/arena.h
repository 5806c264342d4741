#ifndef WEFT_ARENA_H
#define WEFT_ARENA_H

/* Memory that is given back all at once: what one request needs, for example.
 *
 * Allocating is moving a pointer. Nothing is freed on its own; weft_arena_reset takes everything
 * back and keeps the memory for the next round, so that a round that needs no more than the one
 * before asks the heap for nothing. */

#include <weft/define.h>

WEFT_BEGIN_DECLS

typedef struct weft_arena weft_arena;

/** The limit of an arena that names none, in bytes. */
#define WEFT_ARENA_LIMIT ((size_t)1 << 20)

/** Make an arena that hands out at most `limit` bytes between two resets.
 *
 * Returns: 0, and the arena in `*arena`.
 * Errors: -ENOMEM; `*arena` is untouched then.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: gives the arena; weft_arena_free takes it back.
 * Threads: any; afterwards one thread at a time.
 *
 * A `limit` of 0 is WEFT_ARENA_LIMIT; SIZE_MAX is no limit. */
WEFT_API
int weft_arena_new(weft_arena **arena, size_t limit);

/** Give everything back, the arena too.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes the arena (NULL is fine); what it handed out is gone.
 * Threads: the one that uses the arena. */
WEFT_API
void weft_arena_free(weft_arena *arena);

/** Take back all that was handed out, and keep one block of memory, 64 KiB at most, for the next
 * round: the smallest that would have held this round, or else the next one is made that large.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: what the arena handed out is gone.
 * Threads: the one that uses the arena. */
WEFT_API
void weft_arena_reset(weft_arena *arena);

/** Hand out `size` bytes, uninitialised and aligned to 16.
 *
 * Returns: the memory; NULL when the limit is reached or there is no memory.
 * Errors: none but NULL.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: the arena's; valid until weft_arena_reset or weft_arena_free.
 * Threads: the one that uses the arena. */
WEFT_API
void *weft_arena_alloc(weft_arena *arena, size_t size);

/** Make a piece larger, where it lies if that is possible: `size` bytes are there, `larger` are
 * wanted. The last piece that was handed out, and one above 64 KiB, grow without being copied.
 *
 * Returns: the piece, perhaps elsewhere; NULL when the limit is reached or there is no memory, and
 *   then it is as it was.
 * Errors: none but NULL.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: the arena's. `memory` NULL with `size` 0 is a new piece.
 * Threads: the one that uses the arena. */
WEFT_API
void *weft_arena_grow(weft_arena *arena, void *memory, size_t size, size_t larger);

/** Hand out a copy of `size` bytes at `data`, and a NUL after them.
 *
 * Returns: the copy; NULL when the limit is reached or there is no memory.
 * Errors: none but NULL.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: borrows `data`; the copy is the arena's.
 * Threads: the one that uses the arena. */
WEFT_API
char *weft_arena_copy(weft_arena *arena, const void *data, size_t size);

/** Hand out a string, as printf would write it.
 *
 * Returns: the string; NULL when the limit is reached or there is no memory.
 * Errors: none but NULL.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: borrows its arguments; the string is the arena's.
 * Threads: the one that uses the arena. */
WEFT_API
char *weft_arena_format(weft_arena *arena, const char *format, ...) WEFT_PRINTF(2, 3);

/** Let an arena hand out more, or less, than it was made for.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes nothing back: a limit below what is handed out already is that much.
 * Threads: the one that uses the arena. `limit` as in weft_arena_new(). */
WEFT_API
void weft_arena_set_limit(weft_arena *arena, size_t limit);

/** How much has been handed out since the last reset; what the limit limits.
 *
 * Returns: bytes, each piece rounded up to 16.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes nothing.
 * Threads: the one that uses the arena. */
WEFT_API
size_t weft_arena_used(const weft_arena *arena);

/** How much memory the arena holds, in use or kept for later.
 *
 * Returns: bytes.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes nothing.
 * Threads: the one that uses the arena. */
WEFT_API
size_t weft_arena_reserved(const weft_arena *arena);

WEFT_END_DECLS

#endif
