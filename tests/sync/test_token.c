/* Tokens: a cancel reaches what is below, who waits, and the scopes that are bound. */

#include "inspect/inspect_test.h"

#include <weft/select.h>
#include <weft/stackless.h>
#include <weft/token.h>

static void note_int(const char *who, int number)
{
    char text[40];
    snprintf(text, sizeof text, "%s%d ", who, number);
    note(text);
}

/* The tree. */

static int tree_main(void *arg)
{
    (void)arg;
    weft_token root, left, right, leaf, late;
    weft_token_stats stats;
    assert_int_equal(weft_token_init(&root, NULL), 0);
    assert_int_equal(weft_token_init(&left, &root), 0);
    assert_int_equal(weft_token_init(&right, &root), 0);
    assert_int_equal(weft_token_init(&leaf, &left), 0);
    weft_token_get_stats(&root, &stats);
    assert_int_equal(stats.children, 2);
    assert_false(weft_token_is_cancelled(&leaf));
    assert_null(weft_token_why(&leaf));
    weft_token_cancel(&left, "left");
    assert_false(weft_token_is_cancelled(&root));
    assert_false(weft_token_is_cancelled(&right));
    assert_true(weft_token_is_cancelled(&left));
    assert_true(weft_token_is_cancelled(&leaf));
    assert_string_equal(weft_token_why(&leaf), "left");
    weft_token_cancel(&root, "root");
    weft_token_cancel(&root, "again");
    assert_string_equal(weft_token_why(&root), "root");
    assert_string_equal(weft_token_why(&right), "root");
    assert_string_equal(weft_token_why(&left), "left");
    assert_string_equal(weft_token_why(&leaf), "left");
    assert_int_equal(weft_token_init(&late, &leaf), 0);
    assert_true(weft_token_is_cancelled(&late));
    assert_string_equal(weft_token_why(&late), "left");
    weft_token_fini(&leaf);
    weft_token_fini(&late);
    weft_token_fini(&root);
    weft_token_fini(&left);
    weft_token_fini(&right);
    weft_token_fini(NULL);
    return 0;
}

static void test_token_a_cancel_reaches_what_is_below_and_nothing_above(void **state)
{
    (void)state;
    assert_int_equal(run(tree_main, NULL), 0);
}

static int zeroed_main(void *arg)
{
    (void)arg;
    static weft_token zeroed;
    weft_token below;
    weft_token_stats stats;
    assert_false(weft_token_is_cancelled(&zeroed));
    weft_token_get_stats(&zeroed, &stats);
    assert_int_equal(stats.children + stats.scopes, 0);
    assert_int_equal(weft_token_init(&below, &zeroed), 0);
    weft_token_cancel(&zeroed, NULL);
    assert_string_equal(weft_token_why(&zeroed), "no reason given");
    assert_true(weft_token_is_cancelled(&below));
    weft_token_fini(&below);
    weft_token_fini(&zeroed);
    return 0;
}

static void test_token_zeroed_memory_is_one(void **state)
{
    (void)state;
    assert_int_equal(run(zeroed_main, NULL), 0);
}

static int detach_main(void *arg)
{
    (void)arg;
    weft_token root, middle, leaf;
    weft_token_init(&root, NULL);
    weft_token_init(&middle, &root);
    weft_token_init(&leaf, &middle);
    weft_token_fini(&middle);
    weft_token_cancel(&root, "root");
    assert_false(weft_token_is_cancelled(&leaf));
    weft_token_cancel(&leaf, "leaf");
    assert_string_equal(weft_token_why(&leaf), "leaf");
    weft_token_fini(&leaf);
    weft_token_fini(&root);
    return 0;
}

static void test_token_given_up_it_leaves_its_tree(void **state)
{
    (void)state;
    assert_int_equal(run(detach_main, NULL), 0);
}

/* A chain, with a comb of siblings at each. */

enum { DEPTH = 100000 };

static int deep_main(void *arg)
{
    (void)arg;
    weft_token *chain = calloc(2 * DEPTH, sizeof *chain), *side = chain + DEPTH;
    assert_non_null(chain);
    for (int i = 0; i < DEPTH; i++) {
        assert_int_equal(weft_token_init(&chain[i], i > 0 ? &chain[i - 1] : NULL), 0);
        assert_int_equal(weft_token_init(&side[i], &chain[i]), 0);
    }
    weft_token_cancel(&chain[DEPTH / 2], "half");
    for (int i = 0; i < DEPTH; i++) {
        assert_int_equal(weft_token_is_cancelled(&chain[i]), i >= DEPTH / 2);
        assert_int_equal(weft_token_is_cancelled(&side[i]), i >= DEPTH / 2);
    }
    weft_token_cancel(&chain[0], "all");
    assert_string_equal(weft_token_why(&side[DEPTH / 2 - 1]), "all");
    assert_string_equal(weft_token_why(&side[DEPTH / 2]), "half");
    for (int i = 0; i < 2 * DEPTH; i++)
        weft_token_fini(&chain[i]);
    free(chain);
    return 0;
}

