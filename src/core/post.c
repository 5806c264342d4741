#include "core/post.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/loop.h"

/* Posts: a message each. */

static void free_post(struct wf_post *post)
{
    atomic_fetch_sub(&post->loop->posts, 1);
    wf_free(post);
}

static void drop_post(struct wf_post *post)
{
    weft_drop_fn *dropped = post->dropped;
    void *arg = post->callback.arg;
    free_post(post);
    if (dropped)
        dropped(arg);
}

static void run_post(struct wf_ready *item, bool closed)
{
    struct wf_post *post = wf_container(item, struct wf_post, ready);
    weft_loop *loop = post->loop;
    struct wf_callback callback = post->callback;
    if (closed) {
        drop_post(post);
        return;
    }
    free_post(post);
    if (WF_UNLIKELY(loop->notes_work))
        wf_shutdown_note(loop);
    wf_callback_run(loop, &callback);
}

static void deliver_post(struct wf_mail *mail, bool closed)
{
    struct wf_post *post = wf_container(mail, struct wf_post, mail);
    if (closed)
        drop_post(post);
    else
        wf_ready_push(&post->loop->ready, &post->ready);
}

int weft_post_with(weft_loop *loop, weft_callback *fn, const struct weft_post_options *options)
{
    if (atomic_fetch_add(&loop->posts, 1) >= loop->posts_max) {
        atomic_fetch_sub(&loop->posts, 1);
        return wf_fail(-EAGAIN, "the loop's mailbox holds %u messages", loop->posts_max);
    }
    struct wf_post *post = wf_alloc(sizeof *post);
    int err = post ? 0 : -ENOMEM;
    if (post) {
        *post = (struct wf_post){ .mail.deliver = deliver_post,
                                  .ready.run = run_post,
                                  .loop = loop,
                                  .callback = { .fn = fn,
                                                .arg = options->arg,
                                                .name = options->function,
                                                .site = options->site },
                                  .dropped = options->dropped };
        err = wf_inbox_push(loop->inbox, &post->mail);
    }
    if (err < 0) {
        atomic_fetch_sub(&loop->posts, 1);
        wf_free(post);
    }
    return err;
}

/* Notices: the caller's memory; one that is on its way already is not sent again. */

enum { IDLE, MAILED, READY };

static struct wf_notice *inside(struct weft_notice *notice)
{
    return (struct wf_notice *)notice;
}

static void run_notice(struct wf_ready *item, bool closed)
{
    struct wf_notice *notice = wf_container(item, struct wf_notice, ready);
    struct wf_callback callback = { .fn = notice->fn, .arg = notice->arg };
    atomic_store(&notice->state, IDLE);
    if (!closed)
        wf_callback_run(notice->loop, &callback);
}

static void deliver_notice(struct wf_mail *mail, bool closed)
{
    struct wf_notice *notice = wf_container(mail, struct wf_notice, mail);
    atomic_store(&notice->state, closed ? IDLE : READY);
    if (!closed)
        wf_ready_push(&notice->loop->ready, &notice->ready);
}

void weft_notice_init(struct weft_notice *opaque, weft_loop *loop, weft_callback *fn, void *arg)
{
    struct wf_notice *notice = inside(opaque);
    notice->mail.deliver = deliver_notice;
    notice->ready.run = run_notice;
    notice->loop = weft_loop_retain(loop);
    notice->fn = fn;
    notice->arg = arg;
    atomic_init(&notice->state, IDLE);
}

int weft_signal_post(struct weft_notice *opaque)
{
    struct wf_notice *notice = inside(opaque);
    unsigned char idle = IDLE;
    if (!atomic_compare_exchange_strong(&notice->state, &idle, MAILED))
        return 0;
    int err = wf_inbox_push(notice->loop->inbox, &notice->mail);
    if (err < 0)
        atomic_store(&notice->state, IDLE);
    return err;
}

void weft_notice_fini(struct weft_notice *opaque)
{
    struct wf_notice *notice = inside(opaque);
    weft_loop *loop = notice->loop;
    if (atomic_load(&notice->state) == MAILED && loop->closed)
        wf_loop_unrefuse(loop, &notice->mail);
    else if (atomic_load(&notice->state) == MAILED)
        wf_loop_deliver_mail(loop);
    if (atomic_load(&notice->state) == READY)
        wf_loop_unready(loop, &notice->ready);
    weft_loop_release(loop);
}
