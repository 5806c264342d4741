/* Read-write locks: who is let in and in which order, cancels, downgrades, misuse; and a random run
 * against a plain model. */

#include "calls.h"

#include <weft/rwlock.h>

/* A call holds the lock when it comes back; unlock() takes it back, in its task's name. */

static int64_t hold(struct call *call, int err)
{
    if (err < 0)
        return err;
    if (call->letter)
        note(call->letter);
    call->waits = false;
    call->result = 0;
    err = weft_sleep(WEFT_FOREVER);
    return err == -ECANCELED ? weft_rwlock_unlock(call->object) : err;
}

static int64_t read_it(struct call *call)
{
    return hold(call, weft_rwlock_lock_read(call->object));
}

static int64_t write_it(struct call *call)
{
    return hold(call, weft_rwlock_lock_write(call->object));
}

/* Whoever has it lets it go. */
static void unlock(struct call *call)
{
    call->letter = NULL;
    cancel(call);
    assert_int_equal(end(call), 0);
}

static weft_rwlock_stats stats_of(const weft_rwlock *lock)
{
    weft_rwlock_stats stats;
    weft_rwlock_get_stats(lock, &stats);
    return stats;
}

#define READER(name, lock)                                                                         \
    {                                                                                              \
        .fn = read_it, .object = (lock), .letter = (name)                                          \
    }
#define WRITER(name, lock)                                                                         \
    {                                                                                              \
        .fn = write_it, .object = (lock), .letter = (name)                                         \
    }

/* Order. */

static int shared_main(void *arg)
{
    (void)arg;
    static weft_rwlock lock; /* zeroed memory is one */
    uint64_t turns = wf_running->counters.turns;
    assert_int_equal(weft_rwlock_lock_read(&lock), 0);
    assert_int_equal(weft_rwlock_lock_read(&lock), 0);
    assert_int_equal(weft_rwlock_try_lock_read(&lock), 0);
    assert_int_equal(weft_rwlock_try_lock_write(&lock), -EBUSY);
    assert_int_equal(stats_of(&lock).readers, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weft_rwlock_unlock(&lock), 0);
    assert_int_equal(weft_rwlock_lock_write(&lock), 0);
    assert_int_equal(weft_rwlock_try_lock_read(&lock), -EBUSY);
    assert_int_equal(weft_rwlock_try_lock_write(&lock), -EBUSY);
    assert_int_equal(stats_of(&lock).writer, wf_task_number(weft_task_self()));
    assert_int_equal(weft_rwlock_unlock(&lock), 0);
    assert_int_equal(weft_rwlock_try_lock_write(&lock), 0);
    assert_int_equal(weft_rwlock_unlock(&lock), 0);
    assert_int_equal(wf_running->counters.turns, turns);
    weft_rwlock_fini(&lock);
    return 0;
}

static void test_rwlock_many_read_or_one_writes(void **state)
{
    (void)state;
    assert_int_equal(run(shared_main, NULL), 0);
}

static int fair_main(void *arg)
{
    (void)arg;
    weft_rwlock lock;
    weft_rwlock_init(&lock);
    struct call a = READER("a", &lock), w = WRITER("W", &lock), b = READER("b", &lock),
                c = READER("c", &lock), v = WRITER("V", &lock), d = READER("d", &lock);
    begin(&a);
    begin(&w);
    begin(&b);
    begin(&c);
    begin(&v);
    begin(&d);
    assert_string_equal(trace, "a");
    assert_int_equal(weft_rwlock_try_lock_read(&lock), -EBUSY);
    unlock(&a);
    settle();
    assert_string_equal(trace, "aW");
    unlock(&w);
    settle();
    assert_string_equal(trace, "aWbc"); /* two readers together, and not the third one */
    unlock(&b);
    settle();
    assert_string_equal(trace, "aWbc");
    unlock(&c);
    settle();
    assert_string_equal(trace, "aWbcV");
    unlock(&v);
    settle();
    assert_string_equal(trace, "aWbcVd");
    unlock(&d);
    weft_rwlock_fini(&lock);
    return 0;
}

static void test_rwlock_lets_in_the_readers_at_the_head_and_nobody_passes(void **state)
{
    (void)state;
    assert_int_equal(run(fair_main, NULL), 0);
}

