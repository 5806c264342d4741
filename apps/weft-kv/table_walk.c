/* Ways through a whole table: scans that survive changes of size, random picks, iteration. */

#include "table_inside.h"

#define PICK_MAX   14 /* entries of a bucket among which a pick is fair */
#define PICK_TRIES 256

static uint64_t reverse(uint64_t bits)
{
    bits = __builtin_bswap64(bits);
    bits = (bits >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f)) | (bits & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4;
    bits = (bits >> 2 & UINT64_C(0x3333333333333333)) | (bits & UINT64_C(0x3333333333333333)) << 2;
    return (bits >> 1 & UINT64_C(0x5555555555555555)) | (bits & UINT64_C(0x5555555555555555)) << 1;
}

static void visit_bucket(const struct table_bucket *bucket, table_visit *visit, void *arg)
{
    for (; bucket; bucket = bucket_child(bucket))
        for (uint32_t map = bucket_map(bucket); map; map &= map - 1)
            visit(arg, bucket->slots[__builtin_ctz(map)]);
}

/* The cursor is a bucket's number, counted up from its highest bit: when the array doubles, what
 * has been seen of a bucket is what has been seen of the two that it becomes; when it halves, a
 * pair of which one half has been seen is seen again. */
static uint64_t next_cursor(uint64_t cursor, uint64_t mask)
{
    return reverse(reverse(cursor | ~mask) + 1);
}

uint64_t table_scan(const struct table *table, uint64_t cursor, table_visit *visit, void *arg)
{
    const struct table_array *small = &table->arrays[0], *large = &table->arrays[1];
    if (!small->buckets)
        return 0;
    if (!large->buckets) {
        visit_bucket(&small->buckets[cursor & small->mask], visit, arg);
        return next_cursor(cursor, small->mask);
    }
    if (small->mask > large->mask) {
        const struct table_array *swap = small;
        small = large;
        large = swap;
    }
    /* One bucket of the small array, and all those of the large one that it corresponds to. */
    visit_bucket(&small->buckets[cursor & small->mask], visit, arg);
    do {
        visit_bucket(&large->buckets[cursor & large->mask], visit, arg);
        cursor = next_cursor(cursor, large->mask);
    } while (cursor & (small->mask ^ large->mask));
    return cursor;
}

static uint32_t bucket_count(const struct table_bucket *bucket)
{
    uint32_t count = 0;
    for (; bucket; bucket = bucket_child(bucket))
        count += (uint32_t)__builtin_popcount(bucket_map(bucket));
    return count;
}

static void *nth_of_bucket(const struct table_bucket *bucket, uint32_t n)
{
    for (;; bucket = bucket_child(bucket)) {
        uint32_t map = bucket_map(bucket), count = (uint32_t)__builtin_popcount(map);
        if (n < count) {
            while (n-- > 0)
                map &= map - 1;
            return bucket->slots[__builtin_ctz(map)];
        }
        n -= count;
    }
}

/* Somewhere, then on to the first bucket that has any. */
static void *pick_any(const struct table *table, struct wf_random *random)
{
    uint64_t buckets = table_buckets(table), index = wf_random_below(random, buckets);
    for (;; index = (index + 1) % buckets) {
        const struct table_bucket *bucket = table_bucket_at(table, index);
        uint32_t count = bucket_count(bucket);
        if (count)
            return nth_of_bucket(bucket, (uint32_t)wf_random_below(random, count));
    }
}

/* A bucket and a number below PICK_MAX, until there is such an entry: all are equally likely. */
void *table_random(const struct table *table, struct wf_random *random)
{
    if (table->count == 0)
        return NULL;
    uint64_t buckets = table_buckets(table) - table->moved;
    for (int i = 0; i < PICK_TRIES; i++) {
        uint64_t index = wf_random_below(random, buckets) + table->moved;
        const struct table_bucket *bucket = table_bucket_at(table, index);
        uint32_t count = bucket_count(bucket), pick = (uint32_t)wf_random_below(random, PICK_MAX);
        if (count > PICK_MAX)
            pick = (uint32_t)wf_random_below(random, count);
        if (pick < count)
            return nth_of_bucket(bucket, pick);
    }
    return pick_any(table, random);
}

void table_iterate_begin(struct table_iterator *iterator, struct table *table)
{
    *iterator = (struct table_iterator){ .table = table, .index = table->moved };
    table->paused++;
}

static bool go_on(struct table_iterator *iterator)
{
    if (iterator->bucket)
        iterator->bucket = bucket_child(iterator->bucket);
    if (!iterator->bucket) {
        if (iterator->index >= table_buckets(iterator->table))
            return false;
        iterator->bucket = table_bucket_at(iterator->table, iterator->index++);
    }
    iterator->left = bucket_map(iterator->bucket);
    return true;
}

void *table_iterate_next(struct table_iterator *iterator)
{
    /* Other entries than the last one may have gone too. */
    while (!iterator->bucket || (iterator->left &= bucket_map(iterator->bucket)) == 0)
        if (!go_on(iterator))
            return NULL;
    int slot = __builtin_ctz(iterator->left);
    iterator->left &= iterator->left - 1;
    return iterator->bucket->slots[slot];
}

void table_iterate_end(struct table_iterator *iterator)
{
    iterator->table->paused--;
}
