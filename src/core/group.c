/* A group: weft_run() with several loops, each in a thread of its own, each with a main.
 *
 *     thread of the caller           threads 1 … n-1
 *     make loop 0, spawn main        make loop i, spawn main      one after another: `born`
 *     ── start ────────────────────────────────────────────────   all were made, or nobody goes
 *     RUNS until its main has ended                               the first failure cancels all
 *     STAYS until all mains have ended                            its background goes on
 *     WINDS DOWN, and stays until all have                        cancel, grace
 *     is freed
 *     ── gone ─────────────────────────────────────────────────   memory lives until here
 *
 * So a loop can be posted to as long as any task of the group lives, and weft_loop_at() never names
 * freed memory: from its close until `gone` a loop answers -ESHUTDOWN. Only a loop whose grace is
 * over goes without waiting for the others.
 *
 * What concerns everybody is an atomic word of the group. Who writes one rings: each loop has a
 * notice, and looks for itself when that arrives. Loop 0 takes SIGINT and SIGTERM and passes them
 * on this way.
 *
 * The result is that of the first main that failed, by time; without one that of loop 0's; and
 * WEFT_ESTUCK when any loop left tasks behind.
 *
 * There is no group in virtual time: a test clock jumps when nothing else can happen, which no loop
 * knows of its peers.
 *
 * Costs: nothing but memory while it runs. A start takes some 300 us for each loop. */

#include "core/group.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/loop.h"
#include "core/signal.h"
#include "io/sampler.h"
#include "io/threads.h"

#include <stdio.h>
#include <weft/error.h>
#include <weft/log.h>

/* News. */

void wf_group_ring(struct wf_group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        if (group->peers[i].loop)
            weft_signal_post(&group->peers[i].news); /* to one that is closed: it needs none */
}

static void heed_interrupts(struct wf_peer *peer, unsigned count)
{
    if (count >= 2 && !peer->pierced) {
        peer->pierced = true;
        wf_interrupt_pierce(peer->loop, peer->main);
    }
}

static const char *why_cancelled(struct wf_group *group)
{
    return atomic_load(&group->interrupts) > 0 ? "interrupted" : "another loop's main has failed";
}

static void on_news(void *arg)
{
    struct wf_peer *peer = arg;
    struct wf_group *group = peer->group;
    unsigned interrupts = atomic_load(&group->interrupts);
    if ((interrupts > 0 || atomic_load(&group->first) < 0) && !peer->cancelled) {
        peer->cancelled = true;
        weft_task_cancel(peer->main, why_cancelled(group));
    }
    heed_interrupts(peer, interrupts);
    wf_shutdown_heed(peer->loop);
    peer->loop->stopping |= peer->waits;
}

void wf_group_interrupt(const weft_loop *loop, unsigned count)
{
    if (!loop->group)
        return;
    atomic_store(&loop->group->interrupts, count);
    wf_group_ring(loop->group);
}

/* A loop's life. */

static void pin(const struct wf_peer *peer)
{
    const struct wf_group *group = peer->group;
    int err = group->options->pin ? wf_thread_pin(&group->cpus, peer->index) : 0;
    if (err < 0)
        weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING, "loop %u is not pinned to a processor: %s",
                 peer->index, weft_error_text(err));
}

static int be_born(struct wf_peer *peer)
{
    struct wf_group *group = peer->group;
    weft_loop *loop;
    int err = wf_loop_make(&loop, group->options);
    if (err < 0)
        return err;
    err = wf_loop_spawn_main(loop, group->fn, group->options, &peer->main);
    if (err < 0) {
        weft_loop_free(loop);
        return err;
    }
    loop->main = peer->main;
    loop->group = group;
    loop->index = peer->index;
    weft_notice_init(&peer->news, loop, on_news, peer);
    peer->loop = weft_loop_retain(loop);
    loop->references_own += 2;
    return 0;
}

/* The first failure is the group's, and cancels everybody. */
static void note_result(struct wf_peer *peer, int result)
{
    struct wf_group *group = peer->group;
    int none = 0;
    bool fails = result < 0 && atomic_compare_exchange_strong(&group->first, &none, result);
    if (fails)
        snprintf(group->detail, sizeof group->detail, "%s", weft_error_detail());
    peer->result = result;
    if (atomic_fetch_sub(&group->mains, 1) == 1 || fails)
        wf_group_ring(group);
}

static bool others_run(const weft_loop *loop)
{
    return atomic_load(&loop->group->mains) > 0;
}

static void run_peer(struct wf_peer *peer)
{
    struct wf_interrupt interrupt;
    bool takes = peer->index == 0 && !peer->group->options->no_signals;
    if (takes)
        wf_interrupt_take(&interrupt, peer->loop, peer->main);
    note_result(peer, weft_loop_run_until_complete(peer->loop, peer->main));
    peer->waits = true;
    wf_loop_run_while(peer->loop, others_run);
    peer->end = weft_loop_free(peer->loop);
    if (takes)
        wf_interrupt_give_back(&interrupt);
}

void wf_group_wound_down(weft_loop *loop)
{
    struct wf_group *group = loop->group;
    if (atomic_fetch_sub(&group->winding, 1) == 1)
        wf_group_ring(group);
}

bool wf_group_winds_down(const weft_loop *loop)
{
    return atomic_load(&loop->group->winding) > 0;
}