static int downgrade_main(void *arg)
{
    (void)arg;
    weft_rwlock lock;
    weft_rwlock_init(&lock);
    struct call a = READER("a", &lock), w = WRITER("W", &lock), b = READER("b", &lock);
    assert_int_equal(weft_rwlock_lock_write(&lock), 0);
    begin(&a);
    begin(&w);
    begin(&b);
    assert_int_equal(weft_rwlock_downgrade(&lock), 0);
    settle();
    assert_string_equal(trace, "a");
    assert_int_equal(stats_of(&lock).readers, 2);
    assert_int_equal(weft_rwlock_unlock(&lock), 0);
    settle();
    assert_string_equal(trace, "a");
    unlock(&a);
    settle();
    assert_string_equal(trace, "aW");
    unlock(&w);
    settle();
    unlock(&b);
    assert_int_equal(stats_of(&lock).read, 3);
    assert_int_equal(stats_of(&lock).written, 2);
    weft_rwlock_fini(&lock);
    return 0;
}

static void test_rwlock_downgrade_reads_on_without_a_writer_in_between(void **state)
{
    (void)state;
    assert_int_equal(run(downgrade_main, NULL), 0);
}

/* Cancels. */

static int cancel_main(void *arg)
{
    (void)arg;
    weft_rwlock lock;
    weft_rwlock_init(&lock);
    struct call a = READER("a", &lock), w = WRITER("W", &lock), b = READER("b", &lock),
                c = READER("c", &lock);
    begin(&a);
    begin(&w);
    begin(&b);
    begin(&c);
    cancel(&b);
    w.letter = b.letter = NULL;
    assert_int_equal(end(&b), -ECANCELED);
    assert_true(w.waits && c.waits);
    cancel(&w);
    assert_int_equal(end(&w), -ECANCELED);
    settle();
    assert_string_equal(trace, "ac");
    assert_int_equal(stats_of(&lock).line.cancelled, 2);
    assert_int_equal(stats_of(&lock).readers, 2);
    unlock(&a);
    unlock(&c);
    weft_rwlock_fini(&lock);
    return 0;
}

static void test_rwlock_a_cancelled_writer_lets_the_readers_behind_it_in(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
}

static int granted_main(void *arg)
{
    (void)arg;
    weft_rwlock lock;
    weft_rwlock_init(&lock);
    struct call w = WRITER("W", &lock), r = READER("r", &lock);
    weft_rwlock_lock_write(&lock);
    begin(&w);
    begin(&r);
    weft_rwlock_unlock(&lock);
    cancel(&w); /* holds it already: the next call is cancelled, and it unlocks */
    cancel(&r); /* waits still */
    w.letter = r.letter = NULL;
    assert_int_equal(end(&w), 0);
    assert_int_equal(end(&r), -ECANCELED);
    assert_int_equal(stats_of(&lock).line.cancelled, 1);
    assert_int_equal(stats_of(&lock).written, 2);
    weft_rwlock_fini(&lock);
    return 0;
}

static void test_rwlock_a_lock_that_was_handed_over_is_held(void **state)
{
    (void)state;
    assert_int_equal(run(granted_main, NULL), 0);
}

/* Misuse. */

static int again_main(void *arg)
{
    (void)arg;
    weft_rwlock lock;
    weft_rwlock_init(&lock);
    weft_rwlock_lock_write(&lock);
    assert_int_equal(weft_rwlock_lock_write(&lock), -EDEADLK);
    expect_log("task 'main' would wait for itself: it writes to the read-write lock (made");
    assert_int_equal(weft_rwlock_lock_read(&lock), -EDEADLK);
    assert_int_equal(stats_of(&lock).written, 1);
    weft_rwlock_unlock(&lock);
    weft_rwlock_fini(&lock);
    return 0;
}

static void test_rwlock_who_writes_and_locks_again_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(again_main, NULL), 0);
}

static int64_t unlock_it(struct call *call)
{
    int err = weft_rwlock_downgrade(call->object);
    assert_int_equal(err, -EPERM);
    return weft_rwlock_unlock(call->object);
}

