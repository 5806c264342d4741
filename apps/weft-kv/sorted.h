#ifndef KV_SORTED_H
#define KV_SORTED_H

/* What a large sorted set points at: a skip list in the order of (score, member), and a table by
 * member; a node is in both.
 *
 *      level 2   head ------------------------> node ---- 2 --->     spans: how many nodes on
 *      level 1   head ---- 2 ----> node --- 1 -> node -- 1 -> node -> NULL
 *
 * A quarter of the nodes of a level are in the next one too: the hash of the member decides, whose
 * seed nobody knows. Finding, adding, removing, and ranks cost O(log n). */

#include "entry.h"
#include "table.h"

#define SORTED_LEVELS_MAX 21

struct sorted_node;

struct sorted_link {
    struct sorted_node *next;
    uint64_t span; /* steps on level 1; to the end where next is NULL */
};

struct sorted_node {
    double score;
    struct sorted_node *back; /* NULL of the first */
    uint32_t size;            /* of the member, which is behind the links */
    uint32_t levels;
    struct sorted_link links[];
};

struct sorted {
    struct remains remains;
    struct table table;
    struct sorted_node *head; /* a node with all levels, in front of the first */
    struct sorted_node *last; /* NULL: none */
};

/* What an order is cut by: what is below, or, with or_equal, not above. */
enum sorted_order {
    SORTED_WHOLE,  /* score, then member */
    SORTED_SCORE,  /* the score alone */
    SORTED_MEMBER, /* the member alone: where all scores are equal */
};

struct sorted_bound {
    enum sorted_order order;
    bool or_equal;
    double score;
    weft_slice member;
};

bool sorted_is_below(const struct sorted_bound *bound, double score, weft_slice member);

weft_slice sorted_member(const void *node);

/* Empty; or NULL. */
struct sorted *sorted_create(const struct kv_limits *limits);

/* Accepts NULL. */
void sorted_free(struct sorted *sorted);

struct sorted_node *sorted_find(const struct sorted *sorted, weft_slice member);

/* A member that is not there yet. 0, or -ENOMEM. */
int sorted_add(struct sorted *sorted, weft_slice member, double score);

/* Another score for this node. */
void sorted_move(struct sorted *sorted, struct sorted_node *node, double score);

/* Take it out and free it. */
void sorted_remove(struct sorted *sorted, struct sorted_node *node);

/* How many are below the bound. */
uint64_t sorted_below(const struct sorted *sorted, const struct sorted_bound *bound);

/* The node of this rank, which is less than the count. */
struct sorted_node *sorted_at(const struct sorted *sorted, uint64_t rank);

#endif
