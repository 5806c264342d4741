/* The table: see table.h. One bucket is table_bucket.c, a walk through all of them
 * table_walk.c. */

#include "table_inside.h"

#include "hash_key.h"
#include "memory.h"

#include <errno.h>
#include <string.h>

#define LINE       64
#define MAPPED     ((size_t)1 << 20) /* bytes from which on an array has pages of its own, */
#define DROPPED    4096              /* ... which are given back by so many empty buckets */
#define FULL       6                 /* entries a bucket, of 7: beyond, the table grows */
#define FILL       3                 /* entries a bucket, when it has changed its size */
#define SPARSE_PER 4                 /* fewer entries than 3 for 4 buckets: it shrinks */

static uint64_t array_size(const struct table_array *array)
{
    return array->buckets ? array->mask + 1 : 0;
}

static int array_init(struct table_array *array, uint64_t buckets)
{
    if (buckets > SIZE_MAX / sizeof(struct table_bucket) - 1)
        return -ENOMEM;
    size_t size = (size_t)buckets * sizeof(struct table_bucket);
    char *memory = size < MAPPED ? kv_alloc_zero(size + LINE - 16) : kv_map(size);
    if (!memory)
        return -ENOMEM;
    array->memory = memory;
    array->buckets = (void *)(((uintptr_t)memory + LINE - 1) & ~(uintptr_t)(LINE - 1));
    array->mask = buckets - 1;
    return 0;
}

static void array_fini(struct table_array *array)
{
    size_t size = (size_t)(array->mask + 1) * sizeof(struct table_bucket);
    if (size < MAPPED)
        kv_free(array->memory);
    else
        kv_unmap(array->memory, size);
    *array = (struct table_array){ NULL, NULL, 0 };
}

void table_init(struct table *table, table_key *key, const uint64_t seed[2])
{
    *table = (struct table){ .key = key, .seed = { seed[0], seed[1] } };
}

uint64_t table_hash(const struct table *table, weft_slice key)
{
    return hash_key(table->seed, key.data, key.size);
}

static bool is_changing(const struct table *table)
{
    return table->arrays[1].buckets != NULL;
}

struct table_bucket *table_bucket_at(const struct table *table, uint64_t index)
{
    uint64_t old = array_size(&table->arrays[0]);
    return index < old ? &table->arrays[0].buckets[index] : &table->arrays[1].buckets[index - old];
}

uint64_t table_buckets(const struct table *table)
{
    return array_size(&table->arrays[0]) + array_size(&table->arrays[1]);
}

/* --- changing the size --- */

static void finish_change(struct table *table)
{
    array_fini(&table->arrays[0]);
    table->arrays[0] = table->arrays[1];
    table->arrays[1] = (struct table_array){ NULL, NULL, 0 };
    table->moved = 0;
}

/* The bucket at `moved` is empty for ever. */
static void pass_bucket(struct table *table)
{
    struct table_array *old = &table->arrays[0];
    if (table->moved++ == old->mask)
        finish_change(table);
    else if (table->moved % DROPPED == 0 && (old->mask + 1) * sizeof(struct table_bucket) >= MAPPED)
        kv_map_drop(old->buckets + table->moved - DROPPED, DROPPED * sizeof(struct table_bucket));
}

/* Empty one old bucket. False: there was no memory for a child; what has moved so far is found in
 * the new array, the rest in the old one. */
static bool move_bucket(struct table *table)
{
    struct table_array *target = &table->arrays[1];
    struct table_bucket *source = &table->arrays[0].buckets[table->moved];
    void *entry;
    while ((entry = bucket_last(source)) != NULL) {
        weft_slice key = table->key(entry);
        uint64_t hash = table_hash(table, key);
        if (bucket_insert(&target->buckets[hash & target->mask], entry, hash) < 0)
            return false;
        bucket_drop_last(source);
    }
    pass_bucket(table);
    return true;
}

bool table_rehash(struct table *table, uint64_t buckets)
{
    if (table->paused)
        return is_changing(table);
    while (buckets-- > 0 && is_changing(table))
        if (!move_bucket(table))
            break;
    return is_changing(table);
}

static uint64_t buckets_for(uint64_t count)
{
    uint64_t buckets = 1;
    while (buckets * FILL < count)
        buckets *= 2;
    return buckets;
}

/* Begin to change the size, when it is time to. Without memory it waits for better times. */
static void change_size(struct table *table)
{
    uint64_t buckets = table->arrays[0].mask + 1;
    bool full = table->count > buckets * FULL;
    bool sparse = buckets > 1 && table->count * SPARSE_PER < buckets * FILL;
    if (is_changing(table) || table->paused || !(full || sparse))
        return;
    table->moved = 0;
    (void)array_init(&table->arrays[1], full ? buckets * 2 : buckets_for(table->count));
}

