/* Messages from other threads and from signal handlers (semantics 17, hazard 13). */

#include "core_test.h"

#include <sys/time.h>

/* Many threads. */

enum { THREADS = 8 };
static long posts_each;
static long received, out_of_order;

struct message {
    int thread;
    long number;
};

static struct poster {
    weft_loop *loop;
    int thread;
    long last;    /* the loop's: the last number that arrived */
    long retries; /* the thread's: -EAGAIN */
} posters[THREADS];

static void receive(void *arg)
{
    struct message *message = arg;
    struct poster *poster = &posters[message->thread];
    out_of_order += message->number != poster->last + 1;
    poster->last = message->number;
    received++;
    free(message);
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;
    for (long i = 1; i <= posts_each; i++) {
        struct message *message = malloc(sizeof *message);
        *message = (struct message){ poster->thread, i };
        while (weft_post(poster->loop, receive, message, .dropped = free) == -EAGAIN) {
            poster->retries++;
            sched_yield();
        }
    }
    weft_loop_release(poster->loop);
    return NULL;
}

static int posts_main(void *arg)
{
    pthread_t *threads = arg;
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){ .loop = weft_loop_retain(weft_loop_current()), .thread = i };
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    while (received < THREADS * posts_each)
        assert_int_equal(weft_sleep(MILLISECOND), 0);
    return 0;
}

static void test_semantics_17_eight_threads_lose_nothing_and_keep_their_order(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    posts_each = text ? strtol(text, NULL, 10) : 100000;
    received = out_of_order = 0;
    assert_int_equal(weft_run(posts_main, threads, .no_signals = true, .posts_max = 1000), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(received, THREADS * posts_each);
    assert_int_equal(out_of_order, 0);
}

/* A loop that ends while others still post. */

static atomic_long posted, ran, dropped;

static void count_run(void *arg)
{
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static void count_dropped(void *arg)
{
    (void)arg;
    atomic_fetch_add(&dropped, 1);
}

static void *post_until_closed(void *arg)
{
    int err;
    do {
        err = weft_post(arg, count_run, NULL, .dropped = count_dropped);
        if (err == 0)
            atomic_fetch_add(&posted, 1);
    } while (err == 0 || err == -EAGAIN);
    assert_int_equal(err, -ESHUTDOWN);
    weft_loop_release(arg);
    return NULL;
}

static int race_main(void *arg)
{
    pthread_t *threads = arg;
    for (int i = 0; i < 4; i++) {
        weft_loop *loop = weft_loop_retain(weft_loop_current());
        assert_int_equal(pthread_create(&threads[i], NULL, post_until_closed, loop), 0);
    }
    while (atomic_load(&ran) < 100)
        weft_sleep(10 * WEFT_MICROSECOND);
    return 0;
}

static void test_semantics_17_each_post_runs_or_is_dropped_when_the_loop_ends(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        pthread_t threads[4];
        posted = ran = dropped = 0;
        /* Few may wait: who is shuffled counts them in each turn. */
        assert_int_equal(weft_run(race_main, threads, .no_signals = true, .posts_max = 1024), 0);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(posted, ran + dropped);
    }
}

/* One thread. */

static void note_callback(void *arg)
{
    note(arg);
}

static void note_dropped(void *arg)
{
    note("-");
    note(arg);
}

static void test_semantics_17_close_drops_what_is_left(void **state)
{
    (void)state;
    weft_loop *loop;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST, .posts_max = 3), 0);
    weft_loop_retain(loop);
    assert_int_equal(weft_post(loop, note_callback, "a", .dropped = note_dropped), 0);
    assert_int_equal(weft_post(loop, note_callback, "b"), 0);
    assert_int_equal(weft_post(loop, note_callback, "c", .dropped = note_dropped), 0);
    assert_int_equal(weft_post(loop, note_callback, "d", .dropped = note_dropped), -EAGAIN);
    weft_loop_stop(loop);
    assert_int_equal(weft_loop_run_forever(loop), 0); /* delivered, to run in the next turn */
    assert_string_equal(trace, "");
    assert_int_equal(weft_loop_free(loop), 0);
    assert_string_equal(trace, "-a-c");
    assert_int_equal(weft_post(loop, note_callback, "e", .dropped = note_dropped), -ESHUTDOWN);
    assert_string_equal(trace, "-a-c"); /* a refused one is the caller's */
    weft_loop_release(loop);
}

