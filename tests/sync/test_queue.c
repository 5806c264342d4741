/* Queues: three orders, the count of what is done, and the end. */

#include "sync/sync_test.h"

#include <weft/queue.h>

static weft_queue q;
static int numbers[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

static weft_queue_stats stats_now(void)
{
    weft_queue_stats stats;
    weft_queue_get_stats(&q, &stats);
    return stats;
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static int put_one(void *arg)
{
    char text[16];
    int err = weft_queue_put(&q, arg);
    snprintf(text, sizeof text, err < 0 ? "!" : "p%d ", *(int *)arg);
    note(text);
    return err;
}

static int get_one(void *arg)
{
    char text[16];
    int number = -1, err = weft_queue_get(&q, &number);
    snprintf(text, sizeof text, err < 0 ? "!" : "%s%d ", (const char *)arg, number);
    note(text);
    assert_true(err == 0 || number == -1);
    return err;
}

/* Orders. */

static int get(void)
{
    int number = -1;
    assert_int_equal(weft_queue_get(&q, &number), 0);
    return number;
}

static int orders_main(void *arg)
{
    static const int in[] = { 5, 3, 9, 3, 1 };
    static const int out[3][5] = { { 5, 3, 9, 3, 1 }, { 1, 3, 9, 3, 5 }, { 1, 3, 3, 5, 9 } };
    size_t max = arg ? 5 : WEFT_UNBOUNDED;
    for (unsigned order = 0; order < 3; order++) {
        assert_int_equal(
            weft_queue_init(&q, sizeof(int), max, .order = (uint8_t)order, .compare = by_value), 0);
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 5; i++)
                assert_int_equal(weft_queue_put(&q, &in[i]), 0);
            assert_int_equal(weft_queue_count(&q), 5);
            for (int i = 0; i < 5; i++)
                assert_int_equal(get(), out[order][i]);
        }
        weft_queue_fini(&q);
    }
    weft_queue_fini(NULL);
    return 0;
}

static void test_queue_has_three_orders(void **state)
{
    (void)state;
    assert_int_equal(run(orders_main, NULL), 0);
    assert_int_equal(run(orders_main, "bounded"), 0);
}

/* Of equal ones the oldest comes first; items of several sizes, and the alignment they need. */

struct job {
    int priority;
    unsigned number;
    char filling[40];
};

static int by_priority(const void *a, const void *b)
{
    const struct job *x = a, *y = b;
    assert_int_equal((uintptr_t)a % _Alignof(struct job), 0);
    return x->priority - y->priority;
}

static int stable_main(void *arg)
{
    (void)arg;
    struct job last = { -1, 0, "" }, job;
    unsigned number = 0, got = 0, dice = 1;
    assert_int_equal(weft_queue_init(&q, sizeof job, WEFT_UNBOUNDED, .order = WEFT_QUEUE_PRIORITY,
                                     .compare = by_priority),
                     0);
    for (int i = 0; i < 2000; i++) {
        dice = dice * 1103515245 + 12345;
        job = (struct job){ (int)(dice >> 16) % 7, number++, "" };
        memset(job.filling, (int)(job.number % 251), sizeof job.filling);
        assert_int_equal(weft_queue_put(&q, &job), 0);
    }
    while (weft_queue_try_get(&q, &job) == 0) {
        assert_true(job.priority > last.priority ||
                    (job.priority == last.priority && (got == 0 || job.number > last.number)));
        for (size_t i = 0; i < sizeof job.filling; i++)
            assert_int_equal((unsigned char)job.filling[i], job.number % 251);
        last = job;
        got++;
    }
    assert_int_equal(got, 2000);
    weft_queue_fini(&q);
    return 0;
}

static void test_queue_by_priority_is_stable(void **state)
{
    (void)state;
    assert_int_equal(run(stable_main, NULL), 0);
}

struct wide {
    _Alignas(16) uint64_t key;
    uint64_t other;
};

static int by_key(const void *a, const void *b)
{
    const struct wide *x = a, *y = b;
    assert_int_equal((uintptr_t)a % 16, 0);
    assert_int_equal((uintptr_t)b % 16, 0);
    return x->key < y->key ? -1 : x->key > y->key;
}

