/* Read-write locks: one line for both sides, served from its head:
 *
 *     line: R R W R     nobody writes: both readers in front go in, the writer waits for them, and
 *                       the reader behind it for the writer
 *
 *   - the first in the line is one that cannot go in now
 *   - a waiter's `need` is 1 when it wants to write */

#include "base/error.h"
#include "core/line.h"
#include "sync/bound.h"

#include <stdio.h>
#include <weft/rwlock.h>

struct rwlock {
    struct wf_bound bound;
    struct wf_line line;
    uint64_t writer; /* wf_task_identity(); 0: nobody writes */
    uint32_t readers;
    uint64_t read, written;
};

_Static_assert(sizeof(struct rwlock) <= sizeof(weft_rwlock), "weft_rwlock is too small");

static struct rwlock *inside(const weft_rwlock *rwlock)
{
    return (struct rwlock *)(uintptr_t)rwlock;
}

void weft_rwlock_init_at(weft_rwlock *opaque, const char *site)
{
    struct rwlock *rwlock = inside(opaque);
    *rwlock = (struct rwlock){ .readers = 0 };
    wf_bound_init(&rwlock->bound, site);
}

void weft_rwlock_fini(weft_rwlock *opaque)
{
    const struct rwlock *rwlock = inside(opaque);
    if (rwlock && (rwlock->writer || rwlock->readers > 0))
        wf_bound_in_use(&rwlock->bound, "read-write lock", rwlock->line.length);
}

/* Going in. */

static bool may_enter(const struct rwlock *rwlock, bool writes)
{
    return !rwlock->writer && (!writes || rwlock->readers == 0);
}

static void enter(struct rwlock *rwlock, const weft_task *task, bool writes)
{
    if (writes) {
        rwlock->writer = wf_task_identity(task);
        rwlock->written++;
    } else {
        rwlock->readers++;
        rwlock->read++;
    }
}

static void let_in(struct rwlock *rwlock)
{
    struct wf_waiter *w;
    while ((w = wf_line_first(&rwlock->line)) && may_enter(rwlock, w->need == 1)) {
        enter(rwlock, w->owner, w->need == 1);
        wf_wake(wf_line_pop(&rwlock->line), 0);
    }
}

static bool abort_wait(struct wf_waiter *w)
{
    struct rwlock *rwlock = w->object;
    wf_line_leave(&rwlock->line, w);
    return true;
}

/* A writer has gone away, and those behind it may go in. */
static void settle(struct wf_waiter *w)
{
    let_in(w->object);
}

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct rwlock *rwlock = w->object;
    const char *site = wf_site(rwlock->bound.site);
    if (rwlock->writer)
        snprintf(text, size, "the read-write lock (made at %s) that task %u writes under", site,
                 (uint32_t)rwlock->writer);
    else
        snprintf(text, size, "the read-write lock (made at %s) that %u read under", site,
                 rwlock->readers);
    return text;
}

static const struct wf_wait_ops wait_ops = {
    .kind = "a read-write lock", .abort = abort_wait, .settle = settle, .describe = describe
};

static int lock(struct rwlock *rwlock, bool writes)
{
    weft_task *task;
    int err = wf_enter(&task);
    if (err == 0)
        err = wf_bound_check(&rwlock->bound, "read-write lock");
    if (err < 0)
        return err;
    if (rwlock->writer == wf_task_identity(task))
        return wf_misuse(
            -EDEADLK,
            "task '%s' would wait for itself: it writes under the read-write lock (made "
            "at %s)",
            task->name, wf_site(rwlock->bound.site));
    if (wf_line_is_empty(&rwlock->line) && may_enter(rwlock, writes)) {
        enter(rwlock, task, writes);
        return 0;
    }
    struct wf_waiter w;
    wf_waiter_arm(&w, &wait_ops, rwlock);
    w.need = writes;
    wf_line_join(&rwlock->line, &w);
    return (int)wf_park(&w);
}

int weft_rwlock_lock_read(weft_rwlock *rwlock)
{
    return lock(inside(rwlock), false);
}

int weft_rwlock_lock_write(weft_rwlock *rwlock)
{
    return lock(inside(rwlock), true);
}

static int try_lock(struct rwlock *rwlock, bool writes)
{
    if (!wf_in_task(wf_running))
        return wf_misuse(-EPERM, "a read-write lock (made at %s) was wanted outside a task",
                         wf_site(rwlock->bound.site));
    int err = wf_bound_check(&rwlock->bound, "read-write lock");
    if (err < 0)
        return err;
    if (!wf_line_is_empty(&rwlock->line) || !may_enter(rwlock, writes))
        return -EBUSY;
    enter(rwlock, wf_running->current, writes);
    return 0;
}

int weft_rwlock_try_lock_read(weft_rwlock *rwlock)
{
    return try_lock(inside(rwlock), false);
}

int weft_rwlock_try_lock_write(weft_rwlock *rwlock)
{
    return try_lock(inside(rwlock), true);
}

/* Coming out. */

static bool is_writer(const struct rwlock *rwlock)
{
    return wf_running && rwlock->writer == wf_task_identity(wf_running->current);
}

int weft_rwlock_unlock(weft_rwlock *opaque)
{
    struct rwlock *rwlock = inside(opaque);
    const char *site = wf_site(rwlock->bound.site);
    int err = wf_bound_check(&rwlock->bound, "read-write lock");
    if (err < 0)
        return err;
    if (is_writer(rwlock))
        rwlock->writer = 0;
    else if (rwlock->readers > 0)
        rwlock->readers--;
    else if (rwlock->writer)
        return wf_misuse(
            -EPERM,
            "a read-write lock (made at %s) was unlocked by another than task %u, which "
            "writes under it",
            site, (uint32_t)rwlock->writer);
    else
        return wf_misuse(-EPERM, "a read-write lock (made at %s) was unlocked that nobody holds",
                         site);
    let_in(rwlock);
    return 0;
}

int weft_rwlock_downgrade(weft_rwlock *opaque)
{
    struct rwlock *rwlock = inside(opaque);
    if (!is_writer(rwlock))
        return wf_misuse(-EPERM,
                         "a read-write lock (made at %s) was downgraded by a task that does not "
                         "write under it",
                         wf_site(rwlock->bound.site));
    rwlock->writer = 0;
    enter(rwlock, wf_running->current, false);
    let_in(rwlock);
    return 0;
}

void weft_rwlock_get_stats(const weft_rwlock *opaque, weft_rwlock_stats *stats)
{
    const struct rwlock *rwlock = inside(opaque);
    wf_line_tell(&rwlock->line, &stats->line);
    stats->read = rwlock->read;
    stats->written = rwlock->written;
    stats->readers = rwlock->readers;
    stats->writer = (uint32_t)rwlock->writer;
}