static void test_semantics_17_the_mailbox_is_bounded_and_empties(void **state)
{
    (void)state;
    weft_loop *loop;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST, .posts_max = 2), 0);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(weft_post(loop, note_callback, "x"), 0);
        assert_int_equal(weft_post(loop, note_callback, "y"), 0);
        assert_int_equal(weft_post(loop, note_callback, "z"), -EAGAIN);
        for (int i = 0; i < 2; i++) {
            weft_loop_stop(loop);
            assert_int_equal(weft_loop_run_forever(loop), 0);
        }
    }
    assert_string_equal(trace, "xyxyxy");
    struct wf_memory_fault fault = { .countdown = 1 };
    wf_memory_fault_set(&fault);
    assert_int_equal(weft_post(loop, note_callback, "m"), -ENOMEM);
    wf_memory_fault_set(NULL);
    assert_int_equal(weft_loop_free(loop), 0);
}

static void post_in_drop(void *arg)
{
    note("d");
    assert_int_equal(weft_post(arg, note_callback, "x"), -ESHUTDOWN);
    assert_int_equal(weft_spawn(weft_background(), return_zero, NULL), -ESHUTDOWN);
    assert_int_equal(weft_call_soon(note_callback, "x").id, 0);
}

static void test_semantics_17_a_dropped_function_finds_the_door_closed(void **state)
{
    (void)state;
    weft_loop *loop;
    assert_int_equal(weft_loop_new(&loop), 0);
    assert_int_equal(weft_post(loop, note_callback, loop, .dropped = post_in_drop), 0);
    assert_int_equal(weft_loop_free(loop), 0);
    assert_string_equal(trace, "d");
    take_log("a callback was asked for");
}

/* Notices. */

static struct weft_notice notice, second;
static int calls;

static void count_call(void *arg)
{
    (void)arg;
    calls++;
}

static void fini_second(void *arg)
{
    (void)arg;
    calls++;
    weft_notice_fini(&second);
}

static int notice_main(void *arg)
{
    (void)arg;
    weft_loop *loop = weft_loop_current();
    weft_notice_init(&notice, loop, count_call, NULL);
    for (int i = 0; i < 100; i++)
        assert_int_equal(weft_signal_post(&notice), 0);
    weft_sleep(MILLISECOND);
    assert_int_equal(calls, 1); /* coalesced */
    assert_int_equal(weft_signal_post(&notice), 0);
    weft_sleep(MILLISECOND);
    assert_int_equal(calls, 2);
    assert_int_equal(weft_signal_post(&notice), 0);
    weft_notice_fini(&notice); /* on its way: dropped */
    weft_sleep(MILLISECOND);
    assert_int_equal(calls, 2);
    weft_notice_init(&notice, loop, fini_second, NULL);
    weft_notice_init(&second, loop, count_call, NULL);
    weft_signal_post(&notice);
    weft_signal_post(
        &second); /* both in one turn; the first takes the second back, which is last */
    weft_sleep(MILLISECOND);
    assert_int_equal(calls, 3);
    weft_notice_fini(&notice);
    return 0;
}

static void test_semantics_17_notices_coalesce_and_can_be_taken_back(void **state)
{
    (void)state;
    calls = 0;
    assert_int_equal(run(notice_main, NULL), 0);
}

static void take_back(void *arg)
{
    weft_notice_fini(arg);
    free(arg);
    calls++;
}

static void test_semantics_17_a_notice_is_taken_back_while_the_mail_is_refused(void **state)
{
    (void)state;
    weft_loop *loop;
    struct weft_notice *later = malloc(sizeof *later);
    calls = 0;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    weft_notice_init(later, loop, count_call, NULL);
    assert_int_equal(weft_post(loop, count_call, later, .dropped = take_back), 0);
    assert_int_equal(weft_signal_post(later), 0);
    assert_int_equal(weft_loop_free(loop), 0);
    assert_int_equal(calls, 1);
}