static void live(struct wf_peer *peer)
{
    struct wf_group *group = peer->group;
    if (peer->loop && group->goes)
        run_peer(peer);
    else if (peer->loop)
        weft_loop_free(peer->loop);
    wf_gate_pass(&group->gone);
    wf_gate_wait(&group->gone, group->count, WEFT_FOREVER);
    if (!peer->loop)
        return;
    weft_notice_fini(&peer->news); /* from here on nobody rings */
    weft_task_release(peer->main);
    peer->loop->group = NULL; /* who still has a reference outlives the group */
    weft_loop_release(peer->loop);
}

static void *be_thread(void *arg)
{
    struct wf_peer *peer = arg;
    struct wf_group *group = peer->group;
    wf_thread_name(peer->index);
    pin(peer);
    if (group->watch)
        group->watch->helps(true);
    peer->result = be_born(peer);
    if (group->watch)
        group->watch->helps(false);
    if (peer->loop && peer->loop->debug)
        wf_sampler_admit();
    wf_gate_pass(&group->born);
    wf_gate_wait(&group->start, 1, WEFT_FOREVER);
    live(peer);
    return NULL;
}

/* The group. */

static struct wf_group *make_group(weft_fn *fn, const struct weft_loop_options *options)
{
    size_t size = options->threads * sizeof(struct wf_peer);
    struct wf_group *group = wf_alloc_zero(sizeof *group + size);
    if (!group)
        return NULL;
    group->fn = fn;
    group->options = options;
    group->watch = wf_loop_watch && wf_loop_watch->helps ? wf_loop_watch : NULL;
    wf_gate_init(&group->born);
    wf_gate_init(&group->start);
    wf_gate_init(&group->gone);
    group->lock = (struct wf_lock)WF_LOCK_INIT;
    wf_list_init(&group->shared);
    for (unsigned i = 0; i < options->threads; i++)
        group->peers[i] = (struct wf_peer){ .group = group, .index = i };
    return group;
}

static void free_group(struct wf_group *group)
{
    wf_gate_fini(&group->born);
    wf_gate_fini(&group->start);
    wf_gate_fini(&group->gone);
    wf_free(group);
}

/* One after another: peer i has its loop, or the reason why not. */
static int add_peer(struct wf_group *group)
{
    struct wf_peer *peer = &group->peers[group->count];
    if (peer->index == 0) {
        pin(peer);
        peer->result = be_born(peer);
        group->count++;
        return peer->result;
    }
    int err = wf_thread_create_for_users(&peer->thread, be_thread, peer);
    if (err < 0)
        return wf_fail(err, "no thread for loop %u: %s", peer->index, weft_error_text(err));
    group->count++;
    wf_gate_wait(&group->born, peer->index, WEFT_FOREVER);
    if (peer->result < 0)
        return wf_fail(peer->result, "loop %u cannot be made: %s", peer->index,
                       weft_error_text(peer->result));
    return 0;
}

static int begin(struct wf_group *group)
{
    int err = 0;
    unsigned loops = 0;
    while (err == 0 && group->count < group->options->threads)
        err = add_peer(group);
    for (unsigned i = 0; i < group->count; i++)
        loops += group->peers[i].loop != NULL;
    atomic_store(&group->mains, loops);
    atomic_store(&group->winding, loops);
    group->goes = err == 0;
    wf_gate_pass(&group->start);
    return err;
}

static int result_of(const struct wf_group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        if (group->peers[i].end < 0)
            return group->peers[i].end;
    int first = atomic_load(&group->first);
    if (first < 0 && group->detail[0])
        return wf_fail(first, "%s", group->detail);
    return first < 0 ? first : group->peers[0].result;
}

int wf_group_run(weft_fn *fn, const struct weft_loop_options *options)
{
    if (options->threads > WF_GROUP_MAX)
        return wf_fail(-EINVAL, "%u threads: at most %d are possible", options->threads,
                       WF_GROUP_MAX);
    if (options->clock == WEFT_CLOCK_TEST)
        return wf_fail(-ENOTSUP, "several loops cannot run in virtual time: none knows whether "
                                 "another one is about to do something");
    struct wf_group *group = make_group(fn, options);
    if (!group)
        return wf_fail(-ENOMEM, "no memory for %u loops", options->threads);
    bool pins = options->pin && wf_thread_cpus(&group->cpus) == 0;
    int err = begin(group);
    live(&group->peers[0]);
    for (unsigned i = 1; i < group->count; i++)
        wf_thread_join(group->peers[i].thread);
    if (pins)
        wf_thread_unpin(&group->cpus);
    if (err == 0)
        err = result_of(group);
    free_group(group);
    return err;
}

/* Who am I, and who are the others? */

static struct wf_group *group_of(const weft_loop *loop)
{
    return loop ? loop->group : NULL;
}

unsigned weft_loop_index(void)
{
    const weft_loop *loop = weft_loop_current();
    return loop ? loop->index : 0;
}

unsigned weft_loop_count(void)
{
    const weft_loop *loop = weft_loop_current();
    const struct wf_group *group = group_of(loop);
    return group ? group->count : loop != NULL;
}

weft_loop *weft_loop_at(unsigned index)
{
    weft_loop *loop = weft_loop_current();
    const struct wf_group *group = group_of(loop);
    if (group)
        return index < group->count ? group->peers[index].loop : NULL;
    return index == 0 ? loop : NULL;
}