static int by_byte(const void *a, const void *b)
{
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

static int by_nothing(const void *a, const void *b)
{
    (void)a, (void)b;
    return 0;
}

static int sizes_main(void *arg)
{
    (void)arg;
    struct wide wide;
    unsigned char byte;
    assert_int_equal(
        weft_queue_init(&q, sizeof wide, 100, .order = WEFT_QUEUE_PRIORITY, .compare = by_key), 0);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(weft_queue_put(&q, &(struct wide){ i * 37 % 100, i }), 0);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(weft_queue_get(&q, &wide), 0);
        assert_int_equal(wide.key, i);
        assert_int_equal(wide.other * 37 % 100, i);
    }
    weft_queue_fini(&q);
    assert_int_equal(
        weft_queue_init(&q, 1, WEFT_UNBOUNDED, .order = WEFT_QUEUE_PRIORITY, .compare = by_byte),
        0);
    for (int i = 0; i < 256; i++) {
        byte = (unsigned char)(i * 101);
        assert_int_equal(weft_queue_put(&q, &byte), 0);
    }
    for (int i = 0; i < 256; i++) {
        assert_int_equal(weft_queue_get(&q, &byte), 0);
        assert_int_equal(byte, i);
    }
    weft_queue_fini(&q);
    for (unsigned order = 0; order < 3; order++) {
        assert_int_equal(weft_queue_init(&q, 0, 3, .order = (uint8_t)order, .compare = by_nothing),
                         0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(weft_queue_put(&q, NULL), 0);
        assert_int_equal(weft_queue_try_put(&q, NULL), -EAGAIN);
        for (int i = 0; i < 3; i++)
            assert_int_equal(weft_queue_get(&q, NULL), 0);
        weft_queue_fini(&q);
    }
    return 0;
}

static void test_queue_items_have_any_size_and_alignment(void **state)
{
    (void)state;
    assert_int_equal(run(sizes_main, NULL), 0);
}

/* Waiting. */

static int wait_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_queue_init(&q, sizeof(int), 1), 0);
    weft_task *a = begin(get_one, "a"), *b = begin(get_one, "b");
    weft_sleep(0);
    assert_int_equal(weft_queue_try_put(&q, &numbers[1]), 0);
    assert_int_equal(weft_queue_put(&q, &numbers[2]), 0); /* to b at once */
    assert_int_equal(weft_queue_count(&q), 0);
    int number;
    assert_int_equal(weft_queue_try_get(&q, &number), -EAGAIN);
    assert_int_equal(end_of(a) | end_of(b), 0);
    assert_int_equal(weft_queue_put(&q, &numbers[3]), 0);
    weft_task *four = begin(put_one, &numbers[4]), *five = begin(put_one, &numbers[5]);
    weft_sleep(0);
    assert_int_equal(weft_queue_try_put(&q, &numbers[6]), -EAGAIN);
    assert_int_equal(get(), 3);
    assert_int_equal(weft_queue_try_put(&q, &numbers[6]), -EAGAIN); /* 4 lies in it, 5 waits */
    assert_int_equal(get(), 4);
    assert_int_equal(get(), 5);
    assert_int_equal(end_of(four) | end_of(five), 0);
    assert_int_equal(stats_now().got, 5);
    assert_int_equal(stats_now().unfinished, 5);
    assert_int_equal(stats_now().most, 1);
    assert_int_equal(stats_now().max, 1);
    assert_int_equal(stats_now().putters.waited, 2);
    assert_int_equal(stats_now().getters.waited, 2);
    weft_queue_fini(&q);
    return 0;
}

static void test_queue_who_waits_is_served_in_the_order_of_coming(void **state)
{
    (void)state;
    assert_int_equal(run(wait_main, NULL), 0);
    assert_string_equal(trace, "a1 b2 p4 p5 ");
}

/* A full queue by priority: who waits to put comes in when there is room, not before. */
static int full_main(void *arg)
{
    uint8_t order = arg ? WEFT_QUEUE_LIFO : WEFT_QUEUE_PRIORITY;
    assert_int_equal(weft_queue_init(&q, sizeof(int), 2, .order = order, .compare = by_value), 0);
    assert_int_equal(weft_queue_put(&q, &numbers[5]), 0);
    assert_int_equal(weft_queue_put(&q, &numbers[6]), 0);
    weft_task *one = begin(put_one, &numbers[1]), *nine = begin(put_one, &numbers[9]);
    weft_sleep(0);
    static const int out[2][4] = { { 5, 1, 6, 9 }, { 6, 1, 9, 5 } };
    for (int i = 0; i < 4; i++)
        assert_int_equal(get(), out[arg != NULL][i]);
    assert_int_equal(end_of(one) | end_of(nine), 0);
    weft_queue_fini(&q);
    return 0;
}