static void test_token_trees_may_be_deep(void **state)
{
    (void)state;
    assert_int_equal(run(deep_main, NULL), 0);
}

/* Waiting. */

struct guest {
    weft_token *token;
    const char *name;
};

static int wait_for(void *arg)
{
    const struct guest *guest = arg;
    int err = weft_token_wait(guest->token);
    note_int(guest->name, err);
    return err;
}

static int wait_main(void *arg)
{
    (void)arg;
    weft_token root, below;
    weft_scope scope;
    weft_token_stats stats;
    struct guest a = { &root, "a" }, b = { &root, "b" }, c = { &below, "c" };
    weft_token_init(&root, NULL);
    weft_token_init(&below, &root);
    weft_scope_begin(&scope);
    weft_spawn(&scope, wait_for, &a);
    weft_spawn(&scope, wait_for, &b);
    weft_spawn(&scope, wait_for, &c);
    weft_sleep(SECOND);
    weft_token_get_stats(&root, &stats);
    assert_int_equal(stats.line.waiting, 2);
    weft_token_cancel(&root, "enough");
    int err = weft_scope_end(&scope);
    assert_int_equal(weft_token_wait(&root), 0); /* at once */
    weft_token_get_stats(&root, &stats);
    assert_int_equal(stats.line.waited, 2);
    assert_int_equal(stats.line.longest, 2);
    assert_int_equal(stats.line.waiting, 0);
    weft_token_fini(&below);
    weft_token_fini(&root);
    return err;
}

static void test_token_who_waits_is_woken_in_order(void **state)
{
    (void)state;
    assert_int_equal(run(wait_main, NULL), 0);
    assert_string_equal(trace, "a0 b0 c0 ");
}

static int cancel_main(void *arg)
{
    (void)arg;
    static weft_token token;
    weft_scope scope;
    weft_task *given_up, *granted;
    weft_token_stats stats;
    struct guest a = { &token, "a" }, b = { &token, "b" };
    weft_scope_begin(&scope);
    weft_spawn(&scope, wait_for, &a, .task = &given_up);
    weft_spawn(&scope, wait_for, &b, .task = &granted);
    weft_sleep(SECOND);
    weft_task_cancel(given_up, "enough");
    weft_sleep(SECOND);
    weft_token_cancel(&token, "now");
    weft_task_cancel(granted, "too late");
    int err = weft_scope_end(&scope);
    weft_token_get_stats(&token, &stats);
    assert_int_equal(stats.line.cancelled, 1);
    weft_task_release(given_up);
    weft_task_release(granted);
    weft_token_fini(&token);
    return err;
}

static void test_token_a_cancel_of_who_waits_takes_back_nothing(void **state)
{
    char expected[40];
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
    snprintf(expected, sizeof expected, "a%d b0 ", -ECANCELED);
    assert_string_equal(trace, expected);
}

/* Scopes. */

static int work_until_cancelled(void *arg)
{
    const struct guest *guest = arg;
    weft_scope scope;
    weft_scope_begin(&scope);
    int err = weft_token_bind(guest->token, &scope);
    weft_spawn(&scope, sleep_forever, NULL);
    if (err == 0)
        err = weft_sleep(WEFT_FOREVER);
    note_int(guest->name, err);
    err = weft_scope_leave(&scope, err);
    assert_int_equal(weft_scope_cause(&scope), WEFT_CAUSE_CANCEL);
    return err;
}

static int bind_main(void *arg)
{
    (void)arg;
    weft_token root, below;
    weft_scope scope;
    weft_token_stats stats;
    struct guest a = { &root, "a" }, b = { &below, "b" }, c = { &root, "c" };
    weft_token_init(&root, NULL);
    weft_token_init(&below, &root);
    weft_scope_begin(&scope);
    weft_spawn(&scope, work_until_cancelled, &a);
    weft_spawn(&scope, work_until_cancelled, &b);
    weft_spawn(&scope, work_until_cancelled, &c);
    weft_sleep(SECOND);
    weft_token_get_stats(&root, &stats);
    assert_int_equal(stats.scopes, 2);
    weft_token_cancel(&below, "one");
    weft_sleep(SECOND);
    note("| ");
    weft_token_cancel(&root, "all");
    weft_token_get_stats(&root, &stats);
    assert_int_equal(stats.scopes, 0);
    int err = weft_scope_end(&scope);
    weft_token_fini(&below);
    weft_token_fini(&root);
    return err;
}

