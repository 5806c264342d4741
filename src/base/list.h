#ifndef WF_BASE_LIST_H
#define WF_BASE_LIST_H

/* An intrusive, circular, doubly linked list.
 *
 *      head <-> first <-> ... <-> last <-> head
 *
 * The head and the links are the same type: a `struct wf_list` inside an object is its place in
 * one list, a `struct wf_list` on its own is a list. An empty list points at itself, and so does
 * a link that is in no list (after wf_list_init or wf_list_remove_init); wf_list_is_empty answers
 * for both. wf_list_remove leaves NULL behind instead, so that using a dead link faults at once.
 *
 * Every operation is a few stores, with no branch and no memory of its own. */

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

struct wf_list {
    struct wf_list *next;
    struct wf_list *previous;
};

static inline void wf_list_init(struct wf_list *list)
{
    list->next = list;
    list->previous = list;
}

static inline bool wf_list_is_empty(const struct wf_list *list)
{
    return list->next == list;
}

/* Put `link` between two neighbours. */
static inline void wf_list_link(struct wf_list *previous, struct wf_list *link,
                                struct wf_list *next)
{
    link->previous = previous;
    link->next = next;
    previous->next = link;
    next->previous = link;
}

static inline void wf_list_push_front(struct wf_list *list, struct wf_list *link)
{
    wf_list_link(list, link, list->next);
}

static inline void wf_list_push_back(struct wf_list *list, struct wf_list *link)
{
    wf_list_link(list->previous, link, list);
}

static inline void wf_list_unlink(struct wf_list *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

/* Take `link` out of its list, for good: it must be initialised or pushed before its next use. */
static inline void wf_list_remove(struct wf_list *link)
{
    wf_list_unlink(link);
    link->next = NULL;
    link->previous = NULL;
}

/* Take `link` out of its list; removing it again is harmless. */
static inline void wf_list_remove_init(struct wf_list *link)
{
    wf_list_unlink(link);
    wf_list_init(link);
}

/* The first link, or NULL when the list is empty. */
static inline struct wf_list *wf_list_first(const struct wf_list *list)
{
    return wf_list_is_empty(list) ? NULL : list->next;
}

/* The last link, or NULL when the list is empty. */
static inline struct wf_list *wf_list_last(const struct wf_list *list)
{
    return wf_list_is_empty(list) ? NULL : list->previous;
}

/* Take the first link out and return it, or NULL when the list is empty. */
static inline struct wf_list *wf_list_pop_front(struct wf_list *list)
{
    struct wf_list *link = wf_list_first(list);
    if (link)
        wf_list_remove_init(link);
    return link;
}

/* Move all of `source` to the end of `target`, in order; `source` is empty afterwards. */
static inline void wf_list_splice(struct wf_list *target, struct wf_list *source)
{
    if (wf_list_is_empty(source))
        return;
    source->next->previous = target->previous;
    target->previous->next = source->next;
    source->previous->next = target;
    target->previous = source->previous;
    wf_list_init(source);
}

/* Visit each link in order; the body must not take `link` out. */
#define WF_LIST_EACH(link, list)                                                                   \
    for (struct wf_list *link = (list)->next; link != (list); link = link->next)

/* Visit each link in order; the body may take `link` out, and only `link`. */
#define WF_LIST_EACH_SAFE(link, list)                                                              \
    for (struct wf_list *link = (list)->next, *link##_next = link->next; link != (list);           \
         link = link##_next, link##_next = link->next)

#endif