static void test_queue_that_is_full_takes_who_waits_when_there_is_room(void **state)
{
    (void)state;
    assert_int_equal(run(full_main, NULL), 0);
    assert_int_equal(run(full_main, "lifo"), 0);
}

static int cancel_main(void *arg)
{
    (void)arg;
    weft_scope s;
    int number = 0;
    assert_int_equal(weft_queue_init(&q, sizeof(int), 1), 0);
    weft_task *a = begin(get_one, "a"), *b = begin(get_one, "b");
    weft_sleep(0);
    weft_task_cancel(a, NULL);
    assert_int_equal(weft_queue_put(&q, &numbers[1]), 0);
    assert_int_equal(end_of(a), -ECANCELED);
    assert_int_equal(end_of(b), 0);
    assert_int_equal(weft_queue_put(&q, &numbers[2]), 0);
    weft_scope_begin(&s, .timeout = SECOND);
    assert_int_equal(weft_queue_put(&q, &numbers[3]), -ECANCELED);
    assert_int_equal(weft_queue_get(&q, &number), -ECANCELED); /* though there is one */
    assert_int_equal(weft_queue_join(&q), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    assert_int_equal(get(), 2);
    assert_int_equal(weft_queue_count(&q), 0);
    a = begin(get_one, "c");
    weft_sleep(0);
    assert_int_equal(weft_queue_put(&q, &numbers[4]), 0);
    weft_task_cancel(a, NULL); /* too late */
    assert_int_equal(end_of(a), 0);
    assert_int_equal(stats_now().putters.cancelled, 1);
    assert_int_equal(stats_now().getters.cancelled, 1);
    weft_queue_fini(&q);
    return 0;
}

static void test_queue_a_cancel_loses_nothing(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
    assert_string_equal(trace, "b1 !c4 "); /* who was served runs next */
}

/* Done. */

static int join_it(void *arg)
{
    int err = weft_queue_join(&q);
    note(err < 0 ? "!" : arg);
    return err;
}

static int join_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_queue_init(&q, sizeof(int), 3), 0);
    assert_int_equal(weft_queue_join(&q), 0); /* nothing was put */
    assert_int_equal(weft_queue_task_done(&q), -EINVAL);
    expect_log("weft_queue_task_done() was called more often than items were got from the queue");
    assert_int_equal(weft_queue_put(&q, &numbers[1]), 0);
    assert_int_equal(weft_queue_task_done(&q), -EINVAL); /* not got yet */
    assert_int_equal(weft_queue_put(&q, &numbers[2]), 0);
    weft_task *a = begin(join_it, "a"), *b = begin(join_it, "b"), *x = begin(join_it, "x");
    weft_sleep(0);
    expect_wait(a, "the work of the queue (made at ../../tests/sync/test_queue.c:");
    weft_task_cancel(x, NULL);
    assert_int_equal(end_of(x), -ECANCELED);
    get();
    assert_int_equal(weft_queue_task_done(&q), 0);
    get();
    let_others_run();
    assert_false(weft_task_is_done(a)); /* it was got, and is not done */
    assert_int_equal(stats_now().unfinished, 1);
    assert_int_equal(stats_now().joiners.waiting, 2);
    assert_int_equal(weft_queue_task_done(&q), 0);
    assert_int_equal(weft_queue_put(&q, &numbers[3]), 0); /* too late to hold them up */
    assert_int_equal(end_of(a) | end_of(b), 0);
    assert_int_equal(stats_now().unfinished, 1);
    weft_queue_fini(&q);
    return 0;
}

static void test_queue_join_waits_until_all_is_done(void **state)
{
    (void)state;
    assert_int_equal(run(join_main, NULL), 0);
    assert_string_equal(trace, "!ab");
}

/* Items that go from hand to hand count as well. */
static int hand_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_queue_init(&q, sizeof(int), 1), 0);
    weft_task *a = begin(get_one, "a");
    weft_sleep(0);
    assert_int_equal(weft_queue_put(&q, &numbers[1]), 0);
    weft_task *j = begin(join_it, "j");
    assert_int_equal(end_of(a), 0);
    assert_false(weft_task_is_done(j));
    assert_int_equal(weft_queue_task_done(&q), 0);
    assert_int_equal(end_of(j), 0);
    weft_queue_fini(&q);
    return 0;
}

