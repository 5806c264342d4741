#include "sync/passage.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <weft/error.h>

#define ROOM_MIN 16 /* of one without bound */

/* Room. */

static int no_memory(const struct wf_passage *passage, size_t items)
{
    return wf_fail(-ENOMEM, "no memory for a %s of %zu items", passage->kind, items);
}

static int reserve(struct wf_passage *passage, size_t room)
{
    if (room > SIZE_MAX / 2 / passage->slot)
        return -ENOMEM;
    char *items = wf_alloc(room * passage->slot);
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < passage->count; i++)
        memcpy(items + i * passage->slot, wf_passage_at(passage, i), passage->slot);
    wf_free(passage->items);
    passage->items = items;
    passage->room = room;
    passage->ring = passage->order == WF_ORDER_PRIORITY ? 0 : room;
    passage->first = 0;
    return 0;
}

static int grow(struct wf_passage *passage)
{
    int err = reserve(passage, passage->room ? passage->room * 2 : ROOM_MIN);
    return err < 0 ? no_memory(passage, passage->count) : 0;
}

/* The number behind an item in a heap must not spoil the alignment of the next one. */
static size_t slot_of(const struct wf_passage *passage)
{
    size_t size = passage->item_size;
    if (passage->order != WF_ORDER_PRIORITY)
        return size > 0 ? size : 1;
    size_t unit = size % 16 == 0 ? 16 : sizeof(uint64_t);
    return (size + unit - 1) / unit * unit + unit;
}

int wf_passage_init(struct wf_passage *passage, const char *site)
{
    wf_bound_init(&passage->bound, site);
    if (passage->item_size > SIZE_MAX / 2)
        return no_memory(passage, passage->capacity);
    passage->slot = slot_of(passage);
    if (passage->capacity == 0 || passage->capacity == SIZE_MAX)
        return 0;
    return reserve(passage, passage->capacity) < 0 ? no_memory(passage, passage->capacity) : 0;
}

/* A drop is users' code. It finds the passage closed and empty: what is here is out of reach. */
void wf_passage_clear(struct wf_passage *passage)
{
    size_t count = passage->count, first = passage->first;
    passage->count = 0;
    for (size_t i = 0; passage->drop && i < count; i++)
        wf_drop(wf_running, passage->drop,
                passage->items + (first + i) % passage->room * passage->slot);
    passage->first = 0;
}

void wf_passage_fini(struct wf_passage *passage)
{
    uint32_t waiting = passage->givers.length + passage->takers.length;
    if (waiting > 0)
        wf_bound_in_use(&passage->bound, passage->kind, waiting);
    passage->closed = true;
    wf_passage_clear(passage);
    wf_free(passage->items);
    passage->items = NULL;
    passage->room = passage->ring = 0;
}

void wf_passage_close(struct wf_passage *passage)
{
    if (passage->closed || wf_bound_check(&passage->bound, passage->kind) < 0)
        return;
    passage->closed = true;
    wf_line_wake_all(&passage->givers, WEFT_ECLOSED);
    wf_line_wake_all(&passage->takers, WEFT_ECLOSED);
}

/* The heap: the least item is in front, of equal ones the oldest. */

static uint64_t *number_of(const struct wf_passage *passage, char *slot)
{
    return (uint64_t *)(void *)(slot + passage->slot - sizeof(uint64_t));
}

static bool is_before(const struct wf_passage *passage, char *a, char *b)
{
    int order = passage->compare(a, b);
    return order != 0 ? order < 0 : *number_of(passage, a) < *number_of(passage, b);
}

static void swap(const struct wf_passage *passage, char *a, char *b)
{
    for (size_t i = 0; i < passage->slot; i++) {
        char byte = a[i];
        a[i] = b[i];
        b[i] = byte;
    }
}

static char *at(const struct wf_passage *passage, size_t i)
{
    return passage->items + i * passage->slot;
}

static void push_heap(struct wf_passage *passage, const void *item)
{
    size_t i = passage->count++;
    wf_item_copy(at(passage, i), item, passage->item_size);
    *number_of(passage, at(passage, i)) = passage->passed + passage->count;
    for (; i > 0; i = (i - 1) / 2) {
        if (!is_before(passage, at(passage, i), at(passage, (i - 1) / 2)))
            break;
        swap(passage, at(passage, i), at(passage, (i - 1) / 2));
    }
}

