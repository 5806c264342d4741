/* Read-write locks.
 *
 *              lock_read            unlock, the last one
 *     FREE ────────────> READ by n ──────────────────────> FREE, or the first in the line
 *       │ lock_write          ↑ downgrade
 *       └──────────> WRITTEN by a task ──unlock──> FREE, or the first in the line
 *
 * One line for both kinds. Whoever lets go, or leaves the line, lets in those at its head: one
 * writer, or readers up to the next writer.
 *
 *   - not both: readers > 0 and writer != 0
 *   - the first in the line could not be let in: somebody writes, or it is a writer and somebody
 *     reads
 *   - a waiter's `need` is the identity of its task when it wants to write, and 0 when it wants to
 *     read */

#include "base/error.h"
#include "sync/objects.h"

#include <stdio.h>
#include <weft/rwlock.h>

struct rwlock {
    struct wf_object object;
    uint64_t writer; /* identity of the task that writes; 0: none */
    uint32_t readers;
    uint64_t read, written;
};

_Static_assert(sizeof(struct rwlock) <= sizeof(weft_rwlock), "weft_rwlock is too small");

#define READER 0 /* who wants to read has no identity */

static struct rwlock *inside(const weft_rwlock *lock)
{
    return (struct rwlock *)(uintptr_t)lock;
}

void weft_rwlock_init_at(weft_rwlock *opaque, const char *site)
{
    struct rwlock *lock = inside(opaque);
    *lock = (struct rwlock){ .writer = 0 };
    wf_bound_init(&lock->object.bound, site);
}

void weft_rwlock_fini(weft_rwlock *opaque)
{
    const struct rwlock *lock = inside(opaque);
    if (lock && (lock->writer != 0 || lock->readers > 0))
        wf_bound_in_use(&lock->object.bound, "read-write lock", lock->object.line.length);
}

/* Who is let in. */

static bool is_open_to(const struct rwlock *lock, uint64_t who)
{
    return lock->writer == 0 && (who == READER || lock->readers == 0);
}

static void let_in(struct rwlock *lock, uint64_t who)
{
    lock->writer = who;
    lock->readers += who == READER;
    lock->read += who == READER;
    lock->written += who != READER;
}

static void serve(struct rwlock *lock)
{
    struct wf_waiter *w;
    while ((w = wf_line_first(&lock->object.line)) && is_open_to(lock, w->need)) {
        wf_line_pop(&lock->object.line);
        let_in(lock, w->need);
        wf_wake(w, 0);
    }
}

static bool take(struct rwlock *lock, uint64_t who)
{
    if (!wf_line_is_empty(&lock->object.line) || !is_open_to(lock, who))
        return false;
    let_in(lock, who);
    return true;
}

/* Waiting. */

static void settle(struct wf_waiter *w)
{
    serve(w->object);
}

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct rwlock *lock = w->object;
    const char *what = w->need == READER ? "to read" : "to write";
    const char *site = wf_site(lock->object.bound.site);
    if (lock->writer != 0)
        snprintf(text, size, "the read-write lock (made at %s) %s, to which task %u writes", site,
                 what, (uint32_t)lock->writer);
    else
        snprintf(text, size, "the read-write lock (made at %s) %s, which %u read", site, what,
                 lock->readers);
    return text;
}

static const struct wf_wait_ops wait_ops = {
    .kind = "a read-write lock", .abort = wf_object_leave, .settle = settle, .describe = describe
};

static int wait_for(struct rwlock *lock, uint64_t who)
{
    struct wf_waiter w;
    wf_waiter_arm(&w, &wait_ops, lock);
    w.wake = wf_wake_task_next;
    w.need = who;
    wf_line_join(&lock->object.line, &w);
    return (int)wf_park(&w);
}

static int check(struct rwlock *lock, const weft_task *task)
{
    int err = wf_bound_check(&lock->object.bound, "read-write lock");
    if (err < 0 || lock->writer != task->identity)
        return err;
    return wf_misuse(-EDEADLK,
                     "task '%s' would wait for itself: it writes to the read-write lock (made at "
                     "%s)",
                     task->name, wf_site(lock->object.bound.site));
}

/* Calls. */

int weft_rwlock_lock_read(weft_rwlock *opaque)
{
    struct rwlock *lock = inside(opaque);
    weft_task *task;
    int err = wf_enter(&task);
    if (err == 0)
        err = check(lock, task);
    if (err < 0)
        return err;
    return take(lock, READER) ? 0 : wait_for(lock, READER);
}

int weft_rwlock_lock_write(weft_rwlock *opaque)
{
    struct rwlock *lock = inside(opaque);
    weft_task *task;
    int err = wf_enter(&task);
    if (err == 0)
        err = check(lock, task);
    if (err < 0)
        return err;
    return take(lock, task->identity) ? 0 : wait_for(lock, task->identity);
}

static int try_lock(struct rwlock *lock, bool write)
{
    if (!wf_in_task(wf_running))
        return wf_misuse(-EPERM,
                         "a read-write lock (made at %s) was tried outside a task: a task "
                         "holds a lock",
                         wf_site(lock->object.bound.site));
    int err = wf_bound_check(&lock->object.bound, "read-write lock");
    if (err < 0)
        return err;
    return take(lock, write ? wf_running->current->identity : READER) ? 0 : -EBUSY;
}

int weft_rwlock_try_lock_read(weft_rwlock *lock)
{
    return try_lock(inside(lock), false);
}

int weft_rwlock_try_lock_write(weft_rwlock *lock)
{
    return try_lock(inside(lock), true);
}

static bool is_writer(const struct rwlock *lock)
{
    return wf_in_task(wf_running) && lock->writer == wf_running->current->identity;
}

static int not_the_holder(const struct rwlock *lock)
{
    const char *site = wf_site(lock->object.bound.site);
    if (lock->writer == 0)
        return wf_misuse(-EPERM, "a read-write lock (made at %s) was unlocked that nobody holds",
                         site);
    return wf_misuse(-EPERM,
                     "a read-write lock (made at %s) was unlocked by another than task %u, which "
                     "writes to it",
                     site, (uint32_t)lock->writer);
}

/* Readers are counted, not known: whoever unlocks takes one away. */
int weft_rwlock_unlock(weft_rwlock *opaque)
{
    struct rwlock *lock = inside(opaque);
    int err = wf_bound_check(&lock->object.bound, "read-write lock");
    if (err < 0)
        return err;
    if (lock->readers > 0)
        lock->readers--;
    else if (is_writer(lock))
        lock->writer = 0;
    else
        return not_the_holder(lock);
    serve(lock);
    return 0;
}

int weft_rwlock_downgrade(weft_rwlock *opaque)
{
    struct rwlock *lock = inside(opaque);
    int err = wf_bound_check(&lock->object.bound, "read-write lock");
    if (err < 0)
        return err;
    if (!is_writer(lock))
        return wf_misuse(-EPERM,
                         "a read-write lock (made at %s) was downgraded by a task that does not "
                         "write to it",
                         wf_site(lock->object.bound.site));
    let_in(lock, READER);
    serve(lock);
    return 0;
}

void weft_rwlock_get_stats(const weft_rwlock *opaque, weft_rwlock_stats *stats)
{
    const struct rwlock *lock = inside(opaque);
    wf_line_tell(&lock->object.line, &stats->line);
    stats->read = lock->read;
    stats->written = lock->written;
    stats->readers = lock->readers;
    stats->writer = (uint32_t)lock->writer;
}