static void test_queue_join_counts_what_was_handed_over(void **state)
{
    (void)state;
    assert_int_equal(run(hand_main, NULL), 0);
    assert_string_equal(trace, "a1 j");
}

/* The end. */

static int shutdown_main(void *arg)
{
    (void)arg;
    int number = -1;
    assert_int_equal(weft_queue_init(&q, sizeof(int), 2), 0);
    assert_int_equal(weft_queue_put(&q, &numbers[1]), 0);
    assert_int_equal(weft_queue_put(&q, &numbers[2]), 0);
    weft_task *three = begin(put_one, &numbers[3]), *j = begin(join_it, "j");
    weft_sleep(0);
    weft_queue_shutdown(&q, false);
    weft_queue_shutdown(&q, false);
    assert_int_equal(end_of(three), WEFT_ECLOSED);
    assert_int_equal(weft_queue_put(&q, &numbers[4]), WEFT_ECLOSED);
    assert_int_equal(weft_queue_try_put(&q, &numbers[4]), WEFT_ECLOSED);
    assert_int_equal(get(), 1);
    assert_int_equal(get(), 2);
    assert_int_equal(weft_queue_get(&q, &number), WEFT_ECLOSED);
    assert_int_equal(weft_queue_try_get(&q, &number), WEFT_ECLOSED);
    assert_int_equal(number, -1);
    assert_false(weft_task_is_done(j));
    assert_int_equal(weft_queue_task_done(&q), 0);
    assert_int_equal(weft_queue_task_done(&q), 0);
    assert_int_equal(end_of(j), 0);
    weft_queue_fini(&q);
    assert_int_equal(weft_queue_init(&q, sizeof(int), 2), 0);
    weft_task *a = begin(get_one, "a"), *b = begin(get_one, "b");
    weft_sleep(0);
    weft_queue_shutdown(&q, false);
    assert_int_equal(end_of(a), WEFT_ECLOSED);
    assert_int_equal(end_of(b), WEFT_ECLOSED);
    weft_queue_fini(&q);
    return 0;
}

static void test_queue_after_a_shutdown_what_lies_in_it_is_got_first(void **state)
{
    (void)state;
    assert_int_equal(run(shutdown_main, NULL), 0);
    assert_string_equal(trace, "!j!!");
}

static unsigned dropped;
static int drop_sum;

static void drop_int(void *item)
{
    int number;
    dropped++;
    drop_sum += *(int *)item;
    assert_int_equal(weft_queue_try_put(&q, &numbers[9]), WEFT_ECLOSED);
    assert_int_equal(weft_queue_try_get(&q, &number), WEFT_ECLOSED);
}

static int immediate_main(void *arg)
{
    (void)arg;
    int number;
    for (unsigned order = 0; order < 3; order++) {
        dropped = 0, drop_sum = 0;
        assert_int_equal(weft_queue_init(&q, sizeof(int), 4, .order = (uint8_t)order,
                                         .compare = by_value, .drop = drop_int),
                         0);
        for (int i = 1; i <= 4; i++)
            assert_int_equal(weft_queue_put(&q, &numbers[i]), 0);
        number = get();
        assert_int_equal(weft_queue_put(&q, &numbers[5]), 0);
        weft_task *j = begin(join_it, "j"), *six = begin(put_one, &numbers[6]);
        weft_sleep(0);
        weft_queue_shutdown(&q, false);
        weft_queue_shutdown(&q, true); /* after the gentle one */
        assert_int_equal(dropped, 4);
        assert_int_equal(drop_sum + number, 15);
        assert_int_equal(end_of(six), WEFT_ECLOSED);
        assert_int_equal(weft_queue_count(&q), 0);
        assert_int_equal(stats_now().unfinished, 1);
        assert_false(weft_task_is_done(j)); /* what was got is still worked at */
        assert_int_equal(weft_queue_task_done(&q), 0);
        assert_int_equal(weft_queue_task_done(&q), -EINVAL); /* dropped ones count as done */
        expect_said("weft_queue_task_done() was called more often");
        assert_int_equal(end_of(j), 0);
        weft_queue_shutdown(&q, true);
        weft_queue_fini(&q);
        assert_int_equal(dropped, 4);
    }
    return 0;
}

static void test_queue_an_immediate_shutdown_drops_what_lies_in_it(void **state)
{
    (void)state;
    assert_int_equal(run(immediate_main, NULL), 0);
}