static void sift_down(struct wf_passage *passage)
{
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= passage->count)
            return;
        if (child + 1 < passage->count &&
            is_before(passage, at(passage, child + 1), at(passage, child)))
            child++;
        if (!is_before(passage, at(passage, child), at(passage, i)))
            return;
        swap(passage, at(passage, child), at(passage, i));
        i = child;
    }
}

static void pop_heap(struct wf_passage *passage, void *item)
{
    wf_item_copy(item, at(passage, 0), passage->item_size);
    passage->count--;
    memcpy(at(passage, 0), at(passage, passage->count), passage->slot);
    sift_down(passage);
}

/* In and out, where there is room and an item. */

static void put(struct wf_passage *passage, const void *item)
{
    if (passage->order == WF_ORDER_PRIORITY)
        push_heap(passage, item);
    else
        wf_item_copy(wf_passage_at(passage, passage->count++), item, passage->item_size);
    if (passage->count > passage->most)
        passage->most = passage->count;
}

static void pull(struct wf_passage *passage, void *item)
{
    passage->passed++;
    if (passage->order == WF_ORDER_PRIORITY) {
        pop_heap(passage, item);
    } else if (passage->order == WF_ORDER_LIFO) {
        wf_item_copy(item, wf_passage_at(passage, --passage->count), passage->item_size);
    } else {
        wf_item_copy(item, wf_passage_at(passage, 0), passage->item_size);
        passage->count--;
        if (++passage->first == passage->room)
            passage->first = 0;
    }
}

/* Giving and taking. */

static bool give_to_taker(struct wf_passage *passage, const void *item)
{
    struct wf_waiter *taker = wf_line_first(&passage->takers);
    if (!taker)
        return false;
    wf_item_copy(taker->item, item, passage->item_size);
    wf_passage_serve(passage, &passage->takers, taker);
    return true;
}

int wf_passage_give_slowly(struct wf_passage *passage, const void *item)
{
    int err = wf_bound_check(&passage->bound, passage->kind);
    if (err == 0 && passage->closed)
        err = WEFT_ECLOSED;
    if (err < 0 || give_to_taker(passage, item))
        return err;
    if (passage->count == passage->capacity)
        return WF_PASSAGE_WAIT;
    if (passage->count == passage->room)
        err = grow(passage);
    if (err == 0)
        put(passage, item);
    return err;
}

/* The first giver in the line puts what it holds into the room that has become free. */
static void let_giver_in(struct wf_passage *passage)
{
    struct wf_waiter *giver = wf_line_pop(&passage->givers);
    if (!giver)
        return;
    put(passage, giver->item);
    wf_wake(giver, 0);
}

static bool take_from_giver(struct wf_passage *passage, void *item)
{
    struct wf_waiter *giver = wf_line_first(&passage->givers);
    if (!giver)
        return false;
    wf_item_copy(item, giver->item, passage->item_size);
    wf_passage_serve(passage, &passage->givers, giver);
    return true;
}

int wf_passage_take_slowly(struct wf_passage *passage, void *item)
{
    int err = wf_bound_check(&passage->bound, passage->kind);
    if (err < 0)
        return err;
    if (passage->count > 0) {
        pull(passage, item);
        let_giver_in(passage);
        return 0;
    }
    if (take_from_giver(passage, item))
        return 0;
    return passage->closed ? WEFT_ECLOSED : WF_PASSAGE_WAIT;
}

WF_NOINLINE int wf_passage_wait(void *object, struct wf_line *line, const struct wf_wait_ops *ops,
                                void *item)
{
    struct wf_waiter w;
    wf_waiter_arm(&w, ops, object);
    w.wake = wf_wake_task_next;
    w.item = item;
    wf_line_join(line, &w);
    return (int)wf_park(&w);
}

const char *wf_passage_describe(const struct wf_passage *passage, const char *what, char *text,
                                size_t size)
{
    snprintf(text, size, "%s the %s (made at %s), which has %zu", what, passage->kind,
             wf_site(passage->bound.site), passage->count);
    return text;
}
