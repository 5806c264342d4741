/* Waiting for a place: who is next, who makes room, and what a cancel leaves behind. */

#include "http_test.h"

#include "../base/model.h"
#include "http/pool.h"

#define S WEFT_SECOND

static struct wf_http_pool pool;
static weft_scope scope;     /* the callers' */
static int served;           /* places that were given */
static weft_stream *far[64]; /* of the connections that were made; they stay alive */
static int far_count;

/* Three places in all, two for a host, unless the test says more. */
static int pool_main(void *arg)
{
    void (*body)(void) = *(void (**)(void))arg;
    weft_arena *arena;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    wf_http_pool_init(&pool, arena);
    pool.place_max = 3;
    pool.host_place_max = 2;
    pool.idle_max = pool.host_idle_max = 100;
    pool.idle_timeout = WEFT_MINUTE;
    served = far_count = 0;
    body();
    wf_http_pool_clear(&pool);
    assert_int_equal(pool.place_count, 0);
    assert_int_equal(pool.host_count, 0);
    assert_true(wf_list_is_empty(&pool.line));
    assert_true(wf_list_is_empty(&pool.hungry));
    while (far_count > 0)
        weft_close(far[--far_count]);
    weft_arena_free(arena);
    return 0;
}

static void with_pool(void (*body)(void))
{
    assert_int_equal(run(pool_main, &body), 0);
}

/* One that enters, holds its place for a time, and leaves it. */
struct caller {
    const char *address;
    int64_t hold;
    bool keep; /* its connection */
    weft_task *task;
    int result;     /* of entering */
    int order;      /* in which the places were given; 0: none yet */
    bool was_there; /* a connection came with the place */
};

#define KEEPS(host, time)                                                                          \
    {                                                                                              \
        .address = (host), .hold = (time), .keep = true                                            \
    }
#define DROPS(host, time)                                                                          \
    {                                                                                              \
        .address = (host), .hold = (time), .keep = false                                           \
    }

static int call(void *arg)
{
    struct caller *caller = arg;
    struct wf_http_place *place;
    caller->result = wf_http_pool_enter(&pool, caller->address, &place);
    if (caller->result < 0)
        return 0;
    caller->order = ++served;
    caller->was_there = place->stream != NULL;
    if (!place->stream) {
        assert_true(far_count < (int)WF_ARRAY_SIZE(far));
        assert_int_equal(weft_memory_pair(&place->stream, &far[far_count++]), 0);
    }
    weft_sleep(caller->hold);
    wf_http_pool_leave(&pool, place, caller->keep);
    return 0;
}

static void begin(struct caller *caller)
{
    assert_int_equal(weft_spawn(&scope, call, caller, .task = &caller->task), 0);
    assert_int_equal(weft_sleep(1), 0);
}

static void begin_all(struct caller *callers, size_t count)
{
    weft_scope_begin(&scope);
    for (size_t i = 0; i < count; i++)
        begin(&callers[i]);
}

static void end_all(struct caller *callers, size_t count)
{
    assert_int_equal(weft_scope_end(&scope), 0);
    for (size_t i = 0; i < count; i++)
        weft_task_release(callers[i].task);
}

/* They come in the order of the array, a, b, c, …, and were served in that of `order`. */
static void expect_order(struct caller *callers, const char *order)
{
    size_t count = strlen(order);
    served = 0;
    begin_all(callers, count);
    end_all(callers, count);
    for (size_t i = 0; i < count; i++) {
        int at = callers[i].order - 1;
        if (callers[i].result != 0 || at < 0 || order[at] != (char)('a' + i))
            fail_msg("'%c' was served as number %d, not as in %s", (char)('a' + i), at + 1, order);
    }
}

static void check_one_host(void)
{
    struct caller callers[] = {
        KEEPS("a", 2 * S), DROPS("a", 3 * S), KEEPS("a", 2 * S), KEEPS("a", S), KEEPS("a", S),
    };
    int64_t start = weft_now();
    expect_order(callers, "abcde");
    assert_true(callers[2].was_there);  /* a's, handed over */
    assert_false(callers[3].was_there); /* b's was not kept */
    assert_true(callers[4].was_there);
    assert_int_equal((weft_now() - start) / S, 5);
    assert_int_equal(pool.place_count, 2); /* and now they are idle */
    assert_int_equal(pool.idle_count, 2);
}

static void test_line_of_a_host_is_first_come_first_served(void **state)
{
    (void)state;
    with_pool(check_one_host);
}

static void check_other_host(void)
{
    struct caller callers[] = {
        KEEPS("a", S), KEEPS("a", S), KEEPS("a", S), KEEPS("a", S), KEEPS("b", S),
    };
    expect_order(callers, "abecd");
}

static void test_line_of_a_host_does_not_hold_up_another(void **state)
{
    (void)state;
    with_pool(check_other_host);
}