static void work(struct table *table)
{
    change_size(table);
    table_rehash(table, TABLE_MOVES);
}

/* --- finding --- */

void table_prefetch(const struct table *table, uint64_t hash)
{
    if (is_changing(table))
        __builtin_prefetch(&table->arrays[1].buckets[hash & table->arrays[1].mask]);
    if (table->arrays[0].buckets)
        __builtin_prefetch(&table->arrays[0].buckets[hash & table->arrays[0].mask]);
}

void table_prefetch_entry(const struct table *table, uint64_t hash)
{
    for (int i = is_changing(table); i >= 0 && table->count; i--) {
        const struct table_array *array = &table->arrays[i];
        const struct table_bucket *bucket = &array->buckets[hash & array->mask];
        for (uint32_t same = bucket_matches(bucket, hash); same; same &= same - 1) {
            const char *entry = bucket->slots[__builtin_ctz(same)];
            __builtin_prefetch(entry);
            __builtin_prefetch(entry + LINE);
        }
    }
}

static void **find_in(const struct table *table, struct table_bucket *bucket, weft_slice key,
                      uint64_t hash)
{
    for (; bucket; bucket = bucket_child(bucket))
        for (uint32_t same = bucket_matches(bucket, hash); same; same &= same - 1) {
            void **place = &bucket->slots[__builtin_ctz(same)];
            weft_slice found = table->key(*place);
            if (found.size == key.size && memcmp(found.data, key.data, key.size) == 0)
                return place;
        }
    return NULL;
}

void **table_find_hashed(const struct table *table, weft_slice key, uint64_t hash)
{
    const struct table_array *old = &table->arrays[0], *new = &table->arrays[1];
    if (table->count == 0)
        return NULL;
    if (WF_LIKELY(!new->buckets))
        return find_in(table, &old->buckets[hash & old->mask], key, hash);
    void **place = find_in(table, &new->buckets[hash & new->mask], key, hash);
    if (!place && (hash & old->mask) >= table->moved)
        place = find_in(table, &old->buckets[hash & old->mask], key, hash);
    return place;
}

void **table_find(const struct table *table, weft_slice key)
{
    return table->count ? table_find_hashed(table, key, table_hash(table, key)) : NULL;
}

void **table_find_entry(const struct table *table, weft_slice key, const void *entry)
{
    void **place = table_find(table, key);
    wf_assert(place && *place == entry);
    return place;
}

/* --- changing --- */

int table_insert_hashed(struct table *table, void *entry, uint64_t hash)
{
    if (!table->arrays[0].buckets && array_init(&table->arrays[0], 1) < 0)
        return -ENOMEM;
    work(table);
    struct table_array *array = &table->arrays[is_changing(table)];
    if (bucket_insert(&array->buckets[hash & array->mask], entry, hash) < 0)
        return -ENOMEM;
    table->count++;
    return 0;
}

int table_insert(struct table *table, void *entry)
{
    return table_insert_hashed(table, entry, table_hash(table, table->key(entry)));
}

/* The bucket that a place of this hash is in: with its children it is one of two. */
static struct table_bucket *bucket_of(const struct table *table, uint64_t hash, void **place)
{
    for (int i = is_changing(table); i >= 0; i--) {
        const struct table_array *array = &table->arrays[i];
        struct table_bucket *top = &array->buckets[hash & array->mask];
        for (struct table_bucket *bucket = top; bucket; bucket = bucket_child(bucket))
            if (place >= bucket->slots && place < bucket->slots + BUCKET_SLOTS)
                return top;
    }
    return NULL;
}

void table_remove_at(struct table *table, uint64_t hash, void **place)
{
    struct table_bucket *bucket = bucket_of(table, hash, place);
    wf_assert(bucket);
    bucket_remove(bucket, place, !table->paused);
    table->count--;
    work(table);
}

void *table_remove(struct table *table, weft_slice key)
{
    if (table->count == 0)
        return NULL;
    uint64_t hash = table_hash(table, key);
    void **place = table_find_hashed(table, key, hash);
    if (!place)
        return NULL;
    void *entry = *place;
    table_remove_at(table, hash, place);
    return entry;
}

/* --- ending --- */

void *table_take(struct table *table, uint64_t *steps)
{
    while (table->arrays[0].buckets && *steps > 0) {
        struct table_bucket *bucket = &table->arrays[0].buckets[table->moved];
        void *entry = bucket_last(bucket);
        --*steps;
        if (entry) {
            bucket_drop_last(bucket);
            table->count--;
            return entry;
        }
        pass_bucket(table);
    }
    return NULL;
}

void table_fini(struct table *table, void (*drop)(void *entry))
{
    uint64_t steps = UINT64_MAX;
    void *entry;
    while ((entry = table_take(table, &steps)) != NULL)
        if (drop)
            drop(entry);
}
