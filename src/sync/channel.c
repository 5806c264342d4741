/* Channels: a passage in the order of sending. Where both sides take turns a message costs a copy
 * and half a switch: who serves a waiting task hands it the processor when it waits itself. */

#include "sync/objects.h"
#include "sync/passage.h"

#include <weft/channel.h>

_Static_assert(sizeof(struct wf_passage) <= sizeof(weft_channel), "weft_channel is too small");

static struct wf_passage *inside(const weft_channel *channel)
{
    return (struct wf_passage *)(uintptr_t)channel;
}

int weft_channel_init_with(weft_channel *opaque, const struct weft_channel_options *options)
{
    struct wf_passage *passage = inside(opaque);
    *passage = (struct wf_passage){ .item_size = options->item_size,
                                    .capacity = options->capacity,
                                    .kind = "channel",
                                    .drop = options->drop };
    return wf_passage_init(passage, options->site);
}

void weft_channel_fini(weft_channel *channel)
{
    if (channel)
        wf_passage_fini(inside(channel));
}

/* Waiting. */

static bool take_send(struct wf_waiter *w, int64_t *result)
{
    return wf_passage_is_given(w->object, w->item, result);
}

static void join_send(struct wf_waiter *w)
{
    struct wf_passage *passage = w->object;
    wf_line_join(&passage->givers, w);
}

static bool abort_send(struct wf_waiter *w)
{
    struct wf_passage *passage = w->object;
    wf_line_leave(&passage->givers, w);
    return true;
}

static const char *describe_send(const struct wf_waiter *w, char *text, size_t size)
{
    return wf_passage_describe(w->object, "room in", text, size);
}

const struct wf_wait_ops wf_channel_send_ops = { .kind = "room in a channel",
                                                 .abort = abort_send,
                                                 .take = take_send,
                                                 .join = join_send,
                                                 .next = true,
                                                 .describe = describe_send };

static bool take_receive(struct wf_waiter *w, int64_t *result)
{
    return wf_passage_is_taken(w->object, w->item, result);
}

static void join_receive(struct wf_waiter *w)
{
    struct wf_passage *passage = w->object;
    wf_line_join(&passage->takers, w);
}

static bool abort_receive(struct wf_waiter *w)
{
    struct wf_passage *passage = w->object;
    wf_line_leave(&passage->takers, w);
    return true;
}

static const char *describe_receive(const struct wf_waiter *w, char *text, size_t size)
{
    return wf_passage_describe(w->object, "an item of", text, size);
}

const struct wf_wait_ops wf_channel_receive_ops = { .kind = "an item of a channel",
                                                    .abort = abort_receive,
                                                    .take = take_receive,
                                                    .join = join_receive,
                                                    .next = true,
                                                    .describe = describe_receive };

/* Calls. */

static int without_waiting(int answer)
{
    return answer == WF_PASSAGE_WAIT ? -EAGAIN : answer;
}

int weft_channel_send(weft_channel *channel, const void *item)
{
    struct wf_passage *passage = inside(channel);
    int err = wf_enter_passing();
    if (err < 0)
        return err;
    err = wf_passage_give(passage, item);
    return err != WF_PASSAGE_WAIT ? err
                                  : wf_passage_wait(passage, &passage->givers, &wf_channel_send_ops,
                                                    (void *)(uintptr_t)item);
}

int weft_channel_receive(weft_channel *channel, void *item)
{
    struct wf_passage *passage = inside(channel);
    int err = wf_enter_passing();
    if (err < 0)
        return err;
    err = wf_passage_take(passage, item);
    return err != WF_PASSAGE_WAIT
               ? err
               : wf_passage_wait(passage, &passage->takers, &wf_channel_receive_ops, item);
}

int weft_channel_try_send(weft_channel *channel, const void *item)
{
    return without_waiting(wf_passage_give(inside(channel), item));
}

int weft_channel_try_receive(weft_channel *channel, void *item)
{
    return without_waiting(wf_passage_take(inside(channel), item));
}

void weft_channel_close(weft_channel *channel)
{
    wf_passage_close(inside(channel));
}

size_t weft_channel_count(const weft_channel *channel)
{
    return inside(channel)->count;
}

void weft_channel_get_stats(const weft_channel *channel, weft_channel_stats *stats)
{
    const struct wf_passage *passage = inside(channel);
    wf_line_tell(&passage->givers, &stats->senders);
    wf_line_tell(&passage->takers, &stats->receivers);
    stats->received = passage->passed;
    stats->count = passage->count;
    stats->most = passage->most;
    stats->capacity = passage->capacity;
}