static void test_token_the_scopes_that_are_bound_are_cancelled_with_it(void **state)
{
    char expected[60];
    (void)state;
    assert_int_equal(run(bind_main, NULL), 0);
    snprintf(expected, sizeof expected, "b%d | a%d c%d ", -ECANCELED, -ECANCELED, -ECANCELED);
    assert_string_equal(trace, expected);
}

static int leave_main(void *arg)
{
    (void)arg;
    weft_token token;
    weft_token_stats stats;
    weft_scope first, outer, inner;
    weft_token_init(&token, NULL);
    weft_scope_begin(&first);
    assert_int_equal(weft_token_bind(&token, &first), 0);
    assert_int_equal(weft_scope_end(&first), 0);
    weft_token_get_stats(&token, &stats);
    assert_int_equal(stats.scopes, 0);
    weft_scope_begin(&outer);
    weft_scope_begin(&inner);
    assert_int_equal(weft_token_bind(&token, &outer), 0);
    assert_int_equal(weft_token_bind(&token, &inner), 0);
    assert_int_equal(weft_scope_end(&inner), 0);
    weft_token_cancel(&token, "enough");
    assert_int_equal(weft_cancelled(), -ECANCELED);
    assert_int_equal(weft_scope_end(&outer), 0);
    assert_int_equal(weft_cancelled(), 0);
    weft_token_fini(&token);
    return 0;
}

static void test_token_a_scope_that_ends_leaves_it(void **state)
{
    (void)state;
    assert_int_equal(run(leave_main, NULL), 0);
}

static int late_main(void *arg)
{
    (void)arg;
    weft_token token;
    weft_scope scope;
    weft_token_init(&token, NULL);
    weft_token_cancel(&token, "before");
    weft_scope_begin(&scope);
    assert_int_equal(weft_token_bind(&token, &scope), 0);
    int err = weft_sleep(SECOND);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_scope_leave(&scope, err), 0);
    weft_scope_begin(&scope); /* given up, it cancels nobody */
    weft_token_init(&token, NULL);
    assert_int_equal(weft_token_bind(&token, &scope), 0);
    weft_token_fini(&token);
    assert_int_equal(weft_token_init(&token, NULL), 0);
    assert_int_equal(weft_token_bind(&token, &scope), 0); /* the scope is free again */
    weft_token_fini(&token);
    assert_int_equal(weft_sleep(0), 0);
    return weft_scope_end(&scope);
}

static void test_token_cancelled_before_it_cancels_at_once_and_given_up_never(void **state)
{
    (void)state;
    assert_int_equal(run(late_main, NULL), 0);
}

/* Misuse. */

static int misuse_main(void *arg)
{
    (void)arg;
    weft_token token, other;
    weft_scope scope;
    weft_token_init(&token, NULL);
    weft_token_init(&other, NULL);
    weft_scope_begin(&scope);
    assert_int_equal(weft_token_bind(&token, &scope), 0);
    assert_int_equal(weft_token_bind(&other, &scope), -EALREADY);
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(weft_token_bind(&token, &scope), -ESHUTDOWN);
    assert_int_equal(weft_token_bind(&token, NULL), -ESHUTDOWN);
    assert_int_equal(weft_token_bind(&token, weft_background()), -EPERM);
    weft_token_fini(&token);
    weft_token_fini(&other);
    return 0;
}

static void test_token_bound_to_what_it_cannot_be_it_says_so(void **state)
{
    (void)state;
    assert_int_equal(run(misuse_main, NULL), 0);
    expect_log(") that has one already");
    expect_log(") was bound to a scope that has ended");
    expect_log(") was bound to the scope 'background', which no task has begun");
}

static weft_token *shared_token;
static weft_scope *shared_scope;

static int in_another_loop(void *arg)
{
    (void)arg;
    assert_int_equal(weft_token_wait(shared_token), WEFT_ETHREAD);
    return 0;
}

static void *from_another_thread(void *arg)
{
    weft_token mine;
    (void)arg;
    weft_token_cancel(shared_token, "no");
    assert_int_equal(weft_token_init(&mine, shared_token), WEFT_ETHREAD);
    assert_int_equal(weft_token_bind(shared_token, shared_scope), WEFT_ETHREAD);
    assert_int_equal(weft_token_bind(&mine, shared_scope), WEFT_ETHREAD);
    weft_token_fini(&mine);
    assert_int_equal(run(in_another_loop, NULL), 0);
    return NULL;
}

