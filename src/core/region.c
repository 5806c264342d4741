#include "core/region.h"

#include "core/scope.h"

static struct wf_region *first_member(const struct wf_region *region)
{
    if (region->kind != WF_REGION_SCOPE)
        return NULL;
    struct wf_list *link = wf_list_first(&wf_scope_of_region(region)->members);
    return link ? &wf_container(link, struct wf_member, link)->region : NULL;
}

static struct wf_region *first_child(const struct wf_region *region)
{
    return region->inner ? region->inner : first_member(region);
}

/* The child of region->outer that comes after it: first the inner scope, then the members. */
static struct wf_region *next_sibling(const struct wf_region *region)
{
    if (region->kind == WF_REGION_SCOPE)
        return first_member(region->outer);
    const struct wf_member *member = wf_container(region, struct wf_member, region);
    struct wf_list *next = member->link.next;
    if (next == &wf_scope_of_region(region->outer)->members)
        return NULL;
    return &wf_container(next, struct wf_member, link)->region;
}

/* Depth first, without recursion: the tree may be as deep as the user's program. */
static struct wf_region *next_in_tree(const struct wf_region *root, struct wf_region *region,
                                      bool descend)
{
    struct wf_region *next = descend ? first_child(region) : NULL;
    while (!next && region != root) {
        next = next_sibling(region);
        region = region->outer;
    }
    return next;
}

struct wf_region *wf_region_next(const struct wf_region *root, struct wf_region *region)
{
    return next_in_tree(root, region, true);
}

/* Mark one region; tells its task when that is where the task's code is. */
static void take_effect(struct wf_region *region)
{
    region->effective = true;
    struct wf_member *member = region->inner ? NULL : wf_region_member(region);
    if (member)
        member->ops->cancelled(member);
}

/* `through`: shields fall. */
static void push_down(struct wf_region *root, bool through)
{
    struct wf_region *region = root;
    while (region) {
        if (through) {
            region->pierced = true;
            region->shield = region->shield && region == root;
        }
        bool reached = region == root || !region->shield;
        bool fresh = reached && !region->effective;
        if (fresh)
            take_effect(region);
        region = next_in_tree(root, region, fresh || through);
    }
}

void wf_region_cancel(struct wf_region *region, const char *why)
{
    if (region->cancelled)
        return;
    region->cancelled = true;
    region->why = why;
    push_down(region, false);
}

void wf_region_pierce(struct wf_region *region, const char *why)
{
    if (!region->cancelled)
        region->why = why;
    region->cancelled = true;
    push_down(region, true);
}

/* The outermost cancelled region whose cancel reaches `region`. */
static struct wf_region *outermost_cancelled(struct wf_region *region)
{
    struct wf_region *found = NULL;
    for (struct wf_region *r = region; r; r = r->shield ? NULL : r->outer)
        if (r->cancelled)
            found = r;
    return found;
}

void wf_region_tell(struct wf_region *region)
{
    struct wf_region *last = outermost_cancelled(region);
    for (struct wf_region *r = last ? region : NULL; r; r = r == last ? NULL : r->outer)
        if (r->kind == WF_REGION_SCOPE)
            wf_scope_told(wf_scope_of_region(r), r->cancelled);
}

const char *wf_region_why(const struct wf_region *region)
{
    for (const struct wf_region *r = region; r; r = r->outer) {
        if (r->cancelled)
            return r->why ? r->why : "no reason given";
    }
    return "not cancelled";
}

bool wf_region_descends(const struct wf_region *region, const struct wf_region *ancestor)
{
    while (region && region != ancestor)
        region = region->outer;
    return region != NULL;
}
