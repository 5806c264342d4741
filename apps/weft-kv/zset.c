/* Sorted sets: see zset.h. */

#include "zset.h"

#include "members.h"
#include "memory.h"

#include <errno.h>
#include <string.h>

#define EXACT_MAX 9007199254740992.0 /* 2^53: up to here doubles have every integer */

static struct sorted *sorted_of(const struct entry *entry)
{
    return entry->form == ENTRY_LARGE ? entry_value(entry) : NULL;
}

static struct pack **pack_of(const struct entry *entry)
{
    return (struct pack **)entry_payload((struct entry *)entry);
}

uint64_t zset_count(const struct entry *entry)
{
    const struct sorted *sorted = sorted_of(entry);
    return sorted ? table_count(&sorted->table) : pack_count(*pack_of(entry)) / 2;
}

/* --- in a pack --- */

/* The item of a score; its bytes, if any, are those of *score. Here -0 is 0, as in Redis. */
static struct pack_item score_item(const double *score)
{
    bool whole = *score >= -EXACT_MAX && *score <= EXACT_MAX && *score == (double)(int64_t)*score;
    if (whole)
        return (struct pack_item){ .integer = (int64_t)*score };
    return (struct pack_item){ .data = (const char *)score, .size = sizeof *score };
}

/* The score behind the member at `at`. */
static double score_at(const struct pack *pack, uint32_t at)
{
    struct pack_item item = pack_get(pack, pack_next(pack, at));
    double score;
    if (!item.data)
        return (double)item.integer;
    memcpy(&score, item.data, sizeof score);
    return score;
}

static uint32_t next_pair(const struct pack *pack, uint32_t at)
{
    return pack_next(pack, pack_next(pack, at));
}

static uint32_t find_member(const struct pack *pack, weft_slice member)
{
    struct pack_item item = pack_item_of(member);
    return pack_find(pack, 0, &item, 2);
}

/* The first pair that is not below, and how many are. */
static uint32_t cut(const struct pack *pack, const struct sorted_bound *bound, uint64_t *count)
{
    uint32_t at = pack_first(pack);
    for (*count = 0; at != PACK_END; at = next_pair(pack, at), ++*count) {
        char space[PACK_TEXT_MAX];
        struct pack_item item = pack_get(pack, at);
        if (!sorted_is_below(bound, score_at(pack, at), pack_text(&item, space)))
            break;
    }
    return at;
}

/* `at`: where the member stands now, or PACK_END. The new pair comes first: that may fail. */
static int set_small(struct entry *entry, uint32_t at, weft_slice member, double score)
{
    struct pack **place = pack_of(entry);
    struct sorted_bound bound = { .order = SORTED_WHOLE, .score = score, .member = member };
    struct pack_item items[] = { pack_item_of(member), score_item(&score) };
    uint64_t rank;
    if (at != PACK_END && score_at(*place, at) == score)
        return pack_splice(place, pack_next(*place, at), 1, &items[1], 1);
    uint32_t to = cut(*place, &bound, &rank);
    if (pack_splice(place, to, 0, items, 2) < 0)
        return -ENOMEM;
    if (at == PACK_END)
        return 1;
    uint32_t moved = (uint32_t)(pack_item_size(&items[0]) + pack_item_size(&items[1]));
    pack_delete(place, to <= at ? at + moved : at, 2);
    return 0;
}

/* --- forms --- */

/* From a pack to a skip list, of what the pack of `from` has. */
static int make_sorted(const struct pack *pack, const struct kv_limits *limits,
                       struct sorted **sorted)
{
    struct sorted *made = sorted_create(limits);
    if (!made)
        return -ENOMEM;
    for (uint32_t at = pack_first(pack); at != PACK_END; at = next_pair(pack, at)) {
        char space[PACK_TEXT_MAX];
        struct pack_item item = pack_get(pack, at);
        if (sorted_add(made, pack_text(&item, space), score_at(pack, at)) < 0) {
            sorted_free(made);
            return -ENOMEM;
        }
    }
    *sorted = made;
    return 0;
}

static int enlarge(struct entry *entry, const struct kv_limits *limits)
{
    struct sorted *sorted;
    struct pack *pack = *pack_of(entry);
    if (make_sorted(pack, limits, &sorted) < 0)
        return -ENOMEM;
    kv_free(pack);
    *entry_payload(entry) = sorted;
    entry->form = ENTRY_LARGE;
    return 0;
}

/* --- one member --- */

bool zset_score(const struct entry *entry, weft_slice member, double *score)
{
    const struct sorted *sorted = sorted_of(entry);
    if (sorted) {
        const struct sorted_node *node = sorted_find(sorted, member);
        if (node)
            *score = node->score;
        return node != NULL;
    }
    uint32_t at = find_member(*pack_of(entry), member);
    if (at != PACK_END)
        *score = score_at(*pack_of(entry), at);
    return at != PACK_END;
}

static uint64_t below(const struct entry *entry, const struct sorted_bound *bound)
{
    const struct sorted *sorted = sorted_of(entry);
    uint64_t count;
    if (sorted)
        return sorted_below(sorted, bound);
    cut(*pack_of(entry), bound, &count);
    return count;
}

bool zset_rank(const struct entry *entry, weft_slice member, uint64_t *rank)
{
    struct sorted_bound bound = { .order = SORTED_WHOLE, .member = member };
    if (!zset_score(entry, member, &bound.score))
        return false;
    *rank = below(entry, &bound);
    return true;
}

