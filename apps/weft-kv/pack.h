#ifndef KV_PACK_H
#define KV_PACK_H

/* A sequence of short strings and integers in one block of memory.
 *
 *      | bytes | count | item | item | ...        item:  | head | data | back length |
 *
 *      head 0x00-0x7f   a string of so many bytes
 *           0x80-0xef   the integer 0 to 111, no data
 *           0xf0, 0xf1  a string; two, four bytes of length follow, the lowest first
 *           0xf8-0xff   an integer of 1 to 8 bytes, the lowest first
 *      back length      of head and data, for the way back: one byte below 128, else the bytes of
 *                       the number and one byte 0x80 + how many those are
 *
 * A string that is the text of an int64_t is kept as that integer, and only so: two items are equal
 * when their kinds and their bytes are.
 *
 * Every change is one splice: so many items out, so many in, in one piece or not at all. It costs a
 * memmove of what is behind. A place in a pack is an offset, `at`, which any change in front of it
 * makes wrong; PACK_END is behind the last item.
 *
 * NULL is an empty pack. Items and packs are kept below 2 GiB: -ENOMEM beyond. */

#include <weft/buffer.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACK_END      UINT32_MAX
#define PACK_TEXT_MAX 20 /* bytes of the text of an integer */

/* Invariant: the items fill `data` up to bytes. The block may have more room (kv_size). */
struct pack {
    uint32_t bytes; /* of items */
    uint32_t count;
    uint8_t data[];
};

struct pack_item {
    const char *data; /* NULL: it is `integer` */
    uint32_t size;
    int64_t integer;
};

/* What a text would be kept as. The text must be below 2 GiB. */
struct pack_item pack_item_of(weft_slice text);

/* The item's text, which for an integer is written into `space`. */
weft_slice pack_text(const struct pack_item *item, char space[PACK_TEXT_MAX]);

bool pack_item_is(const struct pack_item *a, const struct pack_item *b);

/* By the bytes of their texts, as memcmp has it. */
int pack_item_compare(const struct pack_item *a, const struct pack_item *b);

/* Bytes of the item in a pack. */
size_t pack_item_size(const struct pack_item *item);

static inline uint32_t pack_count(const struct pack *pack)
{
    return pack ? pack->count : 0;
}

static inline uint32_t pack_bytes(const struct pack *pack)
{
    return pack ? pack->bytes : 0;
}

/* Places. PACK_END: there is none. pack_at counts from the end where `index` is negative. */
uint32_t pack_first(const struct pack *pack);
uint32_t pack_last(const struct pack *pack);
uint32_t pack_next(const struct pack *pack, uint32_t at);
uint32_t pack_previous(const struct pack *pack, uint32_t at);
uint32_t pack_at(const struct pack *pack, int64_t index);

/* What stands there; a string's bytes are the pack's. */
struct pack_item pack_get(const struct pack *pack, uint32_t at);

/* The first item equal to this one, looking at every `step`-th from `at` on. */
uint32_t pack_find(const struct pack *pack, uint32_t at, const struct pack_item *item,
                   uint32_t step);

/* At `at`, take `remove` items out and put `count` in. 0, or -ENOMEM; without items to put in it
 * never fails. The new ones' bytes must not lie in this pack. */
int pack_splice(struct pack **place, uint32_t at, uint32_t remove, const struct pack_item *items,
                uint32_t count);

/* Room for so many bytes of items in all. 0, or -ENOMEM. */
int pack_reserve(struct pack **place, uint32_t bytes);

/* The usual splices. */
int pack_push_first(struct pack **place, weft_slice text);
int pack_push_last(struct pack **place, weft_slice text);
int pack_insert(struct pack **place, uint32_t at, weft_slice text);
int pack_replace(struct pack **place, uint32_t at, weft_slice text);
void pack_delete(struct pack **place, uint32_t at, uint32_t count);

/* Move the items from `at` on into a pack of their own. 0, or -ENOMEM. */
int pack_split(struct pack **place, uint32_t at, struct pack **rest);

/* A copy, without slack. 0, or -ENOMEM. */
int pack_copy(const struct pack *pack, struct pack **copy);

#endif
