#include "core/timer.h"

#include "base/compiler.h"

#include <weft/define.h>

static struct wf_timer *timer_of(struct wf_list *link)
{
    return wf_container(link, struct wf_timer, link);
}

static uint64_t tick_of(int64_t time)
{
    return time <= 0 ? 0 : (uint64_t)time >> WF_TIMER_TICK_SHIFT;
}

/* Times near the end of int64_t have 47-bit ticks: seven levels of six bits hold 42, the eighth the
 * rest. */
static unsigned level_of(uint64_t difference)
{
    return (63u - (unsigned)__builtin_clzll(difference)) / 6;
}

static unsigned slot_of(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (6 * level)) & (WF_TIMER_SLOTS - 1);
}

void wf_timers_init(struct wf_timers *timers, int64_t now)
{
    timers->tick = tick_of(now);
    timers->sequence = 0;
    timers->count = 0;
    wf_list_init(&timers->due);
    wf_list_init(&timers->early);
    for (unsigned level = 0; level < WF_TIMER_LEVELS; level++) {
        timers->occupied[level] = 0;
        for (unsigned slot = 0; slot < WF_TIMER_SLOTS; slot++)
            wf_list_init(&timers->slots[level][slot]);
    }
}

static bool is_before(const struct wf_timer *a, const struct wf_timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->sequence < b->sequence;
}

/* Put an armed timer where its deadline belongs, seen from the wheel's time. */
static void place(struct wf_timers *timers, struct wf_timer *timer)
{
    uint64_t tick = tick_of(timer->deadline);
    unsigned level = level_of((tick ^ timers->tick) | 1);
    unsigned slot = slot_of(tick, level);
    struct wf_list *list = &timers->slots[level][slot];

    if (wf_list_is_empty(list) || timer->deadline < timers->bound[level][slot])
        timers->bound[level][slot] = timer->deadline;
    timers->occupied[level] |= UINT64_C(1) << slot;
    wf_list_push_back(list, &timer->link);
}

/* The wheel's time is past it: it waits, unsorted, for the next advance. */
static void place_early(struct wf_timers *timers, struct wf_timer *timer)
{
    if (wf_list_is_empty(&timers->early) || timer->deadline < timers->early_bound)
        timers->early_bound = timer->deadline;
    wf_list_push_back(&timers->early, &timer->link);
}

void wf_timer_add(struct wf_timers *timers, struct wf_timer *timer, int64_t deadline)
{
    wf_assert(!wf_timer_is_armed(timer));
    timer->deadline = deadline;
    timer->sequence = timers->sequence++;
    timers->count++;
    if (tick_of(deadline) <= timers->tick)
        place_early(timers, timer);
    else
        place(timers, timer);
}

/* The slot's bit falls when its last timer leaves: the head's address tells which slot it is. */
static void slot_emptied(struct wf_timers *timers, struct wf_list *head)
{
    if (head == &timers->due || head == &timers->early)
        return;
    size_t index = (size_t)(head - &timers->slots[0][0]);
    timers->occupied[index / WF_TIMER_SLOTS] &= ~(UINT64_C(1) << (index % WF_TIMER_SLOTS));
}

void wf_timer_cancel(struct wf_timers *timers, struct wf_timer *timer)
{
    if (!wf_timer_is_armed(timer))
        return;
    struct wf_list *neighbour = timer->link.next;
    wf_list_remove(&timer->link);
    timers->count--;
    if (wf_list_is_empty(neighbour))
        slot_emptied(timers, neighbour);
}

/* The first slot in use of the lowest level in use; false when the wheel is empty. */
static bool first_slot(const struct wf_timers *timers, unsigned *level, unsigned *slot)
{
    for (*level = 0; *level < WF_TIMER_LEVELS; ++*level) {
        if (timers->occupied[*level]) {
            *slot = (unsigned)__builtin_ctzll(timers->occupied[*level]);
            return true;
        }
    }
    return false;
}

int64_t wf_timers_next(const struct wf_timers *timers)
{
    unsigned level, slot;
    int64_t next = WEFT_FOREVER;
    if (!wf_list_is_empty(&timers->due))
        next = timer_of(timers->due.next)->deadline;
    else if (first_slot(timers, &level, &slot))
        next = timers->bound[level][slot];
    if (!wf_list_is_empty(&timers->early) && timers->early_bound < next)
        next = timers->early_bound;
    return next;
}

