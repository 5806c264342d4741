#include "redis/table.h"

#include <weft/memory.h>

#include <errno.h>
#include <string.h>

#define FIRST_BUCKETS 16 /* a power of two, in the first segment */

void wf_redis_table_init(struct wf_redis_table *table, uint64_t seed)
{
    *table = (struct wf_redis_table){ .seed = { seed, seed * UINT64_C(0x9e3779b97f4a7c15) + 1 } };
}

void wf_redis_table_fini(struct wf_redis_table *table)
{
    for (size_t i = 0; i < table->segment_count; i++)
        weft_free(table->segments[i]);
    weft_free(table->segments);
    table->segments = NULL;
    table->segment_count = table->segment_room = table->buckets = table->count = 0;
}

/* --- SipHash-1-3 --- */

static inline uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void mix(uint64_t v[4])
{
    v[0] += v[1], v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline void absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v);
    v[0] ^= word;
}

uint64_t wf_redis_table_hash(const struct wf_redis_table *table, weft_slice name)
{
    uint64_t v[4] = { table->seed[0] ^ UINT64_C(0x736f6d6570736575),
                      table->seed[1] ^ UINT64_C(0x646f72616e646f6d),
                      table->seed[0] ^ UINT64_C(0x6c7967656e657261),
                      table->seed[1] ^ UINT64_C(0x7465646279746573) };
    uint64_t word;
    size_t i = 0;
    for (; i + 8 <= name.size; i += 8) {
        memcpy(&word, name.data + i, 8);
        absorb(v, word);
    }
    word = 0;
    if (name.size > i)
        memcpy(&word, name.data + i, name.size - i);
    absorb(v, word | (uint64_t)name.size << 56);
    v[2] ^= 0xff;
    mix(v), mix(v), mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* --- buckets --- */

static struct wf_redis_link **bucket_at(const struct wf_redis_table *table, size_t index)
{
    return &table->segments[index / WF_REDIS_SEGMENT][index % WF_REDIS_SEGMENT];
}

/* The power of two that is not above the number of buckets: those below `buckets - half` are split
 * already. */
static size_t half_of(const struct wf_redis_table *table)
{
    return (size_t)1 << (63 - __builtin_clzll(table->buckets));
}

static struct wf_redis_link **bucket_of(const struct wf_redis_table *table, uint64_t hash)
{
    size_t half = half_of(table), index = hash & (half * 2 - 1);
    return bucket_at(table, index < table->buckets ? index : index - half);
}

static int add_segment(struct wf_redis_table *table)
{
    if (table->segment_count == table->segment_room) {
        size_t room = table->segment_room ? table->segment_room * 2 : 4;
        void *segments = weft_realloc(table->segments, room * sizeof *table->segments);
        if (!segments)
            return -ENOMEM;
        table->segments = segments;
        table->segment_room = room;
    }
    struct wf_redis_link **segment = weft_alloc(WF_REDIS_SEGMENT * sizeof *segment);
    if (!segment)
        return -ENOMEM;
    table->segments[table->segment_count++] = segment;
    return 0;
}

/* One bucket more, with what belongs there of the one that it is split from. Without memory the
 * buckets become fuller. */
static void split(struct wf_redis_table *table)
{
    size_t index = table->buckets, half = half_of(table);
    if (index == table->segment_count * WF_REDIS_SEGMENT && add_segment(table) < 0)
        return;
    struct wf_redis_link **from = bucket_at(table, index - half);
    struct wf_redis_link **to = bucket_at(table, index);
    *to = NULL;
    while (*from) {
        struct wf_redis_link *entry = *from;
        if ((entry->hash & (half * 2 - 1)) != index) {
            from = &entry->next;
            continue;
        }
        *from = entry->next;
        entry->next = *to;
        *to = entry;
    }
    table->buckets++;
}

struct wf_redis_link *wf_redis_table_first(const struct wf_redis_table *table, uint64_t hash)
{
    return table->count > 0 ? *bucket_of(table, hash) : NULL;
}

int wf_redis_table_add(struct wf_redis_table *table, struct wf_redis_link *entry)
{
    if (table->buckets == 0) {
        int err = add_segment(table);
        if (err < 0)
            return err;
        table->buckets = FIRST_BUCKETS;
    } else if (table->count >= table->buckets) {
        split(table);
    }
    struct wf_redis_link **bucket = bucket_of(table, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    table->count++;
    return 0;
}

/* Empty: one segment stays, for the next ones. */
static void shrink(struct wf_redis_table *table)
{
    while (table->segment_count > 1)
        weft_free(table->segments[--table->segment_count]);
    table->buckets = FIRST_BUCKETS;
}

void wf_redis_table_remove(struct wf_redis_table *table, struct wf_redis_link *entry)
{
    struct wf_redis_link **link = bucket_of(table, entry->hash);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    if (--table->count == 0)
        shrink(table);
}

struct wf_redis_link *wf_redis_table_next(const struct wf_redis_table *table,
                                          const struct wf_redis_link *entry)
{
    if (entry && entry->next)
        return entry->next;
    size_t index = 0;
    if (entry) {
        size_t half = half_of(table);
        index = entry->hash & (half * 2 - 1);
        index = (index < table->buckets ? index : index - half) + 1;
    }
    for (; index < table->buckets; index++)
        if (*bucket_at(table, index))
            return *bucket_at(table, index);
    return NULL;
}