static int thread_main(void *arg)
{
    pthread_t thread;
    weft_token token, below;
    weft_scope scope;
    (void)arg;
    weft_token_init(&token, NULL);
    weft_token_init(&below, &token);
    weft_scope_begin(&scope);
    shared_token = &token;
    shared_scope = &scope;
    assert_int_equal(pthread_create(&thread, NULL, from_another_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(weft_token_is_cancelled(&token));
    weft_token_fini(&below);
    weft_token_fini(&token);
    return weft_scope_end(&scope);
}

static void test_token_another_thread_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
    expect_log("was used by another thread than its own");
    expect_log(") of another thread");
}

static void cancel_it(void *token)
{
    assert_int_equal(weft_token_wait(token), -EPERM);
    weft_token_cancel(token, "callback");
}

static int callback_main(void *arg)
{
    (void)arg;
    weft_token token;
    weft_token_init(&token, NULL);
    weft_call_soon(cancel_it, &token);
    int err = weft_token_wait(&token);
    assert_string_equal(weft_token_why(&token), "callback");
    weft_token_fini(&token);
    return err;
}

static void test_token_a_callback_cancels_and_does_not_wait(void **state)
{
    (void)state;
    assert_int_equal(run(callback_main, NULL), 0);
    expect_log("a function that suspends was called outside a task: in callback");
}

static int give_up_main(void *arg)
{
    (void)arg;
    static weft_token token;
    static struct guest guest = { &token, "a" };
    weft_spawn(weft_background(), wait_for, &guest);
    weft_sleep(SECOND);
    weft_token_fini(&token);
    return 0;
}

static void give_up(void)
{
    run(give_up_main, NULL);
}

static void test_token_given_up_while_a_task_waits_aborts(void **state)
{
    (void)state;
    expect_abort(give_up, "was given up while it is in use; waiting: 1");
}

/* A loop that ends without a task: its scope is cancelled by nobody any more. */

static weft_token survivor;

static int deaf(void *arg)
{
    weft_scope scope;
    (void)arg;
    weft_scope_begin(&scope);
    weft_token_bind(&survivor, &scope);
    for (;;)
        weft_sleep(SECOND);
    return weft_scope_end(&scope);
}

static int leave_deaf(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), deaf, NULL);
    return weft_sleep(SECOND);
}

static int deaf_program(void)
{
    weft_token_stats stats;
    if (run(leave_deaf, NULL) != WEFT_ESTUCK)
        return 1;
    weft_token_get_stats(&survivor, &stats);
    weft_token_cancel(&survivor, "much later");
    return stats.scopes == 0 ? 0 : 2;
}

static void test_token_outlives_a_loop_that_ends_without_its_task(void **state)
{
    (void)state;
    assert_int_equal(exit_status(deaf_program), 0);
}

/* Beside other things. */

static int cancel_later(void *token)
{
    int err = weft_sleep(SECOND);
    weft_token_cancel(token, "later");
    return err;
}

static int select_main(void *arg)
{
    (void)arg;
    weft_token token;
    weft_scope scope;
    weft_token_stats stats;
    weft_token_init(&token, NULL);
    weft_case cases[] = { weft_case_after(SECOND / 2), weft_case_token(&token) };
    assert_int_equal(weft_select_try(&cases[1], 1), -EAGAIN);
    weft_scope_begin(&scope);
    weft_spawn(&scope, cancel_later, &token);
    assert_int_equal(weft_select(cases, 2), 0);
    weft_token_get_stats(&token, &stats);
    assert_int_equal(stats.line.waiting, 0);
    cases[0] = weft_case_after(WEFT_HOUR);
    assert_int_equal(weft_select(cases, 2), 1);
    assert_int_equal(cases[1].result, 0);
    assert_int_equal(weft_select_try(cases, 2), 1);
    int err = weft_scope_end(&scope);
    weft_token_fini(&token);
    return err;
}

static void test_token_select_has_its_cancel(void **state)
{
    (void)state;
    assert_int_equal(run(select_main, NULL), 0);
}

struct waiter {
    weft_stackless self;
    weft_token *token;
};

static int is_over(weft_stackless *self, int64_t result)
{
    (void)self;
    note_int("s", (int)result);
    return (int)result;
}

static int begin_waiting(weft_stackless *self, int64_t result)
{
    (void)result;
    return weft_then_token(self, weft_stackless_of(self, struct waiter, self)->token, is_over);
}

static const weft_stackless_kind waiter_kind = WEFT_STACKLESS(begin_waiting, NULL);

