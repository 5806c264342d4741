/* One bucket and its children: see table_inside.h. */

#include "table_inside.h"

#include "memory.h"

#include <errno.h>

#define LAST (BUCKET_SLOTS - 1)

static uint64_t hash_byte(const struct table_bucket *bucket, int slot)
{
    return bucket->head >> (8 * (slot + 1)) & 0xff;
}

static void put(struct table_bucket *bucket, int slot, void *entry, uint64_t byte)
{
    int shift = 8 * (slot + 1);
    bucket->slots[slot] = entry;
    bucket->head =
        (bucket->head & ~(UINT64_C(0xff) << shift)) | byte << shift | UINT64_C(1) << slot;
}

static void clear(struct table_bucket *bucket, int slot)
{
    bucket->head &= ~(UINT64_C(1) << slot);
}

/* The last slot's entry goes to a child together with the new one. */
static int add_child(struct table_bucket *bucket, void *entry, uint64_t byte)
{
    struct table_bucket *child = kv_alloc(sizeof *child);
    if (!child)
        return -ENOMEM;
    child->head = 0;
    put(child, 0, bucket->slots[LAST], hash_byte(bucket, LAST));
    put(child, 1, entry, byte);
    clear(bucket, LAST);
    bucket->head |= BUCKET_CHILD;
    bucket->slots[LAST] = child;
    return 0;
}

int bucket_insert(struct table_bucket *bucket, void *entry, uint64_t hash)
{
    for (;;) {
        struct table_bucket *child = bucket_child(bucket);
        uint32_t room = ~bucket_map(bucket) & (child ? 0x3f : 0x7f);
        if (room) {
            put(bucket, __builtin_ctz(room), entry, hash >> 56);
            return 0;
        }
        if (!child)
            return add_child(bucket, entry, hash >> 56);
        bucket = child;
    }
}

/* `parent` of the last bucket; NULL where that is the first one. */
static struct table_bucket *find_last(struct table_bucket *bucket, struct table_bucket **parent)
{
    *parent = NULL;
    for (struct table_bucket *child; (child = bucket_child(bucket)); bucket = child)
        *parent = bucket;
    return bucket;
}

/* A child that is empty goes, and one with a single entry gives it to its parent. */
static void fold(struct table_bucket *parent, struct table_bucket *child)
{
    uint32_t map = bucket_map(child);
    if (map & (map - 1))
        return;
    parent->head &= ~(uint64_t)BUCKET_CHILD;
    if (map) {
        int slot = __builtin_ctz(map);
        put(parent, LAST, child->slots[slot], hash_byte(child, slot));
    }
    kv_free(child);
}

void *bucket_last(struct table_bucket *bucket)
{
    for (;;) {
        struct table_bucket *parent, *last = find_last(bucket, &parent);
        uint32_t map = bucket_map(last);
        if (map)
            return last->slots[__builtin_ctz(map)];
        if (!parent)
            return NULL;
        fold(parent, last); /* a paused table has left it empty */
    }
}

void bucket_drop_last(struct table_bucket *bucket)
{
    struct table_bucket *parent, *last = find_last(bucket, &parent);
    clear(last, __builtin_ctz(bucket_map(last)));
    if (parent)
        fold(parent, last);
}

void bucket_remove(struct table_bucket *bucket, void **place, bool tidy)
{
    struct table_bucket *home = bucket, *parent = NULL;
    while (place < home->slots || place >= home->slots + BUCKET_SLOTS)
        home = bucket_child(home);
    int slot = (int)(place - home->slots);
    clear(home, slot);
    struct table_bucket *last = tidy ? find_last(bucket, &parent) : home;
    while (last != home && bucket_map(last) == 0) {
        fold(parent, last);
        last = find_last(bucket, &parent);
    }
    if (last != home) {
        int from = __builtin_ctz(bucket_map(last));
        put(home, slot, last->slots[from], hash_byte(last, from));
        clear(last, from);
    }
    if (tidy && parent)
        fold(parent, last);
}