static int set_large(struct sorted *sorted, weft_slice member, double score)
{
    struct sorted_node *node = sorted_find(sorted, member);
    if (!node)
        return sorted_add(sorted, member, score) < 0 ? -ENOMEM : 1;
    sorted_move(sorted, node, score);
    return 0;
}

int zset_set(struct entry *entry, weft_slice member, double score, const struct kv_limits *limits)
{
    struct sorted *sorted = sorted_of(entry);
    if (sorted)
        return set_large(sorted, member, score);
    uint32_t at = find_member(*pack_of(entry), member);
    bool fits = member.size <= limits->zset_bytes && zset_count(entry) < limits->zset_count;
    if (at != PACK_END || fits)
        return set_small(entry, at, member, score);
    if (enlarge(entry, limits) < 0)
        return -ENOMEM;
    return set_large(sorted_of(entry), member, score);
}

bool zset_remove(struct entry *entry, weft_slice member)
{
    struct sorted *sorted = sorted_of(entry);
    if (sorted) {
        struct sorted_node *node = sorted_find(sorted, member);
        if (node)
            sorted_remove(sorted, node);
        return node != NULL;
    }
    uint32_t at = find_member(*pack_of(entry), member);
    if (at != PACK_END)
        pack_delete(pack_of(entry), at, 2);
    return at != PACK_END;
}

/* --- ranges --- */

void zset_drop(struct entry *entry, uint64_t rank, uint64_t count)
{
    struct sorted *sorted = sorted_of(entry);
    if (count == 0)
        return;
    if (!sorted) {
        struct pack **place = pack_of(entry);
        pack_delete(place, pack_at(*place, (int64_t)rank * 2), (uint32_t)count * 2);
        return;
    }
    struct sorted_node *node = sorted_at(sorted, rank);
    while (count-- > 0) {
        struct sorted_node *next = node->links[0].next;
        sorted_remove(sorted, node);
        node = next;
    }
}

uint64_t zset_below_score(const struct entry *entry, double score, bool or_equal)
{
    struct sorted_bound bound = { SORTED_SCORE, or_equal, score, { NULL, 0 } };
    return below(entry, &bound);
}

uint64_t zset_below_member(const struct entry *entry, weft_slice member, bool or_equal)
{
    struct sorted_bound bound = { SORTED_MEMBER, or_equal, 0, member };
    return below(entry, &bound);
}

bool zset_seek(const struct entry *entry, uint64_t rank, struct zset_cursor *cursor)
{
    const struct sorted *sorted = sorted_of(entry);
    if (rank >= zset_count(entry))
        return false;
    if (sorted)
        *cursor = (struct zset_cursor){ .node = sorted_at(sorted, rank) };
    else
        *cursor = (struct zset_cursor){ .at = pack_at(*pack_of(entry), (int64_t)rank * 2) };
    return true;
}

bool zset_next(const struct entry *entry, struct zset_cursor *cursor)
{
    if (cursor->node) {
        cursor->node = cursor->node->links[0].next;
        return cursor->node != NULL;
    }
    cursor->at = next_pair(*pack_of(entry), cursor->at);
    return cursor->at != PACK_END;
}

bool zset_previous(const struct entry *entry, struct zset_cursor *cursor)
{
    if (cursor->node) {
        cursor->node = cursor->node->back;
        return cursor->node != NULL;
    }
    if (cursor->at == 0)
        return false;
    const struct pack *pack = *pack_of(entry);
    cursor->at = pack_previous(pack, pack_previous(pack, cursor->at));
    return true;
}

struct pack_item zset_read(const struct entry *entry, const struct zset_cursor *cursor,
                           double *score)
{
    if (cursor->node) {
        *score = cursor->node->score;
        return item_of(sorted_member(cursor->node));
    }
    *score = score_at(*pack_of(entry), cursor->at);
    return pack_get(*pack_of(entry), cursor->at);
}

/* --- the rest --- */

struct visitor {
    zset_visit *visit;
    void *arg;
};

static void visit_node(void *arg, void *entry)
{
    const struct visitor *visitor = arg;
    const struct sorted_node *node = entry;
    struct pack_item member = item_of(sorted_member(node));
    visitor->visit(visitor->arg, &member, node->score);
}

uint64_t zset_scan(const struct entry *entry, uint64_t cursor, zset_visit *visit, void *arg)
{
    const struct sorted *sorted = sorted_of(entry);
    struct visitor visitor = { visit, arg };
    if (sorted)
        return table_scan(&sorted->table, cursor, visit_node, &visitor);
    const struct pack *pack = *pack_of(entry);
    for (uint32_t at = pack_first(pack); at != PACK_END; at = next_pair(pack, at)) {
        struct pack_item member = pack_get(pack, at);
        visit(arg, &member, score_at(pack, at));
    }
    return 0;
}

const char *zset_encoding(const struct entry *entry)
{
    return entry->form == ENTRY_LARGE ? "skiplist" : "listpack";
}

int zset_copy(const struct entry *entry, struct entry *copy, const struct kv_limits *limits)
{
    const struct sorted *from = sorted_of(entry);
    if (!from)
        return pack_copy(*pack_of(entry), pack_of(copy));
    if (enlarge(copy, limits) < 0)
        return -ENOMEM;
    const struct sorted_node *node = from->head->links[0].next;
    for (; node; node = node->links[0].next)
        if (sorted_add(sorted_of(copy), sorted_member(node), node->score) < 0)
            return -ENOMEM;
    return 0;
}