/* Nothing is worked at: who joins goes on at once. */
static int immediate_join_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_queue_init(&q, sizeof(int), 4), 0);
    assert_int_equal(weft_queue_put(&q, &numbers[1]), 0);
    weft_task *j = begin(join_it, "j");
    weft_sleep(0);
    weft_queue_shutdown(&q, true);
    assert_int_equal(end_of(j), 0);
    weft_queue_fini(&q);
    return 0;
}

static void test_queue_an_immediate_shutdown_ends_the_joins(void **state)
{
    (void)state;
    assert_int_equal(run(immediate_join_main, NULL), 0);
    assert_string_equal(trace, "j");
}

static int fini_drop_main(void *arg)
{
    (void)arg;
    for (unsigned order = 0; order < 3; order++) {
        dropped = 0, drop_sum = 0;
        assert_int_equal(weft_queue_init(&q, sizeof(int), WEFT_UNBOUNDED, .order = (uint8_t)order,
                                         .compare = by_value, .drop = drop_int),
                         0);
        for (int i = 1; i <= 9; i++)
            assert_int_equal(weft_queue_put(&q, &numbers[i]), 0);
        int number = get();
        weft_queue_fini(&q);
        assert_int_equal(dropped, 8);
        assert_int_equal(drop_sum + number, 45);
    }
    return 0;
}

static void test_queue_given_up_drops_what_lies_in_it_once(void **state)
{
    (void)state;
    assert_int_equal(run(fini_drop_main, NULL), 0);
}

/* Memory. */

static int no_memory_main(void *arg)
{
    (void)arg;
    int in = 100;
    for (unsigned order = 0; order < 3; order++) {
        allocations_left = 0;
        assert_int_equal(weft_queue_init(&q, sizeof(int), 100), -ENOMEM);
        assert_non_null(strstr(weft_error_detail(), "no memory for a queue of 100 items"));
        assert_int_equal(weft_queue_init(&q, sizeof(int), WEFT_UNBOUNDED, .order = (uint8_t)order,
                                         .compare = by_value),
                         0);
        assert_int_equal(weft_queue_put(&q, &in), -ENOMEM);
        allocations_left = 1;
        unsigned count = 0;
        while (weft_queue_try_put(&q, &in) == 0)
            count++;
        assert_int_equal(weft_queue_put(&q, &in), -ENOMEM);
        assert_int_equal(weft_queue_count(&q), count);
        allocations_left = UINT_MAX;
        for (; count > 0; count--)
            assert_int_equal(get(), 100);
        assert_int_equal(weft_queue_put(&q, &in), 0);
        weft_queue_fini(&q);
    }
    assert_int_equal(weft_queue_init(&q, SIZE_MAX - 4, 1), -ENOMEM);
    assert_int_equal(
        weft_queue_init(&q, SIZE_MAX - 4, 1, .order = WEFT_QUEUE_PRIORITY, .compare = by_value),
        -ENOMEM);
    return 0;
}

static void test_queue_without_memory_says_so_and_loses_nothing(void **state)
{
    (void)state;
    count_allocations();
    assert_int_equal(run(no_memory_main, NULL), 0);
    count_no_allocations();
}

/* Misuse, callbacks, threads, words. */

static void test_queue_misuse_is_told(void **state)
{
    (void)state;
    weft_queue before = q;
    assert_int_equal(weft_queue_init(&q, sizeof(int), 0), -EINVAL);
    expect_log("a queue with room for nothing, at ../../tests/sync/test_queue.c:");
    assert_int_equal(weft_queue_init(&q, sizeof(int), 1, .order = 3), -EINVAL);
    expect_log(".order 3 at ../../tests/sync/test_queue.c:");
    assert_int_equal(weft_queue_init(&q, sizeof(int), 1, .order = WEFT_QUEUE_PRIORITY), -EINVAL);
    expect_log("a queue by priority without .compare, at ../../tests/sync/test_queue.c:");
    assert_memory_equal(&before, &q, sizeof q);
}

static void work_in_callback(void *arg)
{
    int number;
    assert_int_equal(weft_queue_try_put(&q, arg), 0); /* to who waits */
    assert_int_equal(weft_queue_try_put(&q, arg), 0);
    assert_int_equal(weft_queue_try_get(&q, &number), 0);
    assert_int_equal(weft_queue_task_done(&q), 0);
}

static int callback_main(void *arg)
{
    (void)arg;
    weft_call_later(SECOND, work_in_callback, &numbers[4]);
    assert_int_equal(get(), 4);
    assert_int_equal(weft_queue_task_done(&q), 0);
    return weft_queue_join(&q);
}

