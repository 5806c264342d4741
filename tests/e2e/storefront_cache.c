/* The storefront's cache in virtual time: one finds out for all; a leader that fails, is cancelled
 * or runs out of time takes nobody along; without a store it still asks once for many. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache.h"
#include "storefront.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MS   WEFT_MILLISECOND
#define MANY 50

static struct board *board;
static struct store store;
static struct products none; /* of which nothing is filled in */
static int finds;            /* how often somebody had to find out */
static int failures;         /* how many of the next ones fail */

/* It takes 10 ms. */
static int find(weft_arena *arena, void *arg, const char **text)
{
    int number = ++finds, err = weft_sleep(10 * MS);
    (void)arg;
    if (err < 0)
        return err;
    if (failures > 0) {
        failures--;
        return -EIO;
    }
    *text = weft_arena_format(arena, "found %d", number);
    return 0;
}

/* One who asks. */
struct asker {
    const char *key;
    int64_t timeout; /* 0: none */
    int result;
    char text[32];
};

static int ask(void *arg)
{
    struct asker *asker = arg;
    weft_arena *arena;
    const char *text = "";
    assert_int_equal(weft_arena_new(&arena, 0), 0);
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = asker->timeout > 0 ? asker->timeout : WEFT_HOUR);
    int err = cache_get(&store, arena, asker->key, 500 * MS, find, NULL, &text);
    asker->result = weft_scope_leave(&scope, err);
    snprintf(asker->text, sizeof asker->text, "%s", asker->result == 0 ? text : "");
    weft_arena_free(arena);
    return 0;
}

static void ask_all(struct asker *askers, int count)
{
    weft_scope all;
    weft_scope_begin(&all);
    for (int i = 0; i < count; i++)
        assert_int_equal(weft_spawn(&all, ask, &askers[i]), 0);
    assert_int_equal(weft_scope_end(&all), 0);
}

static void expect(const struct asker *asker, int result, const char *text)
{
    assert_int_equal(asker->result, result);
    assert_string_equal(asker->text, text);
}

static void expect_counts(uint64_t hits, uint64_t misses, uint64_t shared)
{
    assert_int_equal(atomic_load(&board->store.hits), hits);
    assert_int_equal(atomic_load(&board->store.misses), misses);
    assert_int_equal(atomic_load(&board->store.shared), shared);
    assert_null(store.flights);
    assert_int_equal(store.flight_count, 0);
}

/* --- A run with a store, or without. --- */

static void (*body)(void);
static bool has_store;
static const char *address; /* of another one; NULL: none */

static int run_body(void *arg)
{
    (void)arg;
    assert_int_equal(store_start(&store, has_store), 0);
    body();
    return 0;
}

static void run(void (*test)(void), bool with_store)
{
    board = board_new();
    assert_non_null(board);
    store_init(&store, board, &none);
    if (address != NULL)
        store_use(&store, address);
    body = test;
    has_store = with_store;
    finds = failures = 0;
    assert_int_equal(weft_run(run_body, NULL, .clock = WEFT_CLOCK_TEST, .no_signals = true), 0);
    store_fini(&store);
    board_free(board);
}

/* --- What holds. --- */

static void many(void)
{
    struct asker askers[MANY];
    for (int i = 0; i < MANY; i++)
        askers[i] = (struct asker){ .key = "a" };
    ask_all(askers, MANY);
    for (int i = 0; i < MANY; i++)
        expect(&askers[i], 0, "found 1");
    expect_counts(0, 1, MANY - 1);
    ask_all(askers, 1);
    expect(&askers[0], 0, "found 1");
    expect_counts(1, 1, MANY - 1);
    assert_int_equal(finds, 1);
    weft_sleep(600 * MS); /* what was kept is too old */
    ask_all(askers, 2);
    expect(&askers[1], 0, "found 2");
    expect_counts(1, 2, MANY);
}

static void test_cache_one_finds_out_for_all(void **state)
{
    (void)state;
    run(many, true);
}

static void keys(void)
{
    struct asker askers[] = { { .key = "a" }, { .key = "b" }, { .key = "a" } };
    ask_all(askers, 3);
    expect(&askers[0], 0, "found 1");
    expect(&askers[1], 0, "found 2");
    expect(&askers[2], 0, "found 1");
    expect_counts(0, 2, 1);
}

static void test_cache_keys_have_nothing_to_do_with_each_other(void **state)
{
    (void)state;
    run(keys, true);
}

