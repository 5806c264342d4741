/* A signal that makes a loop say what it waits for, and the other loops of its run.
 *
 *     signal ──handler──> notice ──next turn──> dump to the descriptor
 *                                └──posts to the others──> likewise, one at a time
 *
 * There is one for the whole process, owned by the loop that asked first. It ends with its loop:
 * a callback that is asked for at no time at all is dropped then, and the drop gives the signal
 * back. */

#include "core/group.h"
#include "core/loop.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <weft/error.h>
#include <weft/inspect.h>
#include <weft/log.h>

enum { FREE, TAKEN, ARMED };

static struct {
    atomic_int state;   /* FREE; TAKEN: being set up or taken down; ARMED: handlers may post */
    atomic_int posting; /* threads in the handler */
    weft_loop *loop;
    struct weft_notice notice;
    struct sigaction before;
    int number;
    int fd;
    weft_handle end;
} asked;

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add(&asked.posting, 1);
    if (atomic_load(&asked.state) == ARMED)
        weft_signal_post(&asked.notice);
    atomic_fetch_sub(&asked.posting, 1);
}

/* Texts of two loops do not mix, and none comes after the descriptor was given back. */
static struct wf_lock writing = WF_LOCK_INIT;

static void dump(void *arg)
{
    (void)arg;
    wf_lock(&writing);
    int err = atomic_load(&asked.state) == ARMED ? weft_dump(asked.fd) : 0;
    wf_unlock(&writing);
    if (err < 0)
        weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING, "a dump could not be written: %s",
                 weft_error_text(err));
}

static void on_notice(void *arg)
{
    const weft_loop *loop = weft_loop_current();
    for (unsigned i = 0; i < weft_loop_count(); i++)
        if (weft_loop_at(i) != loop)
            weft_post(weft_loop_at(i), dump, NULL); /* one that has ended has nothing to say */
    dump(arg);
}

static void never(void *arg)
{
    (void)arg;
}

/* Whoever has put up another handler since keeps it. */
static void restore(void)
{
    struct sigaction now;
    if (sigaction(asked.number, NULL, &now) == 0 && now.sa_handler == on_signal)
        sigaction(asked.number, &asked.before, NULL);
}

/* The drop of the callback that never comes. */
static void give_back(void *arg)
{
    (void)arg;
    restore();
    wf_lock(&writing);
    atomic_exchange(&asked.state, TAKEN); /* before `posting` is read */
    wf_unlock(&writing);
    while (atomic_load(&asked.posting) > 0) /* another thread's handler holds the notice */
        sched_yield();
    weft_notice_fini(&asked.notice);
    atomic_store(&asked.state, FREE);
}

static int take_signal(void)
{
    struct sigaction ours = { .sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK };
    sigemptyset(&ours.sa_mask);
    if (sigaction(asked.number, &ours, &asked.before) < 0)
        return -errno;
    asked.end = weft_call_at(WEFT_FOREVER, never, NULL, .drop = give_back, .no_locals = true);
    if (asked.end.id != 0)
        return 0;
    restore();
    return -ENOMEM;
}

static int take(void)
{
    weft_notice_init(&asked.notice, asked.loop, on_notice, NULL);
    int err = take_signal();
    if (err < 0)
        weft_notice_fini(&asked.notice);
    return err;
}

static void stop(const weft_loop *loop)
{
    if (atomic_load(&asked.state) == ARMED && asked.loop == loop)
        weft_handle_cancel(asked.end);
}

int weft_dump_on_signal(int signal_number, int fd)
{
    weft_loop *loop = weft_loop_current();
    int expected = FREE;
    if (!loop || loop->closed)
        return wf_misuse(-EPERM, "weft_dump_on_signal() where there is no loop");
    if (fd < 0) {
        stop(loop);
        return 0;
    }
    if (!atomic_compare_exchange_strong(&asked.state, &expected, TAKEN))
        return wf_misuse(-EBUSY, "weft_dump_on_signal(): this process has such a signal already");
    asked.loop = loop;
    asked.number = signal_number;
    asked.fd = fd;
    int err = take();
    atomic_store(&asked.state, err < 0 ? FREE : ARMED);
    return err;
}
