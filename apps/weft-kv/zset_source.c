/* What several sorted sets are read by: see zset_source.h. */

#include "weft-kv/zset_source.h"

#include <math.h>

static double weighed(const struct zset_source *source, double score)
{
    double product = source->weight * score;
    return isnan(product) ? 0 : product; /* infinite, times 0 */
}

uint64_t zset_source_count(const struct zset_source *source)
{
    return source->entry ? entry_count(source->entry) : 0;
}

bool zset_source_score(const struct zset_source *source, weft_slice member, double *score)
{
    bool has = false;
    *score = 1;
    if (source->entry)
        has = source->entry->type == ENTRY_SET ? set_has(source->entry, member)
                                               : zset_score(source->entry, member, score);
    *score = weighed(source, *score);
    return has;
}

void zset_walk_begin(struct zset_walk *walk, const struct zset_source *source)
{
    *walk = (struct zset_walk){ .source = source };
    walk->of_set = source->entry && source->entry->type == ENTRY_SET;
    if (walk->of_set)
        set_iterate_begin(&walk->iterator, source->entry);
    else
        walk->more = source->entry && zset_seek(source->entry, 0, &walk->cursor);
}

bool zset_walk_next(struct zset_walk *walk, struct pack_item *member, double *score)
{
    const struct entry *entry = walk->source->entry;
    *score = 1;
    if (walk->of_set) {
        if (!set_iterate_next(&walk->iterator, member))
            return false;
    } else {
        if (!walk->more)
            return false;
        *member = zset_read(entry, &walk->cursor, score);
        walk->more = zset_next(entry, &walk->cursor);
    }
    *score = weighed(walk->source, *score);
    return true;
}

void zset_walk_end(struct zset_walk *walk)
{
    if (walk->of_set)
        set_iterate_end(&walk->iterator);
}
