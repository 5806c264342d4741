#ifndef WF_CORE_REGION_H
#define WF_CORE_REGION_H

/* The tree along which cancellation flows.
 *
 * Each task has a region of its own, and each scope that is open in it adds one inside:
 *
 *     scope A ──member──> task T's region ──inner──> scope B ──inner──> scope C
 *                                                      └──member──> task U's region
 *
 * `cancelled` is a statement about the region itself; `effective` is what its code feels: itself or
 * anything around it, up to a shield, is cancelled. The flag is pushed down when something is
 * cancelled, so a suspending call asks one question: is my task's innermost region effective?
 * Cancelled regions stay cancelled until they end; that is what level-triggered means.
 *
 * Telling: when -ECANCELED is handed to somebody, every region from there outward to the one that
 * was cancelled learns it, because a scope's verdict depends on whether anybody was told. */

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct wf_member;

enum wf_region_kind { WF_REGION_MEMBER, WF_REGION_SCOPE };

struct wf_region {
    struct wf_region *outer; /* what it inherits from; NULL: nothing */
    struct wf_region *inner; /* the scope opened directly inside, in the same task */
    const char *why;         /* of the first cancel */
    uint8_t kind;
    bool shield;       /* what is around does not reach inside */
    bool pierced;      /* no shield inside holds, not even one that is put up later */
    bool cancelled;    /* asked to end */
    uint8_t effective; /* its code is to end: 0 or 1; a byte of a dead frame until that is found */
};

struct wf_member_ops {
    const char *(*name)(const struct wf_member *member);
    /* Its innermost region has just become effective. */
    void (*cancelled)(struct wf_member *member);
    /* The loop ends without it. NULL: that is nothing to it. */
    void (*abandon)(struct wf_member *member);
};

/* What a scope holds: a task, a stackless one, a parked connection, a server. */
struct wf_member {
    struct wf_list link; /* in the scope's members */
    const struct wf_member_ops *ops;
    struct wf_region region;
};

/* Whose code runs in it; NULL for a loop's background. */
static inline struct wf_member *wf_region_member(const struct wf_region *region)
{
    while (region && region->kind == WF_REGION_SCOPE)
        region = region->outer;
    return region ? wf_container(region, struct wf_member, region) : NULL;
}

/* A region inside `outer` (NULL: a root). */
static inline void wf_region_init(struct wf_region *region, struct wf_region *outer,
                                  enum wf_region_kind kind, bool shield)
{
    *region = (struct wf_region){
        .outer = outer,
        .kind = (uint8_t)kind,
        .shield = shield && !(outer && outer->pierced),
        .pierced = outer && outer->pierced,
    };
    region->effective = outer && outer->effective && !region->shield;
}

/* Cancel it and everything inside, shields excepted. Again: nothing. */
void wf_region_cancel(struct wf_region *region, const char *why);

/* The same through all shields, which shield no more. */
void wf_region_pierce(struct wf_region *region, const char *why);

/* The next one inside `root`, depth first; NULL after the last. Begin with root itself. */
struct wf_region *wf_region_next(const struct wf_region *root, struct wf_region *region);

/* -ECANCELED is being handed to the code in `region`: let the scopes from there outward know. */
void wf_region_tell(struct wf_region *region);

/* Why it is effective: the text of the nearest cancelled region around it; never NULL. */
const char *wf_region_why(const struct wf_region *region);

/* Whether `region` is `ancestor` or lies inside it. */
bool wf_region_descends(const struct wf_region *region, const struct wf_region *ancestor);

static inline bool wf_region_is_inside(const struct wf_region *region,
                                       const struct wf_region *ancestor)
{
    return region == ancestor || wf_region_descends(region, ancestor);
}

#endif
