/* Queues: a passage, and a count of what is done. What has come out and what lies here, less what
 * is done, is unfinished. */

#include "base/error.h"
#include "sync/objects.h"
#include "sync/passage.h"

#include <weft/queue.h>

struct queue {
    struct wf_passage passage;
    uint64_t done;
    struct wf_line joiners; /* while something is unfinished */
};

_Static_assert(sizeof(struct queue) <= sizeof(weft_queue), "weft_queue is too small");

static struct queue *inside(const weft_queue *queue)
{
    return (struct queue *)(uintptr_t)queue;
}

static size_t unfinished(const struct queue *queue)
{
    return (size_t)(queue->passage.passed - queue->done) + queue->passage.count;
}

static int check(const struct weft_queue_options *options)
{
    const char *site = wf_site(options->site);
    if (options->max == 0)
        return wf_misuse(-EINVAL, "a queue with room for nothing, at %s", site);
    if (options->order > WEFT_QUEUE_PRIORITY)
        return wf_misuse(-EINVAL, ".order %u at %s is none of weft_queue's", options->order, site);
    if (options->order == WEFT_QUEUE_PRIORITY && !options->compare)
        return wf_misuse(-EINVAL, "a queue by priority without .compare, at %s", site);
    return 0;
}

int weft_queue_init_with(weft_queue *opaque, const struct weft_queue_options *options)
{
    struct queue *queue = inside(opaque);
    int err = check(options);
    if (err < 0)
        return err;
    *queue = (struct queue){ .passage = { .item_size = options->item_size,
                                          .capacity = options->max,
                                          .order = options->order,
                                          .kind = "queue",
                                          .compare = options->compare,
                                          .drop = options->drop } };
    return wf_passage_init(&queue->passage, options->site);
}

void weft_queue_fini(weft_queue *opaque)
{
    struct queue *queue = inside(opaque);
    if (!queue)
        return;
    if (!wf_line_is_empty(&queue->joiners))
        wf_bound_in_use(&queue->passage.bound, "queue", queue->joiners.length);
    wf_passage_fini(&queue->passage);
}

/* Waiting. */

static bool take_put(struct wf_waiter *w, int64_t *result)
{
    struct queue *queue = w->object;
    return wf_passage_is_given(&queue->passage, w->item, result);
}

static void join_put(struct wf_waiter *w)
{
    struct queue *queue = w->object;
    wf_line_join(&queue->passage.givers, w);
}

static bool abort_put(struct wf_waiter *w)
{
    struct queue *queue = w->object;
    wf_line_leave(&queue->passage.givers, w);
    return true;
}

static const char *describe_put(const struct wf_waiter *w, char *text, size_t size)
{
    const struct queue *queue = w->object;
    return wf_passage_describe(&queue->passage, "room in", text, size);
}

const struct wf_wait_ops wf_queue_put_ops = { .kind = "room in a queue",
                                              .abort = abort_put,
                                              .take = take_put,
                                              .join = join_put,
                                              .next = true,
                                              .describe = describe_put };

static bool take_get(struct wf_waiter *w, int64_t *result)
{
    struct queue *queue = w->object;
    return wf_passage_is_taken(&queue->passage, w->item, result);
}

static void join_get(struct wf_waiter *w)
{
    struct queue *queue = w->object;
    wf_line_join(&queue->passage.takers, w);
}

static bool abort_get(struct wf_waiter *w)
{
    struct queue *queue = w->object;
    wf_line_leave(&queue->passage.takers, w);
    return true;
}

static const char *describe_get(const struct wf_waiter *w, char *text, size_t size)
{
    const struct queue *queue = w->object;
    return wf_passage_describe(&queue->passage, "an item of", text, size);
}

const struct wf_wait_ops wf_queue_get_ops = { .kind = "an item of a queue",
                                              .abort = abort_get,
                                              .take = take_get,
                                              .join = join_get,
                                              .next = true,
                                              .describe = describe_get };