static int stranger_main(void *arg)
{
    (void)arg;
    weft_rwlock lock;
    weft_rwlock_init(&lock);
    struct call stranger = { .fn = unlock_it, .object = &lock };
    assert_int_equal(weft_rwlock_unlock(&lock), -EPERM);
    expect_log("was unlocked that nobody holds");
    weft_rwlock_lock_write(&lock);
    begin(&stranger);
    assert_int_equal(end(&stranger), -EPERM);
    expect_log("was downgraded by a task that does not write to it");
    expect_log("was unlocked by another than task");
    weft_rwlock_unlock(&lock);
    weft_rwlock_lock_read(&lock);
    assert_int_equal(weft_rwlock_downgrade(&lock), -EPERM);
    weft_rwlock_unlock(&lock);
    weft_rwlock_fini(&lock);
    weft_rwlock_fini(NULL);
    return 0;
}

static void test_rwlock_who_does_not_hold_it_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(stranger_main, NULL), 0);
}

static int use_elsewhere(void *lock)
{
    assert_int_equal(weft_rwlock_unlock(lock), WEFT_ETHREAD);
    assert_int_equal(weft_rwlock_downgrade(lock), WEFT_ETHREAD);
    assert_int_equal(weft_rwlock_try_lock_read(lock), WEFT_ETHREAD);
    assert_int_equal(weft_rwlock_try_lock_write(lock), WEFT_ETHREAD);
    assert_int_equal(weft_rwlock_lock_write(lock), WEFT_ETHREAD);
    return weft_rwlock_lock_read(lock);
}

static int thread_main(void *arg)
{
    (void)arg;
    weft_rwlock lock;
    weft_rwlock_init(&lock);
    weft_rwlock_lock_read(&lock);
    assert_int_equal(on_another_thread(use_elsewhere, &lock), WEFT_ETHREAD);
    expect_log("was used by another thread than its own");
    assert_int_equal(stats_of(&lock).readers, 1);
    weft_rwlock_unlock(&lock);
    weft_rwlock_fini(&lock);
    return 0;
}

static void test_rwlock_of_another_thread_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
}

static void test_rwlock_outside_a_task_is_refused(void **state)
{
    (void)state;
    weft_rwlock lock;
    weft_rwlock_init(&lock);
    assert_int_equal(weft_rwlock_lock_read(&lock), -EPERM);
    assert_int_equal(weft_rwlock_lock_write(&lock), -EPERM);
    expect_log("a function that suspends was called outside a task");
    assert_int_equal(weft_rwlock_try_lock_read(&lock), -EPERM);
    assert_int_equal(weft_rwlock_try_lock_write(&lock), -EPERM);
    expect_log("was tried outside a task: a task holds a lock");
    weft_rwlock_fini(&lock);
}

static void unlock_callback(void *lock)
{
    assert_int_equal(weft_rwlock_unlock(lock), 0);
}

static int callback_main(void *arg)
{
    (void)arg;
    weft_rwlock lock;
    weft_rwlock_init(&lock);
    weft_rwlock_lock_read(&lock);
    weft_call_soon(unlock_callback, &lock);
    assert_int_equal(weft_rwlock_lock_write(&lock), 0);
    weft_rwlock_unlock(&lock);
    weft_rwlock_fini(&lock);
    return 0;
}

static void test_rwlock_a_callback_may_unlock_for_a_reader(void **state)
{
    (void)state;
    assert_int_equal(run(callback_main, NULL), 0);
}

static int fini_main(void *arg)
{
    (void)arg;
    weft_rwlock lock;
    weft_rwlock_init(&lock);
    struct call w = WRITER("W", &lock);
    weft_rwlock_lock_read(&lock);
    begin(&w);
    weft_rwlock_fini(&lock);
    return 0;
}

static void fini_in_use(void)
{
    run(fini_main, NULL);
}

static void test_rwlock_given_up_while_it_is_held_aborts(void **state)
{
    (void)state;
    expect_abort(fini_in_use, "the read-write lock (made at ");
    expect_abort(fini_in_use, "was given up while it is in use; waiting: 1");
}

static int words_main(void *arg)
{
    (void)arg;
    weft_rwlock lock;
    weft_rwlock_init(&lock);
    struct call w = WRITER("W", &lock), r = READER("r", &lock);
    weft_rwlock_lock_read(&lock);
    begin(&w);
    begin(&r);
    expect_waits_for(&w, "test_rwlock.c:");
    expect_waits_for(&w, " to write, which 1 read");
    expect_waits_for(&r, " to read, which 1 read");
    assert_int_equal(stats_of(&lock).line.waiting, 2);
    assert_int_equal(stats_of(&lock).line.longest, 2);
    weft_rwlock_unlock(&lock);
    settle();
    expect_waits_for(&r, " to read, to which task ");
    unlock(&w);
    settle();
    unlock(&r);
    assert_int_equal(stats_of(&lock).line.waited, 2);
    assert_int_equal(stats_of(&lock).line.cancelled, 0);
    weft_rwlock_fini(&lock);
    return 0;
}

