/* Sets of integers: see intset.h. */

#include "intset.h"

#include "memory.h"

#include <errno.h>
#include <string.h>

static uint32_t width_of(int64_t value)
{
    return value >= INT16_MIN && value <= INT16_MAX   ? 2
           : value >= INT32_MIN && value <= INT32_MAX ? 4
                                                      : 8;
}

static int64_t read_at(const struct intset *set, uint32_t index)
{
    const uint8_t *at = set->data + (size_t)index * set->width;
    int16_t two;
    int32_t four;
    int64_t eight;
    switch (set->width) {
    case 2:
        memcpy(&two, at, sizeof two);
        return two;
    case 4:
        memcpy(&four, at, sizeof four);
        return four;
    default:
        memcpy(&eight, at, sizeof eight);
        return eight;
    }
}

static void write_at(struct intset *set, uint32_t index, int64_t value)
{
    uint8_t *at = set->data + (size_t)index * set->width;
    int16_t two = (int16_t)value;
    int32_t four = (int32_t)value;
    if (set->width == 2)
        memcpy(at, &two, sizeof two);
    else if (set->width == 4)
        memcpy(at, &four, sizeof four);
    else
        memcpy(at, &value, sizeof value);
}

/* How many are less. */
static uint32_t rank_of(const struct intset *set, int64_t value)
{
    uint32_t low = 0, high = intset_count(set);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (read_at(set, middle) < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct intset *set, uint32_t rank, int64_t value)
{
    return rank < intset_count(set) && read_at(set, rank) == value;
}

bool intset_has(const struct intset *set, int64_t value)
{
    return is_at(set, rank_of(set, value), value);
}

int64_t intset_at(const struct intset *set, uint32_t index)
{
    return read_at(set, index);
}

/* Room for one more, in integers of this width. From the end, a wider one overwrites none that is
 * still to be read. */
static int reserve(struct intset **place, uint32_t width)
{
    struct intset *set = *place;
    uint32_t count = intset_count(set);
    size_t size = sizeof *set + (count + (size_t)1) * width;
    if (size > kv_size(set)) {
        set = kv_grow(set, size + count / 8 * (size_t)width);
        if (!set)
            return -ENOMEM;
        if (!*place)
            *set = (struct intset){ .count = 0, .width = width };
        *place = set;
    }
    uint32_t old = set->width;
    for (uint32_t i = old < width ? count : 0; i-- > 0;) {
        set->width = old;
        int64_t value = read_at(set, i);
        set->width = width;
        write_at(set, i, value);
    }
    set->width = width;
    return 0;
}

int intset_add(struct intset **place, int64_t value)
{
    uint32_t rank = rank_of(*place, value), width = width_of(value);
    if (is_at(*place, rank, value))
        return 0;
    if (*place && width < (*place)->width)
        width = (*place)->width;
    if (reserve(place, width) < 0)
        return -ENOMEM;
    struct intset *set = *place;
    uint8_t *at = set->data + (size_t)rank * width;
    memmove(at + width, at, (size_t)(set->count - rank) * width);
    set->count++;
    write_at(set, rank, value);
    return 1;
}

bool intset_remove(struct intset **place, int64_t value)
{
    struct intset *set = *place;
    uint32_t rank = rank_of(set, value);
    if (!is_at(set, rank, value))
        return false;
    uint8_t *at = set->data + (size_t)rank * set->width;
    set->count--;
    memmove(at, at + set->width, (size_t)(set->count - rank) * set->width);
    size_t size = sizeof *set + (size_t)set->count * set->width;
    if (size * 2 < kv_size(set) && kv_size(set) > 64)
        *place = kv_shrink(set, size);
    return true;
}

int intset_copy(const struct intset *set, struct intset **copy)
{
    struct intset *made = NULL;
    if (set) {
        size_t size = sizeof *set + (size_t)set->count * set->width;
        made = kv_alloc(size);
        if (!made)
            return -ENOMEM;
        memcpy(made, set, size);
    }
    *copy = made;
    return 0;
}