static void test_queue_callbacks_may_try_and_runs_may_follow_one_another(void **state)
{
    (void)state;
    assert_int_equal(weft_queue_init(&q, sizeof(int), 1), 0);
    assert_int_equal(run(callback_main, NULL), 0);
    assert_int_equal(run(callback_main, NULL), 0);
    weft_queue_fini(&q);
}

static int elsewhere(void)
{
    int number = 0;
    assert_int_equal(weft_queue_try_put(&q, &number), WEFT_ETHREAD);
    assert_int_equal(weft_queue_try_get(&q, &number), WEFT_ETHREAD);
    assert_int_equal(weft_queue_task_done(&q), WEFT_ETHREAD);
    weft_queue_shutdown(&q, true);
    return take_log("the queue (made at ../../tests/sync/test_queue.c:") > 0;
}

static int join_in_loop_elsewhere(void)
{
    return run(join_it, "x");
}

static int thread_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_queue_init(&q, sizeof(int), 1), 0);
    assert_int_equal(weft_queue_put(&q, &numbers[1]), 0);
    assert_int_equal(on_another_thread(elsewhere), 1);
    assert_int_equal(on_another_thread(join_in_loop_elsewhere), WEFT_ETHREAD);
    expect_log("was used by another thread than its own");
    assert_int_equal(get(), 1);
    weft_queue_fini(&q);
    return 0;
}

static void test_queue_belongs_to_a_thread(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
}

static int fini_main(void *arg)
{
    weft_queue_init(&q, sizeof(int), 1);
    weft_queue_put(&q, &numbers[1]);
    begin(arg ? join_it : put_one, arg ? arg : &numbers[2]);
    weft_sleep(0);
    weft_queue_fini(&q);
    return 0;
}

static void fini_before_putter(void)
{
    run(fini_main, NULL);
}

static void fini_before_joiner(void)
{
    run(fini_main, "j");
}

static void test_queue_given_up_while_somebody_waits_aborts(void **state)
{
    (void)state;
    expect_abort(fini_before_putter, "was given up while it is in use; waiting: 1");
    expect_abort(fini_before_joiner, "was given up while it is in use; waiting: 1");
}

static int words_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_queue_init(&q, sizeof(int), 1), 0);
    weft_task *a = begin(get_one, "a");
    weft_sleep(0);
    expect_wait(a, "an item of the queue (made at ../../tests/sync/test_queue.c:");
    assert_int_equal(weft_queue_put(&q, &numbers[1]), 0);
    assert_int_equal(end_of(a), 0);
    assert_int_equal(weft_queue_put(&q, &numbers[2]), 0);
    a = begin(put_one, &numbers[3]);
    weft_sleep(0);
    expect_wait(a, "room in the queue (made at ../../tests/sync/test_queue.c:");
    expect_wait(a, "), which has 1");
    assert_int_equal(get(), 2);
    assert_int_equal(get(), 3);
    assert_int_equal(end_of(a), 0);
    weft_queue_fini(&q);
    return 0;
}

static void test_queue_a_wait_for_it_says_what_lies_in_it(void **state)
{
    (void)state;
    assert_int_equal(run(words_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_queue_has_three_orders),
        core_test(test_queue_by_priority_is_stable),
        core_test(test_queue_items_have_any_size_and_alignment),
        core_test(test_queue_who_waits_is_served_in_the_order_of_coming),
        core_test(test_queue_that_is_full_takes_who_waits_when_there_is_room),
        core_test(test_queue_a_cancel_loses_nothing),
        core_test(test_queue_join_waits_until_all_is_done),
        core_test(test_queue_join_counts_what_was_handed_over),
        core_test(test_queue_after_a_shutdown_what_lies_in_it_is_got_first),
        core_test(test_queue_an_immediate_shutdown_drops_what_lies_in_it),
        core_test(test_queue_an_immediate_shutdown_ends_the_joins),
        core_test(test_queue_given_up_drops_what_lies_in_it_once),
        core_test(test_queue_without_memory_says_so_and_loses_nothing),
        core_test(test_queue_misuse_is_told),
        core_test(test_queue_callbacks_may_try_and_runs_may_follow_one_another),
        core_test(test_queue_belongs_to_a_thread),
        core_test(test_queue_given_up_while_somebody_waits_aborts),
        core_test(test_queue_a_wait_for_it_says_what_lies_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
