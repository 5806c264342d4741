/* Barriers, read-write locks and their like under the torture driver: whatever was cancelled or
 * refused, nobody stands in a line afterwards, what was held has come back, and the object can be
 * used as if nothing had happened. */

#include "torture.h"

#include <errno.h>
#include <weft/barrier.h>
#include <weft/error.h>
#include <weft/once.h>
#include <weft/rwlock.h>
#include <weft/scope.h>
#include <weft/task.h>

#define SOME_TIME (10 * WEFT_MILLISECOND)

static void check(int result)
{
    torture_accept(result);
    if (torture_is_calm())
        torture_require(result == 0);
}

/* What a task hears when another one has been struck. */
static int by_another(int err)
{
    bool heard = err == WEFT_EBROKEN || err == WEFT_ECLOSED || err == -ETIMEDOUT;
    return heard && torture_excuses(-ECANCELED) ? -ECANCELED : err;
}

/* Each function in a task of its own, in a scope with a limit. */
static int run_all(weft_fn *const fns[], size_t count, void *arg)
{
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    for (size_t i = 0; i < count; i++)
        weft_spawn(&s, fns[i], arg);
    return by_another(weft_scope_end(&s));
}

#define RUN_ALL(arg, ...)                                                                          \
    run_all((weft_fn *const[]){ __VA_ARGS__ },                                                     \
            sizeof((weft_fn *const[]){ __VA_ARGS__ }) / sizeof(weft_fn *), (arg))

/* A barrier: in each round each place once. Who cannot come any more breaks it. */

#define ROUNDS 3

static struct {
    weft_barrier barrier;
    unsigned places[ROUNDS]; /* bits */
} meeting;

static int meet(void *arg)
{
    (void)arg;
    int place = 0;
    for (int i = 0; place >= 0 && i < ROUNDS; i++) {
        place = weft_barrier_wait(&meeting.barrier);
        if (place < 0)
            break;
        torture_require(place < 3 && !(meeting.places[i] & 1u << place));
        meeting.places[i] |= 1u << place;
        int err = weft_sleep(place * SOME_TIME);
        place = err < 0 ? err : place;
    }
    if (place < 0)
        weft_barrier_abort(&meeting.barrier);
    return place < 0 ? by_another(place) : 0;
}

static int barrier(void *arg)
{
    weft_barrier_stats stats;
    weft_barrier_init(&meeting.barrier, 3);
    for (int i = 0; i < ROUNDS; i++)
        meeting.places[i] = 0;
    int err = RUN_ALL(arg, meet, meet, meet);
    for (int i = 0; err == 0 && i < ROUNDS; i++)
        torture_require(!torture_is_calm() || meeting.places[i] == 7);
    weft_barrier_reset(&meeting.barrier);
    weft_barrier_get_stats(&meeting.barrier, &stats);
    torture_require(stats.line.waiting == 0 && !stats.broken);
    weft_barrier_fini(&meeting.barrier);
    return err;
}

/* A read-write lock: who writes is alone; it is free in the end. */

static struct {
    weft_rwlock lock;
    int readers, writers;
} book;

static int read_it(void *arg)
{
    (void)arg;
    int err = 0;
    for (int i = 0; err == 0 && i < 2; i++) {
        err = weft_rwlock_lock_read(&book.lock);
        if (err < 0)
            return err;
        torture_require(book.writers == 0);
        book.readers++;
        err = weft_sleep(SOME_TIME);
        book.readers--;
        torture_require(weft_rwlock_unlock(&book.lock) == 0);
    }
    return err;
}

static int write_it(void *arg)
{
    (void)arg;
    int err = weft_rwlock_lock_write(&book.lock);
    if (err < 0)
        return err;
    torture_require(book.readers == 0 && ++book.writers == 1);
    err = weft_sleep(SOME_TIME);
    book.writers--;
    torture_require(weft_rwlock_downgrade(&book.lock) == 0);
    book.readers++;
    int err2 = weft_sleep(SOME_TIME);
    book.readers--;
    torture_require(weft_rwlock_unlock(&book.lock) == 0);
    return err < 0 ? err : err2;
}

static int rwlock(void *arg)
{
    weft_rwlock_init(&book.lock);
    book.readers = book.writers = 0;
    int err = RUN_ALL(arg, read_it, write_it, read_it, read_it, write_it, read_it);
    torture_require(weft_rwlock_try_lock_write(&book.lock) == 0);
    torture_require(weft_rwlock_unlock(&book.lock) == 0);
    weft_rwlock_fini(&book.lock);
    return err;
}

/* Once: it fails twice and then succeeds; nobody does it while another does. */

static struct {
    weft_once once;
    int inside, runs, successes;
} setup;

static int set_up(void *arg)
{
    (void)arg;
    torture_require(++setup.inside == 1);
    bool fails = setup.runs++ < 2;
    int err = weft_sleep(SOME_TIME);
    setup.inside--;
    if (err == 0 && fails)
        return -EBADMSG;
    setup.successes += err == 0;
    return err < 0 ? err : 5;
}

static int need_it(void *arg)
{
    int result = weft_once_run(&setup.once, set_up, arg);
    if (result >= 0)
        torture_require(result == 5 && setup.successes == 1);
    return result == -EBADMSG || result > 0 ? 0 : result;
}

static int once(void *arg)
{
    weft_once_init(&setup.once);
    setup.inside = setup.runs = setup.successes = 0;
    int err = RUN_ALL(arg, need_it, need_it, need_it, need_it);
    torture_require(setup.successes <= 1);
    torture_require(weft_once_is_done(&setup.once) == (setup.successes == 1));
    torture_require(!torture_is_calm() || setup.runs == 3);
    weft_once_fini(&setup.once);
    return err;
}

static const struct torture_scenario scenarios[] = {
    { "barrier", barrier, NULL, check },
    { "rwlock", rwlock, NULL, check },
    { "once", once, NULL, check },
};

int main(void)
{
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
