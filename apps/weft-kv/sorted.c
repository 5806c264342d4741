/* Large sorted sets: see sorted.h. */

#include "sorted.h"

#include "base/compiler.h"
#include "memory.h"

#include <errno.h>
#include <string.h>

/* On each level the last node in front of some place, and how many nodes are in front of that one,
 * itself included. */
struct path {
    struct sorted_node *before[SORTED_LEVELS_MAX];
    uint64_t rank[SORTED_LEVELS_MAX];
};

weft_slice sorted_member(const void *entry)
{
    const struct sorted_node *node = entry;
    return (weft_slice){ (const char *)&node->links[node->levels], node->size };
}

static int compare(weft_slice a, weft_slice b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

bool sorted_is_below(const struct sorted_bound *bound, double score, weft_slice member)
{
    if (bound->order != SORTED_MEMBER && score < bound->score)
        return true;
    if (bound->order != SORTED_MEMBER && score > bound->score)
        return false;
    int order = bound->order == SORTED_SCORE ? 0 : compare(member, bound->member);
    return order < 0 || (order == 0 && bound->or_equal);
}

/* --- beginning and end --- */

static struct sorted_node *create_node(weft_slice member, double score, uint32_t levels)
{
    if (member.size > UINT32_MAX)
        return NULL;
    size_t links = levels * sizeof(struct sorted_link);
    struct sorted_node *node = kv_alloc(sizeof *node + links + member.size);
    if (!node)
        return NULL;
    *node = (struct sorted_node){ .score = score, .size = (uint32_t)member.size, .levels = levels };
    memset(node->links, 0, links);
    if (member.size)
        memcpy(&node->links[levels], member.data, member.size);
    return node;
}

static bool sorted_free_some(struct remains *remains, uint64_t *steps)
{
    struct sorted *sorted = wf_container(remains, struct sorted, remains);
    void *node;
    while ((node = table_take(&sorted->table, steps)) != NULL)
        kv_free(node);
    if (!table_is_gone(&sorted->table))
        return false;
    kv_free(sorted->head);
    kv_free(sorted);
    return true;
}

struct sorted *sorted_create(const struct kv_limits *limits)
{
    struct sorted *sorted = kv_alloc_zero(sizeof *sorted);
    if (!sorted)
        return NULL;
    sorted->remains.free_some = sorted_free_some;
    table_init(&sorted->table, sorted_member, limits->seed);
    sorted->head = create_node((weft_slice){ NULL, 0 }, 0, SORTED_LEVELS_MAX);
    if (!sorted->head) {
        kv_free(sorted);
        return NULL;
    }
    return sorted;
}

void sorted_free(struct sorted *sorted)
{
    if (!sorted)
        return;
    table_fini(&sorted->table, kv_free);
    kv_free(sorted->head);
    kv_free(sorted);
}

/* --- places --- */

/* Levels that the head has no next on are skipped soon. Returns how many are below. */
static uint64_t descend(const struct sorted *sorted, const struct sorted_bound *bound,
                        struct path *path)
{
    struct sorted_node *node = sorted->head;
    uint64_t rank = 0;
    for (int level = SORTED_LEVELS_MAX - 1; level >= 0; level--) {
        struct sorted_link *link = &node->links[level];
        while (link->next && sorted_is_below(bound, link->next->score, sorted_member(link->next))) {
            rank += link->span;
            node = link->next;
            link = &node->links[level];
        }
        if (path) {
            path->before[level] = node;
            path->rank[level] = rank;
        }
    }
    return rank;
}

uint64_t sorted_below(const struct sorted *sorted, const struct sorted_bound *bound)
{
    return descend(sorted, bound, NULL);
}

struct sorted_node *sorted_at(const struct sorted *sorted, uint64_t rank)
{
    struct sorted_node *node = sorted->head;
    uint64_t left = rank + 1;
    for (int level = SORTED_LEVELS_MAX - 1; level >= 0; level--)
        while (node->links[level].next && node->links[level].span <= left) {
            left -= node->links[level].span;
            node = node->links[level].next;
        }
    return node;
}

struct sorted_node *sorted_find(const struct sorted *sorted, weft_slice member)
{
    void **place = table_find(&sorted->table, member);
    return place ? *place : NULL;
}

/* --- changes --- */

static struct sorted_bound bound_of(const struct sorted_node *node)
{
    return (struct sorted_bound){ .order = SORTED_WHOLE,
                                  .score = node->score,
                                  .member = sorted_member(node) };
}

static void link_node(struct sorted *sorted, struct sorted_node *node)
{
    struct path path;
    struct sorted_bound bound = bound_of(node);
    uint64_t rank = descend(sorted, &bound, &path);
    for (uint32_t level = 0; level < SORTED_LEVELS_MAX; level++) {
        struct sorted_link *before = &path.before[level]->links[level];
        if (level >= node->levels) {
            before->span++;
            continue;
        }
        uint64_t steps = rank - path.rank[level];
        node->links[level] = (struct sorted_link){ before->next, before->span - steps };
        *before = (struct sorted_link){ node, steps + 1 };
    }
    node->back = path.before[0] == sorted->head ? NULL : path.before[0];
    if (node->links[0].next)
        node->links[0].next->back = node;
    else
        sorted->last = node;
}

static void unlink_node(struct sorted *sorted, struct sorted_node *node)
{
    struct path path;
    struct sorted_bound bound = bound_of(node);
    descend(sorted, &bound, &path);
    for (uint32_t level = 0; level < SORTED_LEVELS_MAX; level++) {
        struct sorted_link *before = &path.before[level]->links[level];
        if (before->next == node)
            *before = (struct sorted_link){ node->links[level].next,
                                            before->span + node->links[level].span };
        before->span--;
    }
    if (node->links[0].next)
        node->links[0].next->back = node->back;
    else
        sorted->last = node->back;
}

static uint32_t levels_of(uint64_t hash)
{
    return 1 + (uint32_t)__builtin_ctzll(hash >> 16 | UINT64_C(1) << 40) / 2;
}

int sorted_add(struct sorted *sorted, weft_slice member, double score)
{
    uint64_t hash = table_hash(&sorted->table, member);
    struct sorted_node *node = create_node(member, score, levels_of(hash));
    if (!node)
        return -ENOMEM;
    if (table_insert_hashed(&sorted->table, node, hash) < 0) {
        kv_free(node);
        return -ENOMEM;
    }
    link_node(sorted, node);
    return 0;
}

/* Whether the node would stand where it does with this score too. */
static bool stays(const struct sorted_node *node, double score)
{
    struct sorted_bound bound = { .order = SORTED_WHOLE,
                                  .score = score,
                                  .member = sorted_member(node) };
    const struct sorted_node *back = node->back, *next = node->links[0].next;
    return (!back || sorted_is_below(&bound, back->score, sorted_member(back))) &&
           (!next || !sorted_is_below(&bound, next->score, sorted_member(next)));
}

void sorted_move(struct sorted *sorted, struct sorted_node *node, double score)
{
    if (stays(node, score)) {
        node->score = score;
        return;
    }
    unlink_node(sorted, node);
    node->score = score;
    link_node(sorted, node);
}

void sorted_remove(struct sorted *sorted, struct sorted_node *node)
{
    unlink_node(sorted, node);
    table_remove(&sorted->table, sorted_member(node));
    kv_free(node);
}
