/* Packs: see pack.h. */

#include "pack.h"

#include "base/compiler.h"
#include "codec/resp.h"
#include "memory.h"

#include <errno.h>
#include <string.h>

#define HEAD_TINY   0x80 /* integers without data */
#define TINY_MAX    0x6f
#define HEAD_STRING 0xf0
#define HEAD_NUMBER 0xf8
#define SHORT_MAX   0x7f
#define BYTES_MAX   0x7fffffffu
#define HEAD_MAX    9

static void store(uint8_t *at, uint64_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t load(const uint8_t *at, uint32_t bytes)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

/* Bytes that hold a signed number. */
static uint32_t integer_bytes(int64_t value)
{
    uint64_t bits = (uint64_t)(value < 0 ? ~value : value);
    return bits == 0 ? 1 : (uint32_t)(64 - __builtin_clzll(bits)) / 8 + 1;
}

/* --- one item --- */

struct pack_item pack_item_of(weft_slice text)
{
    struct pack_item item = { .data = text.data ? text.data : "", .size = (uint32_t)text.size };
    if (text.size <= PACK_TEXT_MAX && wf_resp_read_integer(text.data, text.size, &item.integer))
        item.data = NULL;
    return item;
}

weft_slice pack_text(const struct pack_item *item, char space[PACK_TEXT_MAX])
{
    if (item->data)
        return (weft_slice){ item->data, item->size };
    return (weft_slice){ space, wf_resp_print_integer(space, item->integer) };
}

bool pack_item_is(const struct pack_item *a, const struct pack_item *b)
{
    if (!a->data || !b->data)
        return !a->data && !b->data && a->integer == b->integer;
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

int pack_item_compare(const struct pack_item *a, const struct pack_item *b)
{
    char left_space[PACK_TEXT_MAX], right_space[PACK_TEXT_MAX];
    weft_slice left = pack_text(a, left_space), right = pack_text(b, right_space);
    size_t size = left.size < right.size ? left.size : right.size;
    int order = memcmp(left.data, right.data, size);
    return order ? order : (left.size > right.size) - (left.size < right.size);
}

static uint32_t head_size(const struct pack_item *item)
{
    if (!item->data)
        return item->integer >= 0 && item->integer <= TINY_MAX ? 1
                                                               : 1 + integer_bytes(item->integer);
    return item->size <= SHORT_MAX ? 1 : item->size <= UINT16_MAX ? 3 : 5;
}

static uint32_t back_size(uint32_t size)
{
    return size < 0x80 ? 1 : size <= UINT16_MAX ? 3 : 5;
}

size_t pack_item_size(const struct pack_item *item)
{
    uint64_t size = (uint64_t)head_size(item) + (item->data ? item->size : 0);
    return size > BYTES_MAX ? SIZE_MAX / 2 : (size_t)size + back_size((uint32_t)size);
}

static uint8_t *write_head(uint8_t *at, const struct pack_item *item)
{
    uint32_t more = head_size(item) - 1;
    if (!item->data) {
        *at = (uint8_t)(more ? HEAD_NUMBER + more - 1 : HEAD_TINY + (uint32_t)item->integer);
        store(at + 1, (uint64_t)item->integer, more);
    } else {
        *at = (uint8_t)(more ? HEAD_STRING + more / 4 : item->size);
        store(at + 1, item->size, more);
    }
    return at + 1 + more;
}

static uint8_t *write_back(uint8_t *at, uint32_t size)
{
    uint32_t more = back_size(size) - 1;
    store(at, size, more);
    at[more] = (uint8_t)(more ? 0x80 + more : size);
    return at + more + 1;
}

static uint8_t *write_item(uint8_t *out, const struct pack_item *item)
{
    uint8_t *at = write_head(out, item);
    if (item->data && item->size) {
        memcpy(at, item->data, item->size);
        at += item->size;
    }
    return write_back(at, (uint32_t)(at - out));
}

/* Bytes of head and data. */
static uint32_t item_size(const uint8_t *at)
{
    if (*at <= SHORT_MAX)
        return 1 + *at;
    if (*at < HEAD_STRING)
        return 1;
    if (*at >= HEAD_NUMBER)
        return 2 + (uint32_t)(*at - HEAD_NUMBER);
    uint32_t more = *at == HEAD_STRING ? 2 : 4;
    return 1 + more + (uint32_t)load(at + 1, more);
}

static uint32_t whole_size(const uint8_t *at)
{
    if (WF_LIKELY(*at < SHORT_MAX))
        return *at + 2u; /* head, text, back length */
    uint32_t size = item_size(at);
    return size + back_size(size);
}

/* --- places --- */

uint32_t pack_first(const struct pack *pack)
{
    return pack_bytes(pack) ? 0 : PACK_END;
}

uint32_t pack_next(const struct pack *pack, uint32_t at)
{
    at += whole_size(pack->data + at);
    return at < pack->bytes ? at : PACK_END;
}

static uint32_t back_from(const struct pack *pack, uint32_t end)
{
    uint8_t last = pack->data[end - 1];
    if (last < 0x80)
        return end - 1 - last;
    uint32_t more = last - 0x80u;
    return end - 1 - more - (uint32_t)load(pack->data + end - 1 - more, more);
}

uint32_t pack_previous(const struct pack *pack, uint32_t at)
{
    if (at == PACK_END)
        return pack_last(pack);
    return at > 0 ? back_from(pack, at) : PACK_END;
}

uint32_t pack_last(const struct pack *pack)
{
    return pack_bytes(pack) ? back_from(pack, pack->bytes) : PACK_END;
}

uint32_t pack_at(const struct pack *pack, int64_t index)
{
    int64_t count = pack_count(pack);
    if (index < 0)
        index += count;
    if (index < 0 || index >= count)
        return PACK_END;
    uint32_t at;
    if (index < count / 2) {
        for (at = 0; index > 0; index--)
            at += whole_size(pack->data + at);
        return at;
    }
    for (at = pack->bytes; index < count; index++)
        at = back_from(pack, at);
    return at;
}

static int64_t read_integer(const uint8_t *at)
{
    if (*at < HEAD_STRING)
        return *at - HEAD_TINY;
    uint32_t bytes = *at + 1u - HEAD_NUMBER, unused = 64 - 8 * bytes;
    return (int64_t)(load(at + 1, bytes) << unused) >> unused; /* the sign spreads */
}

struct pack_item pack_get(const struct pack *pack, uint32_t at)
{
    const uint8_t *item = pack->data + at;
    if (*item <= SHORT_MAX)
        return (struct pack_item){ .data = (const char *)item + 1, .size = *item };
    if (*item < HEAD_STRING || *item >= HEAD_NUMBER)
        return (struct pack_item){ .integer = read_integer(item) };
    uint32_t more = *item == HEAD_STRING ? 2 : 4;
    return (struct pack_item){ .data = (const char *)item + 1 + more,
                               .size = (uint32_t)load(item + 1, more) };
}

/* Whether the item here is the one that begins with these bytes of head, and goes on with its own.
 */
static bool is_here(const uint8_t *at, const uint8_t *head, uint32_t head_bytes,
                    const struct pack_item *item)
{
    return *at == *head && (head_bytes == 1 || memcmp(at, head, head_bytes) == 0) &&
           (!item->data || memcmp(at + head_bytes, item->data, item->size) == 0);
}

uint32_t pack_find(const struct pack *pack, uint32_t at, const struct pack_item *item,
                   uint32_t step)
{
    uint8_t head[HEAD_MAX];
    uint32_t head_bytes = (uint32_t)(write_head(head, item) - head), bytes = pack_bytes(pack);
    for (uint32_t skip = 0; at < bytes; at += whole_size(pack->data + at)) {
        if (skip > 0) {
            skip--;
            continue;
        }
        if (is_here(pack->data + at, head, head_bytes, item))
            return at;
        skip = step - 1;
    }
    return PACK_END;
}

/* --- changes --- */

/* A full block grows by an eighth more than it must. */
static int reserve(struct pack **place, uint64_t bytes)
{
    uint64_t size = sizeof **place + bytes;
    if (*place && size <= kv_size(*place))
        return 0;
    if (bytes > BYTES_MAX)
        return -ENOMEM;
    struct pack *grown = kv_grow(*place, (size_t)(*place ? size + bytes / 8 : size));
    if (!grown)
        return -ENOMEM;
    if (!*place)
        grown->bytes = grown->count = 0;
    *place = grown;
    return 0;
}

int pack_reserve(struct pack **place, uint32_t bytes)
{
    return reserve(place, bytes);
}

/* Give back when less than half is in use. */
static void tighten(struct pack **place)
{
    size_t size = sizeof **place + (*place)->bytes;
    if (size * 2 < kv_size(*place) && kv_size(*place) > 64)
        *place = kv_shrink(*place, size + size / 8);
}

static uint64_t items_size(const struct pack_item *items, uint32_t count)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        size += pack_item_size(&items[i]);
    return size;
}

static uint32_t skip_items(const struct pack *pack, uint32_t at, uint32_t count)
{
    while (count-- > 0 && at < pack->bytes)
        at += whole_size(pack->data + at);
    return at;
}

int pack_splice(struct pack **place, uint32_t at, uint32_t remove, const struct pack_item *items,
                uint32_t count)
{
    uint32_t old = pack_bytes(*place);
    if (at == PACK_END)
        at = old;
    uint32_t end = remove ? skip_items(*place, at, remove) : at;
    uint64_t size = items_size(items, count), bytes = old - (end - at) + size;
    if (count && reserve(place, bytes) < 0)
        return -ENOMEM;
    struct pack *pack = *place;
    if (!pack)
        return 0;
    memmove(pack->data + at + size, pack->data + end, old - end);
    uint8_t *out = pack->data + at;
    for (uint32_t i = 0; i < count; i++)
        out = write_item(out, &items[i]);
    pack->bytes = (uint32_t)bytes;
    pack->count = pack->count - remove + count;
    if (bytes < old)
        tighten(place);
    return 0;
}

int pack_insert(struct pack **place, uint32_t at, weft_slice text)
{
    struct pack_item item = pack_item_of(text);
    return pack_splice(place, at, 0, &item, 1);
}

int pack_push_first(struct pack **place, weft_slice text)
{
    return pack_insert(place, 0, text);
}

int pack_push_last(struct pack **place, weft_slice text)
{
    return pack_insert(place, PACK_END, text);
}

int pack_replace(struct pack **place, uint32_t at, weft_slice text)
{
    struct pack_item item = pack_item_of(text);
    return pack_splice(place, at, 1, &item, 1);
}

void pack_delete(struct pack **place, uint32_t at, uint32_t count)
{
    if (count)
        pack_splice(place, at, count, NULL, 0);
}

/* Count what is in front of `at`. */
static uint32_t index_of(const struct pack *pack, uint32_t at)
{
    uint32_t index = 0;
    for (uint32_t here = 0; here < at && here < pack->bytes; index++)
        here += whole_size(pack->data + here);
    return index;
}

int pack_split(struct pack **place, uint32_t at, struct pack **rest)
{
    struct pack *pack = *place, *tail = NULL;
    if (at == PACK_END)
        at = pack->bytes;
    uint32_t index = index_of(pack, at), bytes = pack->bytes - at;
    if (reserve(&tail, bytes) < 0)
        return -ENOMEM;
    memcpy(tail->data, pack->data + at, bytes);
    tail->bytes = bytes;
    tail->count = pack->count - index;
    pack->bytes = at;
    pack->count = index;
    tighten(place);
    *rest = tail;
    return 0;
}

int pack_copy(const struct pack *pack, struct pack **copy)
{
    struct pack *made = NULL;
    if (pack) {
        if (reserve(&made, pack->bytes) < 0)
            return -ENOMEM;
        memcpy(made, pack, sizeof *pack + pack->bytes);
    }
    *copy = made;
    return 0;
}