/* The coldest idle connection of whatever host makes room, only where there is no other. */
static void check_evict(void)
{
    struct caller first[] = { KEEPS("a", 1), KEEPS("b", 1), KEEPS("c", 1) };
    struct caller second[] = { KEEPS("b", 1), KEEPS("d", 1), KEEPS("a", 1) };
    struct caller third[] = { KEEPS("d", 1), KEEPS("c", 1) };
    expect_order(first, "abc");
    assert_int_equal(pool.idle_count, 3);
    expect_order(second, "abc");
    assert_true(second[0].was_there);
    assert_false(second[1].was_there); /* for it a's was closed */
    assert_false(second[2].was_there); /* c's */
    assert_int_equal(pool.idle_count, 3);
    assert_int_equal(pool.host_count, 3);
    expect_order(third, "ab");
    assert_true(third[0].was_there);
    assert_false(third[1].was_there);
}

static void test_line_is_not_needed_where_an_idle_connection_can_go(void **state)
{
    (void)state;
    with_pool(check_evict);
}

/* The pool is full and busy: hosts that wait for room have it by turns. */
static void check_turns(void)
{
    struct caller callers[] = {
        KEEPS("a", 1 * S), KEEPS("b", 2 * S), KEEPS("c", 3 * S), /* have a place */
        KEEPS("d", 9 * S), KEEPS("d", 9 * S), KEEPS("d", 9 * S), KEEPS("e", 9 * S),
    };
    expect_order(callers, "abcdgef");
    assert_true(callers[5].was_there); /* d's own, for it has all its places */
}

static void test_line_for_room_goes_by_turns(void **state)
{
    (void)state;
    with_pool(check_turns);
}

/* A host whose connections never rest would keep them from everybody else: who came first counts,
 * and is given the room that a connection had. */
static void check_no_starvation(void)
{
    struct caller callers[] = {
        KEEPS("a", S), KEEPS("a", S), KEEPS("b", 5 * S), /* have a place */
        KEEPS("a", S), KEEPS("c", S), KEEPS("a", S),     KEEPS("a", S),
    };
    expect_order(callers, "abcdefg");
    assert_true(callers[3].was_there);
    assert_false(callers[4].was_there);
}

static void test_line_of_a_busy_host_does_not_starve_another(void **state)
{
    (void)state;
    with_pool(check_no_starvation);
}

/* Cancelled in the middle of the line, at its head, and at its end. */
static void check_cancel(void)
{
    struct caller callers[] = {
        KEEPS("a", 2 * S), KEEPS("a", 2 * S), KEEPS("a", S), KEEPS("a", S),
        KEEPS("a", S),     KEEPS("a", S),     KEEPS("b", S), KEEPS("b", S),
    };
    begin_all(callers, 8);
    weft_task_cancel(callers[3].task, "in the middle");
    weft_task_cancel(callers[2].task, "at the head");
    weft_task_cancel(callers[5].task, "at the end");
    weft_task_cancel(callers[7].task, "the only one of a hungry host");
    weft_sleep(1);
    assert_true(wf_list_is_empty(&pool.hungry));
    end_all(callers, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(callers[i].result, strchr("2357", '0' + i) ? -ECANCELED : 0);
    assert_int_equal(callers[4].order, 4); /* after the two and b's */
    assert_true(callers[4].was_there);
}

static void test_line_closes_up_behind_who_is_cancelled(void **state)
{
    (void)state;
    with_pool(check_cancel);
}

/* A place is given in the moment its waiter is cancelled: the next one has it, connection and all,
 * whichever came first. */
static void check_race(void)
{
    for (int cancel_first = 0; cancel_first < 2; cancel_first++) {
        struct caller callers[] = { KEEPS("a", WEFT_FOREVER), KEEPS("a", WEFT_FOREVER),
                                    KEEPS("a", S), KEEPS("a", S) };
        begin_all(callers, 4);
        weft_task_cancel(callers[cancel_first ? 2 : 0].task, "now");
        weft_task_cancel(callers[cancel_first ? 0 : 2].task, "now");
        weft_sleep(2 * S);
        assert_true(callers[3].was_there);
        weft_task_cancel(callers[1].task, "enough");
        end_all(callers, 4);
        assert_int_equal(callers[2].result, -ECANCELED);
        assert_int_equal(callers[3].result, 0);
    }
}

static void test_line_loses_no_place_to_a_cancel(void **state)
{
    (void)state;
    with_pool(check_race);
}

static void check_timeout(void)
{
    struct caller callers[] = { KEEPS("a", 5 * S), KEEPS("a", 5 * S) };
    struct wf_http_place *place;
    weft_scope limited;
    begin_all(callers, 2);
    int64_t start = weft_now();
    weft_scope_begin(&limited, .timeout = S);
    int err = wf_http_pool_enter(&pool, "a", &place);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_scope_leave(&limited, err), -ETIMEDOUT);
    assert_int_equal(weft_now() - start, S);
    end_all(callers, 2);
}

static void test_line_is_left_when_the_time_is_over(void **state)
{
    (void)state;
    with_pool(check_timeout);
}

/* What was handed over has died on the way: the place is good without it. */
static void check_dead(void)
{
    struct caller callers[] = { KEEPS("a", S), KEEPS("a", 9 * S), KEEPS("a", S) };
    begin_all(callers, 3);
    weft_close(far[0]);
    far[0] = far[--far_count];
    end_all(callers, 3);
    assert_int_equal(callers[2].result, 0);
    assert_false(callers[2].was_there);
}