static int then_main(void *arg)
{
    (void)arg;
    weft_token token;
    weft_scope scope;
    struct waiter one = { .token = &token }, two = one, late = one;
    weft_token_init(&token, NULL);
    weft_scope_begin(&scope);
    weft_stackless_spawn(&scope, &one.self, &waiter_kind);
    weft_stackless_spawn(&scope, &two.self, &waiter_kind);
    weft_sleep(SECOND);
    weft_stackless_cancel(&one.self, "enough");
    weft_sleep(SECOND);
    weft_token_cancel(&token, "now");
    weft_stackless_spawn(&scope, &late.self, &waiter_kind);
    int err = weft_scope_end(&scope);
    weft_token_fini(&token);
    return err;
}

static void test_token_a_stackless_task_waits_for_its_cancel(void **state)
{
    char expected[60];
    (void)state;
    assert_int_equal(run(then_main, NULL), 0);
    snprintf(expected, sizeof expected, "s%d s0 s0 ", -ECANCELED);
    assert_string_equal(trace, expected);
}

static int dump_main(void *arg)
{
    (void)arg;
    weft_token token;
    weft_scope scope;
    struct guest guest = { &token, "a" };
    weft_token_init(&token, NULL);
    weft_scope_begin(&scope);
    weft_spawn(&scope, wait_for, &guest);
    weft_sleep(SECOND);
    dump_now();
    weft_token_cancel(&token, NULL);
    int err = weft_scope_end(&scope);
    weft_token_fini(&token);
    return err;
}

static void test_token_a_dump_says_what_is_waited_for(void **state)
{
    (void)state;
    assert_int_equal(run(dump_main, NULL), 0);
    EXPECT_ORDER("parked: waits for the cancel of the token (made at ",
                 "test_token.c:", "), for 1.00 s");
}

/* Whose scope it is does not matter. */

static weft_scope *lent;

static int lend_scope(void *arg)
{
    weft_scope scope;
    (void)arg;
    weft_scope_begin(&scope);
    lent = &scope;
    int err = weft_sleep(WEFT_FOREVER);
    note_int("l", err);
    return weft_scope_leave(&scope, err);
}

static int outside_main(void *arg)
{
    weft_token token;
    weft_scope scope;
    (void)arg;
    weft_token_init(&token, NULL);
    weft_scope_begin(&scope);
    weft_spawn(&scope, lend_scope, NULL);
    weft_sleep(SECOND);
    assert_int_equal(weft_token_bind(&token, lent), 0);
    weft_token_cancel(&token, "from outside");
    int err = weft_scope_end(&scope);
    weft_token_fini(&token);
    return err;
}

static void test_token_bound_from_outside_it_cancels_another_tasks_scope(void **state)
{
    char expected[40];
    (void)state;
    assert_int_equal(run(outside_main, NULL), 0);
    snprintf(expected, sizeof expected, "l%d ", -ECANCELED);
    assert_string_equal(trace, expected);
}

static int entry_main(void *arg)
{
    weft_token token;
    weft_scope scope;
    (void)arg;
    weft_token_init(&token, NULL);
    weft_token_cancel(&token, NULL);
    weft_scope_begin(&scope);
    weft_scope_cancel(&scope, "enough");
    assert_int_equal(weft_token_wait(&token), -ECANCELED);
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_token_fini(&token);
    return 0;
}

static void test_token_in_a_cancelled_scope_waiting_is_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run(entry_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_token_a_cancel_reaches_what_is_below_and_nothing_above),
        core_test(test_token_zeroed_memory_is_one),
        core_test(test_token_given_up_it_leaves_its_tree),
        core_test(test_token_trees_may_be_deep),
        core_test(test_token_who_waits_is_woken_in_order),
        core_test(test_token_a_cancel_of_who_waits_takes_back_nothing),
        core_test(test_token_the_scopes_that_are_bound_are_cancelled_with_it),
        core_test(test_token_a_scope_that_ends_leaves_it),
        core_test(test_token_cancelled_before_it_cancels_at_once_and_given_up_never),
        core_test(test_token_bound_to_what_it_cannot_be_it_says_so),
        core_test(test_token_another_thread_is_refused),
        core_test(test_token_a_callback_cancels_and_does_not_wait),
        core_test(test_token_given_up_while_a_task_waits_aborts),
        core_test(test_token_outlives_a_loop_that_ends_without_its_task),
        core_test(test_token_select_has_its_cancel),
        core_test(test_token_a_stackless_task_waits_for_its_cancel),
        core_test(test_token_a_dump_says_what_is_waited_for),
        core_test(test_token_bound_from_outside_it_cancels_another_tasks_scope),
        core_test(test_token_in_a_cancelled_scope_waiting_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
