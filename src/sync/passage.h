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
#include "sync/objects.h"

#include <limits.h>

enum wf_order { WF_ORDER_FIFO, WF_ORDER_LIFO, WF_ORDER_PRIORITY };

struct wf_passage {
    struct wf_bound bound;
    char *items; /* room for `room` of them, `slot` bytes apart; NULL: none yet */
    size_t item_size;
    size_t slot; /* item_size, and 8 bytes for its number in a heap */
    size_t capacity;
    size_t room;  /* capacity, or for one without bound a power of two */
    size_t ring;  /* room, where it is no heap */
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

#define WF_PASSAGE_WAIT INT_MAX /* what giving and taking answer where they would have to wait */

/* What those below call when it is not as usual. */
int wf_passage_give_slowly(struct wf_passage *passage, const void *item);
int wf_passage_take_slowly(struct wf_passage *passage, void *item);

/* In the words of a dump: `what` is "room in" or "an item of". */
const char *wf_passage_describe(const struct wf_passage *passage, const char *what, char *text,
                                size_t size);

static inline char *wf_passage_at(const struct wf_passage *passage, size_t place)
{
    size_t index = passage->first + place;
    return passage->items + (index < passage->room ? index : index - passage->room) * passage->slot;
}

/* It has what it came for. What most wait for is a task: that goes without a call. */
static inline void wf_passage_serve(struct wf_passage *passage, struct wf_line *line,
                                    struct wf_waiter *w)
{
    wf_list_unlink(&w->link);
    line->length--;
    passage->passed++;
    if (WF_UNLIKELY(w->wake != wf_wake_task_next)) {
        wf_wake(w, 0);
        return;
    }
    weft_task *task = w->owner;
    w->state = WF_WAIT_DONE;
    w->result = 0;
    if (WF_LIKELY(task->parked == w))
        wf_hand_over(task);
}

/* Give an item without waiting: 0, an error, or WF_PASSAGE_WAIT. */
static WF_ALWAYS_INLINE int wf_passage_give(struct wf_passage *passage, const void *item)
{
    const weft_loop *loop = wf_running;
    if (WF_UNLIKELY(!loop || passage->bound.thread != loop->thread || passage->closed))
        return wf_passage_give_slowly(passage, item);
    if (!wf_line_is_empty(&passage->takers)) {
        struct wf_waiter *taker = wf_line_first(&passage->takers);
        wf_item_copy(taker->item, item, passage->item_size);
        wf_passage_serve(passage, &passage->takers, taker);
        return 0;
    }
    if (passage->count == passage->capacity)
        return WF_PASSAGE_WAIT;
    if (WF_UNLIKELY(passage->count >= passage->ring))
        return wf_passage_give_slowly(passage, item);
    wf_item_copy(wf_passage_at(passage, passage->count), item, passage->item_size);
    if (++passage->count > passage->most)
        passage->most = passage->count;
    return 0;
}

/* Take an item without waiting: likewise. */
static WF_ALWAYS_INLINE int wf_passage_take(struct wf_passage *passage, void *item)
{
    const weft_loop *loop = wf_running;
    if (WF_UNLIKELY(!loop || passage->bound.thread != loop->thread))
        return wf_passage_take_slowly(passage, item);
    bool has_givers = !wf_line_is_empty(&passage->givers);
    if (passage->count == 0 && has_givers) {
        struct wf_waiter *giver = wf_line_first(&passage->givers);
        wf_item_copy(item, giver->item, passage->item_size);
        wf_passage_serve(passage, &passage->givers, giver);
        return 0;
    }
    if (passage->count == 0 && !passage->closed)
        return WF_PASSAGE_WAIT;
    if (WF_UNLIKELY(passage->count == 0 || passage->order != WF_ORDER_FIFO || has_givers))
        return wf_passage_take_slowly(passage, item);
    wf_item_copy(item, wf_passage_at(passage, 0), passage->item_size);
    if (++passage->first == passage->room)
        passage->first = 0;
    passage->count--;
    passage->passed++;
    return 0;
}

/* The same as a waiter's ops have it. */
static inline bool wf_passage_is_given(struct wf_passage *passage, const void *item,
                                       int64_t *result)
{
    int given = wf_passage_give(passage, item);
    *result = given;
    return given != WF_PASSAGE_WAIT;
}

static inline bool wf_passage_is_taken(struct wf_passage *passage, void *item, int64_t *result)
{
    int taken = wf_passage_take(passage, item);
    *result = taken;
    return taken != WF_PASSAGE_WAIT;
}

/* Stand in one of its lines until somebody serves the current task. Both sides come here by a jump
 * and park at one place: the processor predicts the first return after a switch, not the second. */
int wf_passage_wait(void *object, struct wf_line *line, const struct wf_wait_ops *ops, void *item);

#endif