static void test_line_gives_no_dead_connection(void **state)
{
    (void)state;
    with_pool(check_dead);
}

static void check_clear(void)
{
    struct caller callers[] = { DROPS("a", S), DROPS("b", S), DROPS("b", S),
                                KEEPS("a", S), KEEPS("b", S), KEEPS("c", S) };
    begin_all(callers, 6);
    wf_http_pool_clear(&pool);
    end_all(callers, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(callers[i].result, i < 3 ? 0 : -ESHUTDOWN);
}

static void test_line_is_sent_away_when_the_pool_is_cleared(void **state)
{
    (void)state;
    with_pool(check_clear);
}

/* Random callers, kept connections, cancels: the limits hold at each step, nobody waits without a
 * reason, and everybody who is not cancelled is served. */

#define CALLERS 400

static struct caller crowd[CALLERS];
static const char *const names[] = { "a", "b", "c", "d", "e", "f" };

struct now {
    int busy[6], waiting[6];
};

static void count(struct now *now)
{
    memset(now, 0, sizeof *now);
    for (int i = 0; i < CALLERS; i++) {
        struct caller *caller = &crowd[i];
        int *counts = caller->order ? now->busy : now->waiting;
        if (caller->task && !weft_task_is_done(caller->task))
            counts[*caller->address - 'a']++;
    }
}

static void expect_limits(void)
{
    struct now now;
    uint32_t busy = 0;
    count(&now);
    for (int i = 0; i < 6; i++) {
        busy += (uint32_t)now.busy[i];
        assert_true((uint32_t)now.busy[i] <= pool.host_place_max);
        bool may_wait = (uint32_t)now.busy[i] == pool.host_place_max ||
                        (pool.place_count == pool.place_max && pool.idle_count == 0);
        assert_true(now.waiting[i] == 0 || may_wait);
    }
    assert_int_equal(busy + pool.idle_count, pool.place_count);
    assert_true(pool.place_count <= pool.place_max);
}

static void expect_all_served(void)
{
    int last[6] = { 0 };
    for (int i = 0; i < CALLERS; i++) {
        struct caller *caller = &crowd[i];
        int *before = &last[*caller->address - 'a'];
        assert_true(caller->result == -ECANCELED || caller->order > *before);
        if (caller->result == 0)
            *before = caller->order;
        weft_task_release(caller->task);
    }
}

static int call_crowd(void *arg)
{
    struct caller *caller = arg;
    struct wf_http_place *place;
    weft_stream *other = NULL;
    caller->result = wf_http_pool_enter(&pool, caller->address, &place);
    if (caller->result < 0)
        return 0;
    caller->order = ++served;
    if (!place->stream)
        assert_int_equal(weft_memory_pair(&place->stream, &other), 0);
    weft_sleep(caller->hold);
    wf_http_pool_leave(&pool, place, caller->keep);
    weft_close(other); /* so that some are found dead */
    return 0;
}

static void check_random(void)
{
    struct dice dice = dice_seed("http pool line");
    pool.place_max = 7;
    pool.host_place_max = 3;
    pool.idle_max = 4;
    pool.host_idle_max = 2;
    memset(crowd, 0, sizeof crowd);
    weft_scope_begin(&scope);
    for (int i = 0; i < CALLERS; i++) {
        crowd[i] = (struct caller){ .address = names[dice_below(&dice, 6)],
                                    .hold = (int64_t)dice_below(&dice, 20) * WEFT_MILLISECOND,
                                    .keep = dice_below(&dice, 3) > 0 };
        assert_int_equal(weft_spawn(&scope, call_crowd, &crowd[i], .task = &crowd[i].task), 0);
        weft_sleep((int64_t)dice_below(&dice, 3) * WEFT_MILLISECOND + 1);
        if (dice_below(&dice, 10) == 0)
            weft_task_cancel(crowd[dice_below(&dice, (size_t)i + 1)].task, "by chance");
        weft_sleep(0);
        weft_sleep(0);
        expect_limits();
    }
    assert_int_equal(weft_scope_end(&scope), 0);
    expect_all_served();
}

static void test_line_of_random_callers_is_always_right(void **state)
{
    (void)state;
    with_pool(check_random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_line_of_a_host_is_first_come_first_served),
        http_test(test_line_of_a_host_does_not_hold_up_another),
        http_test(test_line_is_not_needed_where_an_idle_connection_can_go),
        http_test(test_line_for_room_goes_by_turns),
        http_test(test_line_of_a_busy_host_does_not_starve_another),
        http_test(test_line_closes_up_behind_who_is_cancelled),
        http_test(test_line_loses_no_place_to_a_cancel),
        http_test(test_line_is_left_when_the_time_is_over),
        http_test(test_line_gives_no_dead_connection),
        http_test(test_line_is_sent_away_when_the_pool_is_cleared),
        http_test(test_line_of_random_callers_is_always_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