/* Merge two sorted chains (linked through next, NULL at the end). */
static struct wf_list *merge(struct wf_list *a, struct wf_list *b)
{
    struct wf_list *head = NULL, **tail = &head;
    while (a && b) {
        struct wf_list **first = is_before(timer_of(b), timer_of(a)) ? &b : &a;
        *tail = *first;
        tail = &(*first)->next;
        *first = (*first)->next;
    }
    *tail = a ? a : b;
    return head;
}

/* Cut the longest sorted run off the front of *chain and return it. */
static struct wf_list *take_run(struct wf_list **chain)
{
    struct wf_list *run = *chain, *last = run;
    while (last->next && is_before(timer_of(last), timer_of(last->next)))
        last = last->next;
    *chain = last->next;
    last->next = NULL;
    return run;
}

/* Natural merge sort: runs[i] holds 2^i runs merged, so sorted input costs one pass. Most often
 * there is one timer, or those that are there are one run. */
static struct wf_list *sort(struct wf_list *chain)
{
    struct wf_list *runs[64], *sorted = NULL;
    unsigned used = 0;
    while (chain) {
        struct wf_list *run = take_run(&chain);
        unsigned i = 0;
        for (; i < used && runs[i]; i++) {
            run = merge(runs[i], run);
            runs[i] = NULL;
        }
        used += i == used;
        runs[i] = run;
    }
    for (unsigned i = 0; i < used; i++)
        sorted = merge(runs[i], sorted);
    return sorted;
}

/* Turn a circular list into a NULL-ended chain and empty it. */
static struct wf_list *detach(struct wf_list *list)
{
    struct wf_list *chain = list->next;
    if (wf_list_is_empty(list))
        return NULL;
    list->previous->next = NULL;
    wf_list_init(list);
    return chain;
}

/* Sort a list and merge it into the due list from the back, where it usually belongs. */
static void move_to_due(struct wf_timers *timers, struct wf_list *list)
{
    struct wf_list sorted, *link, *after = timers->due.previous;
    if (wf_list_is_empty(list)) /* nearly every turn */
        return;
    wf_list_init(&sorted);
    for (struct wf_list *chain = sort(detach(list)), *next; chain; chain = next) {
        next = chain->next;
        wf_list_push_back(&sorted, chain);
    }
    while ((link = wf_list_last(&sorted))) {
        wf_list_unlink(link);
        while (after != &timers->due && is_before(timer_of(link), timer_of(after)))
            after = after->previous;
        wf_list_link(after, link, after->next);
    }
}

static void cascade(struct wf_timers *timers, struct wf_list *slot)
{
    for (struct wf_list *chain = detach(slot), *next; chain; chain = next) {
        next = chain->next;
        place(timers, timer_of(chain));
    }
}

/* The tick at which a slot begins, for a wheel that has not reached it. */
static uint64_t slot_start(const struct wf_timers *timers, unsigned level, unsigned slot)
{
    uint64_t above = 6 * (level + 1) >= 64 ? 0 : timers->tick >> (6 * (level + 1));
    return (above << 6 | slot) << (6 * level);
}

void wf_timers_advance(struct wf_timers *timers, int64_t now)
{
    uint64_t target = tick_of(now);
    unsigned level, slot;

    move_to_due(timers, &timers->early);
    while (first_slot(timers, &level, &slot)) {
        uint64_t start = slot_start(timers, level, slot);
        if (start > target)
            break;
        timers->tick = start;
        timers->occupied[level] &= ~(UINT64_C(1) << slot);
        if (level == 0)
            move_to_due(timers, &timers->slots[level][slot]);
        else
            cascade(timers, &timers->slots[level][slot]);
    }
    if (target > timers->tick)
        timers->tick = target;
}

struct wf_timer *wf_timers_pop(struct wf_timers *timers, int64_t now)
{
    struct wf_list *first = wf_list_first(&timers->due);
    if (!first || timer_of(first)->deadline > now)
        return NULL;
    wf_list_remove(first);
    timers->count--;
    return timer_of(first);
}