/* Calls. */

static int without_waiting(int answer)
{
    return answer == WF_PASSAGE_WAIT ? -EAGAIN : answer;
}

int weft_queue_put(weft_queue *opaque, const void *item)
{
    struct queue *queue = inside(opaque);
    int err = wf_enter_passing();
    if (err < 0)
        return err;
    err = wf_passage_give(&queue->passage, item);
    return err != WF_PASSAGE_WAIT ? err
                                  : wf_passage_wait(queue, &queue->passage.givers,
                                                    &wf_queue_put_ops, (void *)(uintptr_t)item);
}

int weft_queue_get(weft_queue *opaque, void *item)
{
    struct queue *queue = inside(opaque);
    int err = wf_enter_passing();
    if (err < 0)
        return err;
    err = wf_passage_take(&queue->passage, item);
    return err != WF_PASSAGE_WAIT
               ? err
               : wf_passage_wait(queue, &queue->passage.takers, &wf_queue_get_ops, item);
}

int weft_queue_try_put(weft_queue *queue, const void *item)
{
    return without_waiting(wf_passage_give(&inside(queue)->passage, item));
}

int weft_queue_try_get(weft_queue *queue, void *item)
{
    return without_waiting(wf_passage_take(&inside(queue)->passage, item));
}

static void tell_joiners(struct queue *queue)
{
    if (unfinished(queue) == 0)
        wf_line_wake_all(&queue->joiners, 0);
}

int weft_queue_task_done(weft_queue *opaque)
{
    struct queue *queue = inside(opaque);
    int err = wf_bound_check(&queue->passage.bound, "queue");
    if (err < 0)
        return err;
    if (queue->done == queue->passage.passed)
        return wf_misuse(-EINVAL,
                         "weft_queue_task_done() was called more often than items were got from "
                         "the queue (made at %s)",
                         wf_site(queue->passage.bound.site));
    queue->done++;
    tell_joiners(queue);
    return 0;
}

static bool abort_join(struct wf_waiter *w)
{
    struct queue *queue = w->object;
    wf_line_leave(&queue->joiners, w);
    return true;
}

static const char *describe_join(const struct wf_waiter *w, char *text, size_t size)
{
    const struct queue *queue = w->object;
    return wf_passage_describe(&queue->passage, "the work of", text, size);
}

static const struct wf_wait_ops join_ops = { .kind = "the work of a queue",
                                             .abort = abort_join,
                                             .describe = describe_join };

int weft_queue_join(weft_queue *opaque)
{
    struct queue *queue = inside(opaque);
    weft_task *task;
    int err = wf_enter(&task);
    if (err == 0)
        err = wf_bound_check(&queue->passage.bound, "queue");
    if (err < 0 || unfinished(queue) == 0)
        return err;
    struct wf_waiter w;
    wf_waiter_arm(&w, &join_ops, queue);
    wf_line_join(&queue->joiners, &w);
    return (int)wf_park(&w);
}

void weft_queue_shutdown(weft_queue *opaque, bool immediate)
{
    struct queue *queue = inside(opaque);
    wf_passage_close(&queue->passage);
    if (!immediate || wf_bound_check(&queue->passage.bound, "queue") < 0)
        return;
    wf_passage_clear(&queue->passage);
    tell_joiners(queue);
}

size_t weft_queue_count(const weft_queue *queue)
{
    return inside(queue)->passage.count;
}

void weft_queue_get_stats(const weft_queue *opaque, weft_queue_stats *stats)
{
    const struct queue *queue = inside(opaque);
    const struct wf_passage *passage = &queue->passage;
    wf_line_tell(&passage->givers, &stats->putters);
    wf_line_tell(&passage->takers, &stats->getters);
    wf_line_tell(&queue->joiners, &stats->joiners);
    stats->got = passage->passed;
    stats->unfinished = unfinished(queue);
    stats->count = passage->count;
    stats->most = passage->most;
    stats->max = passage->capacity;
}