static void test_semantics_17_a_notice_outlives_its_loop(void **state)
{
    (void)state;
    weft_loop *loop;
    calls = 0;
    assert_int_equal(weft_loop_new(&loop), 0);
    weft_notice_init(&notice, loop, count_call, NULL);
    assert_int_equal(weft_signal_post(&notice), 0);
    assert_int_equal(weft_loop_free(loop), 0);
    assert_int_equal(weft_signal_post(&notice), -ESHUTDOWN);
    weft_notice_fini(&notice);
    assert_int_equal(calls, 0);
}

static atomic_int handled;

static void on_alarm(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
    weft_signal_post(&notice);
}

static int storm_main(void *arg)
{
    (void)arg;
    struct sigaction action = { .sa_handler = on_alarm }, before;
    struct itimerval fast = { { 0, 200 }, { 0, 200 } }, off = { { 0, 0 }, { 0, 0 } };
    weft_notice_init(&notice, weft_loop_current(), count_call, NULL);
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &fast, NULL);
    while (atomic_load(&handled) < 200)
        assert_int_equal(weft_sleep(WEFT_MILLISECOND), 0);
    setitimer(ITIMER_REAL, &off, NULL);
    sigaction(SIGALRM, &before, NULL);
    weft_sleep(MILLISECOND);
    weft_notice_fini(&notice);
    return 0;
}

static void test_semantics_17_a_signal_handler_posts_safely(void **state)
{
    (void)state;
    calls = 0;
    handled = 0;
    assert_int_equal(weft_run(storm_main, NULL, .no_signals = true), 0);
    assert_in_range(calls, 1, atomic_load(&handled));
}

/* A loop that sleeps wakes up. */

static void wake_pipe(void *arg)
{
    assert_int_equal(write(*(int *)arg, "x", 1), 1);
    note("w");
}

static void *post_to_pipe(void *arg)
{
    void **pair = arg;
    struct timespec pause = { .tv_nsec = 5 * MILLISECOND };
    nanosleep(&pause, NULL);
    assert_int_equal(weft_post(pair[0], wake_pipe, pair[1]), 0);
    weft_loop_release(pair[0]);
    return NULL;
}

static int wake_main(void *arg)
{
    (void)arg;
    int pipes[2];
    pthread_t thread;
    assert_int_equal(pipe(pipes), 0);
    void *pair[2] = { weft_loop_retain(weft_loop_current()), &pipes[1] };
    assert_int_equal(pthread_create(&thread, NULL, post_to_pipe, pair), 0);
    assert_int_equal(weft_poll_fd(pipes[0], WEFT_READABLE), WEFT_READABLE); /* no timer is set */
    pthread_join(thread, NULL);
    close(pipes[0]);
    close(pipes[1]);
    return 0;
}

static void test_semantics_17_a_post_wakes_a_loop_that_sleeps(void **state)
{
    (void)state;
    assert_int_equal(weft_run(wake_main, NULL, .no_signals = true), 0);
    assert_string_equal(trace, "w");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_semantics_17_eight_threads_lose_nothing_and_keep_their_order),
        core_test(test_semantics_17_each_post_runs_or_is_dropped_when_the_loop_ends),
        core_test(test_semantics_17_close_drops_what_is_left),
        core_test(test_semantics_17_the_mailbox_is_bounded_and_empties),
        core_test(test_semantics_17_a_dropped_function_finds_the_door_closed),
        core_test(test_semantics_17_notices_coalesce_and_can_be_taken_back),
        core_test(test_semantics_17_a_notice_is_taken_back_while_the_mail_is_refused),
        core_test(test_semantics_17_a_notice_outlives_its_loop),
        core_test(test_semantics_17_a_signal_handler_posts_safely),
        core_test(test_semantics_17_a_post_wakes_a_loop_that_sleeps),
    };
    return cmocka_run_group_tests_name("core post", tests, NULL, NULL);
}
