#include "core/census.h"

#include "base/memory.h"
#include "context/depth.h"
#include "context/guard.h"
#include "core/loop.h"

#include <string.h>

#define PLACES_MIN 16

static const uint32_t sizes[WF_STACK_CLASSES] = { WF_STACK_SMALL, WF_STACK_MEDIUM, WF_STACK_LARGE };

/* Valgrind forbids to read and write where no frame lives. */
bool wf_census_is_exact(const weft_loop *loop)
{
    return loop->debug && !wf_sanitizer_is_valgrind();
}

/* The table. */

static size_t place_of(const struct wf_census *census, wf_entry_fn *fn)
{
    uint64_t hash = (uint64_t)(uintptr_t)fn * UINT64_C(0x9e3779b97f4a7c15);
    size_t place = (size_t)(hash >> 32) & (census->places - 1);
    while (census->entries[place].fn && census->entries[place].fn != fn)
        place = (place + 1) & (census->places - 1);
    return place;
}

static bool grow(struct wf_census *census)
{
    struct wf_census bigger = { .places = census->places ? 2 * census->places : PLACES_MIN };
    if (census->places == 0)
        wf_depth_is_told();
    bigger.entries = wf_alloc_zero(bigger.places * sizeof *bigger.entries);
    if (!bigger.entries)
        return false;
    for (size_t i = 0; i < census->places; i++)
        if (census->entries[i].fn)
            bigger.entries[place_of(&bigger, census->entries[i].fn)] = census->entries[i];
    wf_free(census->entries);
    census->entries = bigger.entries;
    census->places = bigger.places;
    return true;
}

/* NULL: no memory. */
static struct wf_census_entry *entry_of(struct wf_census *census, wf_entry_fn *fn)
{
    struct wf_census_entry *entry = NULL;
    if (census->places > 0)
        entry = &census->entries[place_of(census, fn)];
    if (entry && entry->fn)
        return entry;
    if (census->count == WF_CENSUS_FUNCTIONS)
        return &census->others;
    if (2 * (census->count + 1) > census->places && !grow(census))
        return NULL;
    entry = &census->entries[place_of(census, fn)];
    entry->fn = fn;
    census->count++;
    return entry;
}

void wf_census_fini(struct wf_census *census)
{
    wf_free(census->entries);
    *census = (struct wf_census){ .entries = NULL };
}

/* Measuring. */

enum wf_measured wf_census_wants(struct wf_fiber *fiber, wf_entry_fn *fn)
{
    weft_loop *loop = fiber->loop;
    struct wf_census_entry *entry = entry_of(&loop->census, fn);
    if (!entry)
        return WF_NOT_MEASURED;
    entry->made += fiber->fresh;
    if (wf_census_is_exact(loop))
        return WF_MEASURED_EXACTLY;
    bool its_turn = entry->made <= WF_CENSUS_ALWAYS || entry->made % WF_CENSUS_EACH == 0;
    return fiber->fresh && its_turn ? WF_MEASURED_BY_PAGE : WF_NOT_MEASURED;
}

void wf_census_begin(struct wf_fiber *fiber)
{
    if (fiber->measured == WF_MEASURED_EXACTLY)
        wf_depth_clear(fiber->stack->low);
}

/* A canary is read at each switch, and what was read is resident. */
static void measure(struct wf_fiber *fiber, struct wf_census_entry *entry)
{
    char *low = fiber->stack->low + (fiber->has_canary ? wf_stack_page_size() : 0);
    const char *top = fiber->stack->low + fiber->stack->size;
    const char *deepest =
        fiber->measured == WF_MEASURED_EXACTLY ? wf_depth_word(low, top) : wf_depth_page(low, top);
    if (!deepest)
        return;
    size_t depth = (size_t)(top - deepest);
    if (depth > entry->deepest)
        entry->deepest = depth;
    entry->stack_sizes |= sizes[fiber->class];
    entry->measured++;
}

void wf_census_end(struct wf_fiber *fiber, wf_entry_fn *fn)
{
    struct wf_census_entry *entry = entry_of(&fiber->loop->census, fn);
    if (entry)
        measure(fiber, entry);
}

/* Those that have not ended. */

/* On its own stack, and the only one that has ever run there since its memory was new. Inside a
 * generator a task's code is on another one. */
static bool is_alone(const weft_task *task)
{
    const struct wf_fiber *fiber = task->fiber;
    if (!fiber || !fiber->stack || fiber->task != task || task->state == WF_TASK_NEW)
        return false;
    bool first = fiber->single || fiber->first == wf_task_number(task);
    return first && (fiber->fresh || fiber->measured == WF_MEASURED_EXACTLY);
}

static void look_at(const weft_task *task)
{
    struct wf_census_entry *entry;
    if (!is_alone(task))
        return;
    entry = entry_of(&task->future.loop->census, (wf_entry_fn *)task->fn);
    if (entry && entry->looked_at < WF_CENSUS_LIVE) {
        entry->looked_at++;
        measure(task->fiber, entry);
    }
}

void wf_census_survey(weft_loop *loop)
{
    struct wf_region *region = &loop->background.region;
    struct wf_census *census = &loop->census;
    weft_task *task;
    for (size_t i = 0; i < census->places; i++)
        census->entries[i].looked_at = 0;
    census->others.looked_at = 0;
    while ((task = wf_task_next(loop, &region)))
        look_at(task);
}

/* The result. */

/* What stands before what. */
static bool is_before(const struct wf_census_entry *a, const struct wf_census_entry *b)
{
    return a->deepest != b->deepest ? a->deepest > b->deepest : (uintptr_t)a->fn < (uintptr_t)b->fn;
}

bool wf_census_next(const struct wf_census *census, struct wf_census_entry *last)
{
    const struct wf_census_entry *next = NULL;
    for (size_t i = 0; i <= census->places; i++) {
        const struct wf_census_entry *entry =
            i < census->places ? &census->entries[i] : &census->others;
        if (entry->measured == 0 || (last->measured > 0 && !is_before(last, entry)))
            continue;
        if (!next || is_before(entry, next))
            next = entry;
    }
    if (next)
        *last = *next;
    return next != NULL;
}

static size_t room(const weft_loop *loop, unsigned class)
{
    return wf_depth_room(loop->stacks.classes[class].stride);
}

uint32_t wf_census_suggested(const weft_loop *loop, const struct wf_census_entry *entry)
{
    unsigned smallest = 0, largest = WF_STACK_CLASSES - 1, fitting = 0;
    while (!(entry->stack_sizes & sizes[smallest]))
        smallest++;
    while (!(entry->stack_sizes & sizes[largest]))
        largest--;
    while (fitting < WF_STACK_CLASSES && 2 * entry->deepest > room(loop, fitting))
        fitting++;
    bool is_short = 4 * entry->deepest > 3 * room(loop, smallest);
    if (fitting == WF_STACK_CLASSES || (fitting >= largest && !is_short))
        return 0;
    return sizes[fitting];
}
