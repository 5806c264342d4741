/* The end of serving, in virtual time: drain, stop, cancel and what interrupts do to it. */

#include "serve_test.h"

static void note_draining(void *arg)
{
    (void)arg;
    note("d");
}

/* Two clients are served; the server is cancelled a second later. What the clients read, and how
 * long the server took from then. */
static int64_t drain_with(const struct kind *kind, int64_t drain, ssize_t *read)
{
    struct server server = {
        .options = { .handler = slow_answer, .drain = drain, .draining = note_draining }
    };
    weft_stream *clients[2], *late;
    char data[8];
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    for (int i = 0; i < 2; i++)
        clients[i] = connect_to(&server);
    weft_sleep(SECOND);
    int64_t begin = weft_now();
    weft_task_cancel(server.task, "enough");
    pass_turns(3);
    assert_true(weft_connect(&late, weft_listener_address(server.listener)) < 0);
    weft_await(server.task);
    int64_t took = weft_now() - begin;
    assert_int_equal(server.result, -ECANCELED);
    for (int i = 0; i < 2; i++) {
        *read = weft_read(clients[i], data, sizeof data);
        weft_close(clients[i]);
    }
    end(&s, &server);
    return took;
}

static int drain_not_at_all(void *kind)
{
    ssize_t read;
    assert_int_equal(drain_with(kind, 0, &read), 0);
    assert_string_equal(trace, "dcc"); /* the callback comes before any cancel */
    assert_true(read == -ECONNRESET || (kind == &kinds[UNIX] && read == 0));
    return 0;
}

static void test_semantics_19_drain_of_nothing_cancels_at_once(void **state)
{
    (void)state;
    over_kinds(drain_not_at_all);
}

static int drain_enough(void *kind)
{
    ssize_t read;
    assert_int_equal(drain_with(kind, 10 * SECOND, &read), 2 * SECOND);
    assert_string_equal(trace, "daa");
    assert_int_equal(read, 6);
    trace[0] = '\0';
    assert_int_equal(drain_with(kind, WEFT_FOREVER, &read), 2 * SECOND);
    assert_string_equal(trace, "daa");
    return 0;
}

static void test_semantics_19_drain_lets_clients_finish(void **state)
{
    (void)state;
    over_kinds(drain_enough);
}

static int drain_too_short(void *kind)
{
    ssize_t read;
    assert_int_equal(drain_with(kind, SECOND, &read), SECOND);
    assert_string_equal(trace, "dcc");
    assert_true(read == -ECONNRESET || (kind == &kinds[UNIX] && read == 0));
    return 0;
}

static void test_semantics_19_drain_has_a_limit(void **state)
{
    (void)state;
    over_kinds(drain_too_short);
}

static int stop_drains(void *kind)
{
    struct server server = { .options = { .handler = slow_answer, .draining = note_draining } };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    weft_stream *client = connect_to(&server);
    weft_sleep(SECOND);
    int64_t begin = weft_now();
    weft_listener_stop(server.listener);
    assert_int_equal(weft_await(server.task), 0); /* no limit, no cancel */
    assert_int_equal(weft_now() - begin, 2 * SECOND);
    assert_string_equal(trace, "da");
    expect(client, "answer");
    weft_close(client);
    end(&s, &server);
    return 0;
}

static void test_semantics_19_stop_drains_without_cancel(void **state)
{
    (void)state;
    over_kinds(stop_drains);
}

static int stop_then_cancel(void *kind)
{
    struct server server = {
        .options = { .handler = slow_answer, .draining = note_draining, .drain = SECOND / 2 }
    };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    weft_stream *client = connect_to(&server);
    weft_sleep(SECOND);
    weft_listener_stop(server.listener);
    weft_sleep(SECOND);
    int64_t begin = weft_now();
    weft_task_cancel(server.task, "enough");
    assert_int_equal(weft_await(server.task), -ECANCELED);
    assert_int_equal(weft_now() - begin, SECOND / 2);
    assert_string_equal(trace, "dc"); /* the drain begins once */
    weft_close(client);
    end(&s, &server);
    return 0;
}