static void fail_once(void)
{
    struct asker askers[MANY];
    for (int i = 0; i < MANY; i++)
        askers[i] = (struct asker){ .key = "a" };
    failures = 1;
    ask_all(askers, MANY);
    expect(&askers[0], -EIO, "");
    for (int i = 1; i < MANY; i++)
        expect(&askers[i], 0, "found 2");
    expect_counts(0, 2, MANY - 2);
}

static void test_cache_leader_that_fails_does_not_fail_the_others(void **state)
{
    (void)state;
    run(fail_once, true);
}

/* Two leaders have failed: the others would ask one after the other, for nothing. */
static void fail_always(void)
{
    struct asker askers[MANY];
    for (int i = 0; i < MANY; i++)
        askers[i] = (struct asker){ .key = "a" };
    failures = MANY;
    int64_t start = weft_now();
    ask_all(askers, MANY);
    for (int i = 0; i < MANY; i++)
        expect(&askers[i], -EIO, "");
    assert_int_equal(finds, 2);
    assert_int_equal(weft_now() - start, 20 * MS);
    failures = 0;
    ask_all(askers, 1); /* no failure is kept */
    expect(&askers[0], 0, "found 3");
}

static void test_cache_failure_of_two_is_everybodys_and_is_not_kept(void **state)
{
    (void)state;
    run(fail_always, true);
}

/* The first three run out of time, one after the other, while they lead. */
static void hand_over(void)
{
    struct asker askers[6];
    for (int i = 0; i < 6; i++)
        askers[i] = (struct asker){ .key = "a", .timeout = i < 3 ? (i + 1) * 5 * MS : 0 };
    ask_all(askers, 6);
    for (int i = 0; i < 3; i++)
        expect(&askers[i], -ETIMEDOUT, "");
    for (int i = 3; i < 6; i++)
        expect(&askers[i], 0, "found 4");
    assert_int_equal(finds, 4);
    expect_counts(0, 4, 2);
}

static void test_cache_cancelled_leader_hands_over(void **state)
{
    (void)state;
    run(hand_over, true);
}

static void leave(void)
{
    struct asker askers[] = { { .key = "a" }, { .key = "a", .timeout = 5 * MS }, { .key = "a" } };
    ask_all(askers, 3);
    expect(&askers[0], 0, "found 1");
    expect(&askers[1], -ETIMEDOUT, "");
    expect(&askers[2], 0, "found 1");
    expect_counts(0, 1, 1);
}

static void test_cache_follower_may_leave(void **state)
{
    (void)state;
    run(leave, true);
}

static void do_without(void)
{
    struct asker askers[] = { { .key = "a" }, { .key = "a" } };
    ask_all(askers, 2);
    expect(&askers[0], 0, "found 1");
    expect(&askers[1], 0, "found 1");
    ask_all(askers, 2);
    expect(&askers[1], 0, "found 2");
    expect_counts(0, 2, 2);
}

static void test_cache_works_without_a_store(void **state)
{
    (void)state;
    run(do_without, false);
}

/* It takes what is said and never answers: two thirds of 300 ms are given to it, once. */
static int be_silent(weft_stream *stream, void *arg)
{
    (void)stream, (void)arg;
    return weft_sleep(WEFT_HOUR);
}

static int serve_silence(void *arg)
{
    (void)arg;
    return weft_serve("mem:silent", be_silent);
}

static void wait_once(void)
{
    struct asker askers[] = { { .key = "a" }, { .key = "a" } };
    assert_int_equal(weft_spawn(weft_background(), serve_silence, NULL, .eager = true), 0);
    int64_t start = weft_now();
    ask_all(askers, 2);
    expect(&askers[0], 0, "found 1");
    expect(&askers[1], 0, "found 1");
    assert_int_equal(weft_now() - start, 210 * MS);
}

static void test_cache_silent_store_is_waited_for_once(void **state)
{
    (void)state;
    address = "mem:silent";
    run(wait_once, false);
    address = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache_one_finds_out_for_all),
        cmocka_unit_test(test_cache_keys_have_nothing_to_do_with_each_other),
        cmocka_unit_test(test_cache_leader_that_fails_does_not_fail_the_others),
        cmocka_unit_test(test_cache_failure_of_two_is_everybodys_and_is_not_kept),
        cmocka_unit_test(test_cache_cancelled_leader_hands_over),
        cmocka_unit_test(test_cache_follower_may_leave),
        cmocka_unit_test(test_cache_works_without_a_store),
        cmocka_unit_test(test_cache_silent_store_is_waited_for_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