static void test_rwlock_statistics_and_words(void **state)
{
    (void)state;
    assert_int_equal(run(words_main, NULL), 0);
}

/* A random run. The model: one list of all who hold or wait, in the order of coming; of these the
 * first so many hold it. */

enum { CALLS = 9 };

static struct {
    weft_rwlock lock;
    struct call calls[CALLS];
    bool writes[CALLS];
    size_t list[CALLS];
    size_t length, held;
} m;

static void model_serve(void)
{
    while (m.held < m.length &&
           (m.held == 0 || (!m.writes[m.list[m.held]] && !m.writes[m.list[0]])))
        m.held++;
}

static void model_leave(size_t i)
{
    size_t at = 0;
    while (m.list[at] != i)
        at++;
    m.length--;
    m.held -= at < m.held;
    memmove(&m.list[at], &m.list[at + 1], (m.length - at) * sizeof m.list[0]);
    model_serve();
}

static bool model_holds(size_t i)
{
    for (size_t at = 0; at < m.held; at++)
        if (m.list[at] == i)
            return true;
    return false;
}

static void compare(void)
{
    uint32_t readers = m.held > 0 && !m.writes[m.list[0]] ? (uint32_t)m.held : 0;
    settle();
    for (size_t at = 0; at < m.length; at++)
        assert_int_equal(m.calls[m.list[at]].waits, at >= m.held);
    assert_int_equal(stats_of(&m.lock).readers, readers);
    assert_int_equal(stats_of(&m.lock).writer != 0, m.held > 0 && readers == 0);
    assert_int_equal(stats_of(&m.lock).line.waiting, m.length - m.held);
}

/* One comes, or one that holds it unlocks, or one that waits is cancelled. Without a turn in
 * between the next step meets those who have been let in and have not run. */
static void step(struct dice *dice)
{
    size_t i = dice_below(dice, CALLS);
    struct call *call = &m.calls[i];
    if (!call->task) {
        m.writes[i] = dice_below(dice, 3) == 0;
        call->fn = m.writes[i] ? write_it : read_it;
        m.list[m.length++] = i;
        model_serve();
        begin(call);
    } else {
        bool holds = model_holds(i);
        cancel(call);
        assert_int_equal(end(call), holds ? 0 : -ECANCELED);
        model_leave(i);
    }
    if (dice_below(dice, 2))
        compare();
}

static int random_main(void *arg)
{
    memset(&m, 0, sizeof m);
    for (size_t i = 0; i < CALLS; i++)
        m.calls[i] = (struct call){ .fn = read_it, .object = &m.lock };
    for (int n = operations(100000); n > 0; n--)
        step(arg);
    while (m.length > 0) {
        size_t i = m.list[0];
        cancel(&m.calls[i]);
        assert_int_equal(end(&m.calls[i]), 0);
        model_leave(i);
    }
    weft_rwlock_fini(&m.lock);
    return 0;
}

static void test_rwlock_does_as_its_model(void **state)
{
    (void)state;
    struct dice dice = dice_seed("rwlock");
    assert_int_equal(run(random_main, &dice), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_rwlock_many_read_or_one_writes),
        core_test(test_rwlock_lets_in_the_readers_at_the_head_and_nobody_passes),
        core_test(test_rwlock_downgrade_reads_on_without_a_writer_in_between),
        core_test(test_rwlock_a_cancelled_writer_lets_the_readers_behind_it_in),
        core_test(test_rwlock_a_lock_that_was_handed_over_is_held),
        core_test(test_rwlock_who_writes_and_locks_again_is_refused),
        core_test(test_rwlock_who_does_not_hold_it_is_refused),
        core_test(test_rwlock_of_another_thread_is_refused),
        core_test(test_rwlock_outside_a_task_is_refused),
        core_test(test_rwlock_a_callback_may_unlock_for_a_reader),
        core_test(test_rwlock_given_up_while_it_is_held_aborts),
        core_test(test_rwlock_statistics_and_words),
        core_test(test_rwlock_does_as_its_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