static void test_semantics_19_stop_and_then_a_cancel_limits_the_drain(void **state)
{
    (void)state;
    over_kinds(stop_then_cancel);
}

static int stop_when_full(void *kind)
{
    struct server server = {
        .options = { .handler = slow_answer, .draining = note_draining, .max_clients = 1 }
    };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    weft_stream *client = connect_to(&server);
    pass_turns(5);
    weft_listener_stop(server.listener);
    pass_turns(3);
    assert_string_equal(trace, "d"); /* it does not wait for a client to leave */
    assert_int_equal(weft_await(server.task), 0);
    expect(client, "answer");
    weft_close(client);
    end(&s, &server);
    return 0;
}

static void test_serve_stop_reaches_a_server_that_is_full(void **state)
{
    (void)state;
    over_kinds(stop_when_full);
}

static int never_started(void *kind)
{
    struct server server = { .options = { .handler = slow_answer } };
    weft_scope s;
    char byte;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    weft_stream *client = connect_to(&server);
    while (wf_running->counters.spawns < 2) { /* its task is spawned … */
        if (server.listener->accepting)
            wf_running->io_ops->wait(wf_running->io, 0);
        weft_sleep(0);
    }
    weft_task_cancel(server.task, "enough"); /* … and has perhaps not begun */
    assert_int_equal(weft_await(server.task), -ECANCELED);
    ssize_t n = weft_read(client, &byte, 1);
    assert_true(n == -ECONNRESET || n == 0);
    weft_close(client);
    end(&s, &server);
    return 0;
}

static void test_semantics_29_client_task_that_never_started_closes_its_stream(void **state)
{
    (void)state;
    over_kinds(never_started);
}

/* The second Ctrl-C reaches clients through the shield that guards the drain. */
static int pierced(void *kind)
{
    struct server server = { .options = { .handler = slow_answer, .drain = WEFT_FOREVER } };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    weft_stream *client = connect_to(&server);
    weft_sleep(SECOND);
    int64_t begin = weft_now();
    weft_task_cancel(server.task, "the first");
    pass_turns(5);
    assert_false(server.done);
    wf_region_pierce(&server.task->member.region, "the second");
    assert_int_equal(weft_await(server.task), -ECANCELED);
    assert_int_equal(weft_now(), begin);
    assert_string_equal(trace, "c");
    weft_close(client);
    end(&s, &server);
    return 0;
}

static void test_semantics_18_second_interrupt_pierces_the_drain(void **state)
{
    (void)state;
    over_kinds(pierced);
}

/* A handler's own tasks and scopes are reached by the drain's end too. */
static int nested(weft_stream *client, void *arg)
{
    (void)client, (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, sleep_forever, NULL);
    weft_spawn(&s, sleep_forever, NULL);
    int err = weft_scope_end(&s);
    note(err == -ECANCELED ? "c" : "?");
    return err;
}

static int drain_nested(void *kind)
{
    struct server server = { .options.handler = nested };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    weft_stream *client = connect_to(&server);
    pass_turns(5);
    end(&s, &server);
    assert_string_equal(trace, "c");
    weft_close(client);
    return 0;
}

static void test_serve_leaves_no_task_of_a_client_behind(void **state)
{
    (void)state;
    over_kinds(drain_nested);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_semantics_19_drain_of_nothing_cancels_at_once),
        core_test(test_semantics_19_drain_lets_clients_finish),
        core_test(test_semantics_19_drain_has_a_limit),
        core_test(test_semantics_19_stop_drains_without_cancel),
        core_test(test_semantics_19_stop_and_then_a_cancel_limits_the_drain),
        core_test(test_serve_stop_reaches_a_server_that_is_full),
        core_test(test_semantics_29_client_task_that_never_started_closes_its_stream),
        core_test(test_semantics_18_second_interrupt_pierces_the_drain),
        core_test(test_serve_leaves_no_task_of_a_client_behind),
    };
    return cmocka_run_group_tests_name("net serve drain", tests, NULL, NULL);
}
