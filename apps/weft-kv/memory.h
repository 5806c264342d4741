#ifndef KV_MEMORY_H
#define KV_MEMORY_H

/* The store's one door to the heap: what it holds is counted, and a test can make any allocation
 * fail.
 *
 * Counted is what malloc has set aside, its own eight bytes a block included, so that the number is
 * near what the process has grown by. Count and fault belong to the thread: a store is used by one.
 *
 * Rounding up is not wasted: kv_size says what a block holds, and packs and strings grow into it.
 * Out of memory is an answer: NULL here, -ENOMEM above, with the structure as it was. */

#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>

WF_MUST_CHECK void *kv_alloc(size_t size);
WF_MUST_CHECK void *kv_alloc_zero(size_t size);

/* `memory` (or NULL, for a new one) with room for `size` bytes; NULL leaves `memory` as it was. */
WF_MUST_CHECK void *kv_grow(void *memory, size_t size);

/* Less room than there was; the block may move. Never fails: at worst nothing is given back. */
void *kv_shrink(void *memory, size_t size);

/* Accepts NULL. */
void kv_free(void *memory);

/* Bytes that may be used of a block; 0 of NULL. */
size_t kv_size(void *memory);

/* Zeros for what is large, in pages of its own: neither writing them nor giving them back takes
 * long at once, if the parts that are not needed any more are dropped before the whole is unmapped.
 */
WF_MUST_CHECK void *kv_map(size_t size);
void kv_map_drop(void *part, size_t size);
void kv_unmap(void *memory, size_t size);

/* For a program whose main business this is: malloc keeps what is freed, and joins free blocks when
 * they are freed. Else it does either for a whole heap at once, now and then, which takes a third
 * of a second for a gigabyte. Blocks beyond 1 MiB are given back nevertheless. It is a setting of
 * the process, so the store itself does not make it. */
void kv_memory_keep(void);

/* Bytes that this thread holds. */
uint64_t kv_memory_used(void);

/* Let the n-th allocation from now fail, 1 being the next, and all behind it; 0: none does. Returns
 * how many have failed since the last call. */
long kv_memory_fail(long countdown);

/* Let allocations fail that would make it hold more than so many bytes; UINT64_MAX: none does. */
void kv_memory_limit(uint64_t bytes);

#endif
