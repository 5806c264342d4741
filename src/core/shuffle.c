/* The shuffle: finds programs that depend on an order which nobody promised.
 *
 *     queue    cb   t1   NEW   t2   t3   yield   t4   t5    t: woken tasks, NEW: one that begins
 *                   └──────────┴────┘            └────┘
 *              places that are dealt anew, between two callbacks or tasks that yield
 *
 * Promised, and kept: callbacks run in the order of asking, tasks begin in the order of creation,
 * what waits for one object is served in the order of waiting, timers fire in the order of their
 * deadlines, who yields lets everybody run that was ready. So callbacks, new and yielding tasks
 * keep their places, nobody passes a callback or who yields, and those who waited for the same
 * object, or slept, stay in order among themselves. Not promised: the order among tasks that
 * different objects have woken in one turn.
 *
 * Once a turn, over what it has not seen before: whoever was left over when a turn was cut stays in
 * front, so that the bounds on waiting hold. The same seed and the same program give the same run.
 * With a seed tasks do not begin turns by themselves: every turn passes by here. Without memory a
 * turn keeps its order. */

#include "core/shuffle.h"

#include "base/memory.h"
#include "core/loop.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 64

struct wf_shuffle_place {
    struct wf_ready *item;
    const void *object; /* what it waited for; NULL: its own business */
    size_t number;      /* of the place where it came from */
    size_t dealt;       /* of the n-th place that is dealt: its number */
};

void wf_shuffle_begin(weft_loop *loop, uint64_t seed)
{
    wf_random_seed(&loop->shuffle.dice, seed);
    loop->shuffle.on = true;
    loop->direct_turns = false;
}

void wf_shuffle_init(weft_loop *loop)
{
    const char *seed = getenv("WEFT_SHUFFLE");
    if (seed && seed[0])
        wf_shuffle_begin(loop, strtoull(seed, NULL, 10));
}

void wf_shuffle_fini(weft_loop *loop)
{
    wf_free(loop->shuffle.places);
}

static bool is_woken(const struct wf_ready *item)
{
    const weft_task *task = wf_container(item, weft_task, ready);
    return !item->run && task->state != WF_TASK_NEW && task->parked;
}

/* A callback; a task that yields. */
static bool is_fence(const struct wf_ready *item)
{
    const weft_task *task = wf_container(item, weft_task, ready);
    return item->run || (task->state != WF_TASK_NEW && !task->parked);
}

/* Sleepers are one another's rivals for the clock. An operation's waiter names the loop. */
static const void *object_of(const struct wf_ready *item)
{
    const weft_task *task = wf_container(item, weft_task, ready);
    const struct wf_waiter *w = task->parked;
    if (w->object == task->future.loop)
        return NULL;
    return strcmp(w->ops->kind, "sleep") == 0 ? &task->future.loop->timers : w->object;
}

/* Room for `count` places. False: no memory. */
static bool make_room(struct wf_shuffle *shuffle, size_t count)
{
    size_t room = shuffle->room ? shuffle->room : ROOM_MIN;
    while (room < count)
        room *= 2;
    if (room == shuffle->room)
        return true;
    struct wf_shuffle_place *places = wf_realloc(shuffle->places, room * sizeof *places);
    if (!places)
        return false;
    shuffle->places = places;
    shuffle->room = room;
    return true;
}

/* The items change places; who is the how-manieth to be dealt stays with the place. */
static void swap(struct wf_shuffle_place *a, struct wf_shuffle_place *b)
{
    struct wf_shuffle_place before = *a;
    size_t dealt = b->dealt;
    *a = *b;
    *b = before;
    b->dealt = dealt;
    a->dealt = before.dealt;
}

/* Those who waited for one object: in order again, in the places they got. */
static void restore(struct wf_shuffle_place *places, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct wf_shuffle_place *a = &places[places[i].dealt];
        for (size_t k = i + 1; a->object && k < count; k++) {
            struct wf_shuffle_place *b = &places[places[k].dealt];
            if (b->object == a->object && b->number < a->number)
                swap(a, b);
        }
    }
}

static void deal(struct wf_shuffle *shuffle, size_t count)
{
    struct wf_shuffle_place *places = shuffle->places;
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)wf_random_below(&shuffle->dice, i);
        swap(&places[places[i - 1].dealt], &places[places[other].dealt]);
    }
    restore(places, count);
}

/* Deal the places between each two fences. */
static void deal_all(struct wf_shuffle *shuffle, size_t count)
{
    size_t dealt = 0;
    for (size_t i = 0; i < count; i++) {
        const struct wf_ready *item = shuffle->places[i].item;
        if (is_woken(item))
            shuffle->places[dealt++].dealt = i;
        if (!is_fence(item) && i + 1 < count)
            continue;
        deal(shuffle, dealt);
        dealt = 0;
    }
}

void wf_shuffle_turn(weft_loop *loop, size_t before)
{
    struct wf_shuffle *shuffle = &loop->shuffle;
    struct wf_ready **link = &loop->ready.head;
    size_t count = loop->ready.count - before;
    if (count < 2 || !make_room(shuffle, count))
        return;
    wf_scout_end(&loop->ready);
    for (; before > 0; before--)
        link = &(*link)->next;
    struct wf_ready *item = *link;
    for (size_t i = 0; i < count; i++, item = item->next)
        shuffle->places[i] = (struct wf_shuffle_place){
            .item = item, .object = is_woken(item) ? object_of(item) : NULL, .number = i
        };
    deal_all(shuffle, count);
    for (size_t i = 0; i < count; i++, link = &(*link)->next)
        *link = shuffle->places[i].item;
    *link = NULL;
    loop->ready.tail = link;
}
