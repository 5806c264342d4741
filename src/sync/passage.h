#ifndef WF_SYNC_PASSAGE_H
#define WF_SYNC_PASSAGE_H

/* Where items go from those who give to those who take: what channels and queues are made of.
 *
 *     givers ──> [ items, at most `capacity` ] ──> takers
 *       line            a ring or a heap             line
 *
 * An item is `item_size` bytes, copied once where somebody waits for it, twice where it lies here
 * in between. A waiter's `item` is where it is copied from or to, in the frame that waits.
 *
 *   - givers wait only while it is full, takers only while it is empty: so nobody overtakes
 *   - capacity 0: items pass from a giver to a taker who are both there
 *   - closed: nobody waits to give; nobody waits to take */

#include "core/line.h"
#include "sync/bound.h"

#include <string.h>

enum wf_order { WF_ORDER_FIFO, WF_ORDER_LIFO, WF_ORDER_PRIORITY };

struct wf_passage {
    struct wf_bound bound;
    char *items; /* room for `room` of them, `slot` bytes apart; NULL: none yet */
    size_t item_size;
    size_t slot; /* item_size, and 8 bytes for its number in a heap */
    size_t capacity;
    size_t room;  /* capacity, or for one without bound a power of two */
    size_t count; /* items that are here */
    size_t first; /* the oldest one's slot, in a ring */
    size_t most;  /* items that were here at once */
    uint64_t passed;
    uint8_t order; /* enum wf_order */
    bool closed;
    const char *kind; /* "channel", "queue" */
    int (*compare)(const void *a, const void *b);
    void (*drop)(void *item);
    struct wf_line givers;
    struct wf_line takers;
};

/* The options have been looked at. 0 or -ENOMEM: then it holds nothing. */
int wf_passage_init(struct wf_passage *passage, const char *site);

/* Drop what is here, and free. Aborts when somebody waits. */
void wf_passage_fini(struct wf_passage *passage);

/* From now on nobody gives; those who wait are told WEFT_ECLOSED. */
void wf_passage_close(struct wf_passage *passage);

/* Drop what is here. */
void wf_passage_clear(struct wf_passage *passage);

/* What those below call when an item cannot pass at once: true with the result, or false. */
bool wf_passage_give_slowly(struct wf_passage *passage, const void *item, int64_t *result);
bool wf_passage_take_slowly(struct wf_passage *passage, void *item, int64_t *result);

/* In the words of a dump: `what` is "room in" or "an item of". */
const char *wf_passage_describe(const struct wf_passage *passage, const char *what, char *text,
                                size_t size);

static inline void wf_passage_copy(void *to, const void *from, size_t size)
{
    if (WF_LIKELY(size == sizeof(uint64_t)))
        memcpy(to, from, sizeof(uint64_t));
    else
        memcpy(to, from, size);
}

static inline char *wf_passage_at(const struct wf_passage *passage, size_t place)
{
    size_t index = passage->first + place;
    return passage->items + (index < passage->room ? index : index - passage->room) * passage->slot;
}

/* Give an item without waiting. */
static inline bool wf_passage_give(struct wf_passage *passage, const void *item, int64_t *result)
{
    if (WF_UNLIKELY(passage->closed || !wf_line_is_empty(&passage->takers) ||
                    passage->count >= passage->room || passage->order == WF_ORDER_PRIORITY ||
                    wf_bound_check(&passage->bound, passage->kind) < 0))
        return wf_passage_give_slowly(passage, item, result);
    wf_passage_copy(wf_passage_at(passage, passage->count), item, passage->item_size);
    if (++passage->count > passage->most)
        passage->most = passage->count;
    *result = 0;
    return true;
}

/* Take an item without waiting. */
static inline bool wf_passage_take(struct wf_passage *passage, void *item, int64_t *result)
{
    if (WF_UNLIKELY(passage->count == 0 || passage->order != WF_ORDER_FIFO ||
                    !wf_line_is_empty(&passage->givers) ||
                    wf_bound_check(&passage->bound, passage->kind) < 0))
        return wf_passage_take_slowly(passage, item, result);
    wf_passage_copy(item, wf_passage_at(passage, 0), passage->item_size);
    if (++passage->first == passage->room)
        passage->first = 0;
    passage->count--;
    passage->passed++;
    *result = 0;
    return true;
}

/* Stand in one of its lines until somebody serves the current task. */
static inline int wf_passage_wait(void *object, struct wf_line *line, const struct wf_wait_ops *ops,
                                  void *item)
{
    struct wf_waiter w;
    wf_waiter_arm(&w, ops, object);
    w.wake = wf_wake_task_next;
    w.item = item;
    wf_line_join(line, &w);
    return (int)wf_park(&w);
}

#endif
