/* Listening, accepting and connecting, over each kind of address. */

#include "net_test.h"

#include "net/listener.h"

#include <netinet/tcp.h>

#define ADDRESSES 4 /* kinds that can be listened on: MEM, TCP6, TCP4, UNIX */

static const struct kind *const listening[ADDRESSES] = { &kinds[MEM], &kinds[TCP6], &kinds[TCP4],
                                                         &kinds[UNIX] };

static const char *address_of(const struct kind *kind)
{
    return kind == &kinds[UNIX] ? unix_address() : kind->address;
}

/* `fn(kind)` in a loop of its own for each kind. */
static void over_kinds(weft_fn *fn)
{
    for (int i = 0; i < ADDRESSES; i++) {
        int err = run(fn, (void *)(uintptr_t)listening[i]);
        if (err < 0)
            fail_msg("%s: %s", listening[i]->name, weft_error_text(err));
    }
}

struct accept {
    weft_listener *listener;
    weft_stream *client;
    int result;
    bool done;
};

static int accept_one(void *arg)
{
    struct accept *a = arg;
    a->result = weft_accept(a->listener, &a->client);
    a->done = true;
    return 0;
}

struct connect {
    const char *address;
    weft_stream *stream;
    int result;
    bool done;
};

static int connect_one(void *arg)
{
    struct connect *c = arg;
    c->result = weft_connect(&c->stream, c->address);
    c->done = true;
    return 0;
}

/* Accept. */

static int accept_waits(void *kind)
{
    struct accept a = { .result = -1 };
    struct connect c = { .result = -1 };
    weft_scope s;
    assert_int_equal(weft_listen(&a.listener, address_of(kind)), 0);
    c.address = weft_listener_address(a.listener);
    weft_scope_begin(&s);
    weft_spawn(&s, accept_one, &a);
    pass_turns(3);
    assert_false(a.done);
    weft_spawn(&s, connect_one, &c);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(a.result + c.result, 0);
    put(c.stream, "hello");
    expect(a.client, "hello");
    weft_close(a.client);
    weft_close(c.stream);
    return weft_listener_close(a.listener);
}

static void test_accept_waits_for_a_client(void **state)
{
    (void)state;
    over_kinds(accept_waits);
}

static int addresses_are_told(void *arg)
{
    const struct kind *kind = arg;
    weft_listener *listener;
    weft_stream *client, *server;
    assert_int_equal(weft_listen(&listener, address_of(kind)), 0);
    const char *address = weft_listener_address(listener);
    if (kind == &kinds[TCP6])
        assert_memory_equal(address, "[::1]:", 6);
    else if (kind == &kinds[TCP4])
        assert_memory_equal(address, "127.0.0.1:", 10);
    else
        assert_string_equal(address, address_of(kind));
    if (kind->kernel)
        assert_true(strcmp(strrchr(address, ':'), ":0") != 0);
    assert_int_equal(weft_connect(&client, address), 0);
    assert_int_equal(weft_accept(listener, &server), 0);
    assert_string_equal(weft_stream_peer(client), address);
    const char *peer = weft_stream_peer(server);
    if (kind == &kinds[TCP6])
        assert_memory_equal(peer, "[::1]:", 6);
    else if (kind == &kinds[TCP4])
        assert_memory_equal(peer, "127.0.0.1:", 10);
    else
        assert_string_equal(peer, kind == &kinds[UNIX] ? "unix:" : address);
    assert_ptr_equal(peer, weft_stream_peer(server));
    weft_close(client);
    weft_close(server);
    return weft_listener_close(listener);
}

static void test_listener_address_and_peers_are_told_as_text(void **state)
{
    (void)state;
    over_kinds(addresses_are_told);
}

static int second_acceptor(void *kind)
{
    struct accept a = { .result = -1 };
    weft_stream *client;
    weft_scope s;
    assert_int_equal(weft_listen(&a.listener, address_of(kind)), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, accept_one, &a, .name = "the first");
    pass_turns(2);
    assert_int_equal(weft_accept(a.listener, &client), -EBUSY);
    assert_non_null(strstr(weft_error_detail(), "the first"));
    weft_scope_cancel(&s, "test");
    weft_scope_end(&s);
    assert_int_equal(a.result, -ECANCELED);
    return weft_listener_close(a.listener);
}

static void test_accept_second_acceptor_is_busy_and_named(void **state)
{
    (void)state;
    over_kinds(second_acceptor);
    take_log("accepts from");
}

static int cancelled_accept(void *kind)
{
    struct accept a = { .result = -1 };
    weft_stream *client;
    weft_scope s;
    assert_int_equal(weft_listen(&a.listener, address_of(kind)), 0);
    assert_int_equal(weft_connect(&client, weft_listener_address(a.listener)), 0);
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "test");
    assert_int_equal(weft_accept(a.listener, &a.client), -ECANCELED); /* at entry */
    weft_scope_end(&s);
    assert_int_equal(weft_accept(a.listener, &a.client), 0);
    put(client, "still here");
    expect(a.client, "still here");
    weft_close(client);
    weft_close(a.client);
    return weft_listener_close(a.listener);
}

static void test_accept_cancelled_leaves_the_client_in_the_backlog(void **state)
{
    (void)state;
    over_kinds(cancelled_accept);
}

/* A client that has been granted is not lost by the cancel that comes in the same turn. */
static int granted_accept(void *kind)
{
    struct accept a = { .result = -1 };
    weft_stream *client;
    weft_scope s;
    assert_int_equal(weft_listen(&a.listener, address_of(kind)), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, accept_one, &a);
    pass_turns(2);
    assert_int_equal(weft_connect(&client, weft_listener_address(a.listener)), 0);
    while (a.listener->accepting && a.listener->accepting->waiter.state == WF_WAIT_ARMED)
        wf_running->io_ops->wait(wf_running->io, 0);
    weft_scope_cancel(&s, "test");
    weft_scope_end(&s);
    assert_int_equal(a.result, 0);
    weft_close(client);
    weft_close(a.client);
    return weft_listener_close(a.listener);
}

static void test_semantics_10_granted_accept_is_not_cancelled(void **state)
{
    (void)state;
    over_kinds(granted_accept);
}

/* Stop and close. */

static int stop_refuses(void *kind)
{
    struct accept a = { .result = -1 };
    weft_stream *client;
    weft_scope s;
    char address[128];
    assert_int_equal(weft_listen(&a.listener, address_of(kind)), 0);
    snprintf(address, sizeof address, "%s", weft_listener_address(a.listener));
    weft_scope_begin(&s);
    weft_spawn(&s, accept_one, &a);
    pass_turns(2);
    weft_listener_stop(a.listener);
    weft_listener_stop(a.listener);
    weft_scope_end(&s);
    assert_int_equal(a.result, WEFT_ECLOSED);
    assert_int_equal(weft_accept(a.listener, &client), WEFT_ECLOSED);
    int err = weft_connect(&client, address);
    assert_int_equal(err, kind == &kinds[UNIX] ? -ENOENT : -ECONNREFUSED);
    return weft_listener_close(a.listener);
}

static void test_listener_stop_refuses_clients_and_sends_the_acceptor_away(void **state)
{
    (void)state;
    over_kinds(stop_refuses);
}

static int close_waits(void *kind)
{
    struct accept a = { .result = -1 };
    weft_scope s;
    assert_int_equal(weft_listen(&a.listener, address_of(kind)), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, accept_one, &a);
    pass_turns(2);
    weft_scope_cancel(&s, "test"); /* the close is not cancelled */
    assert_int_equal(weft_listener_close(a.listener), 0);
    assert_true(a.done);
    weft_scope_end(&s);
    assert_int_equal(weft_listener_close(NULL), 0);
    return 0;
}

static void test_listener_close_waits_for_the_acceptor(void **state)
{
    (void)state;
    over_kinds(close_waits);
}

/* Who comes when the listener is going is sent away, and does not come between. */
struct close {
    weft_listener *listener;
    int result;
    bool done;
};

static int close_listener(void *arg)
{
    struct close *c = arg;
    c->result = weft_listener_close(c->listener);
    c->done = true;
    return 0;
}

static int come_late(void *kind)
{
    struct accept a = { .result = -1 }, late = { .result = -1 };
    struct close c = { .result = -1 };
    weft_scope s;
    assert_int_equal(weft_listen(&a.listener, address_of(kind)), 0);
    late.listener = c.listener = a.listener;
    weft_scope_begin(&s);
    weft_spawn(&s, accept_one, &a);
    pass_turns(2);
    weft_spawn(&s, close_listener, &c);
    weft_spawn(&s, accept_one, &late);
    weft_sleep(0);
    assert_false(c.done);
    assert_int_equal(weft_listener_close(a.listener), -EALREADY);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(a.result, WEFT_ECLOSED);
    assert_int_equal(late.result, WEFT_ECLOSED);
    assert_int_equal(c.result, 0);
    return 0;
}

static void test_listener_close_is_not_disturbed_by_latecomers(void **state)
{
    (void)state;
    over_kinds(come_late);
    take_log("closed twice");
}

static void close_outside(void *listener)
{
    assert_int_equal(weft_listener_close(listener), -EPERM);
    assert_non_null(strstr(weft_error_detail(), "while task 'acceptor' uses it"));
    note("called");
}

static int close_from_callback(void *kind)
{
    struct accept a = { .result = -1 };
    struct connect c = { .result = -1 };
    weft_scope s;
    trace[0] = '\0';
    assert_int_equal(weft_listen(&a.listener, address_of(kind)), 0);
    c.address = weft_listener_address(a.listener);
    weft_scope_begin(&s);
    weft_spawn(&s, accept_one, &a, .name = "acceptor");
    pass_turns(2);
    weft_call_soon(close_outside, a.listener);
    pass_turns(2);
    assert_string_equal(trace, "called");
    weft_spawn(&s, connect_one, &c); /* undisturbed */
    weft_scope_end(&s);
    assert_int_equal(a.result, 0);
    weft_close(a.client);
    weft_close(c.stream);
    return weft_listener_close(a.listener);
}

static void test_listener_close_outside_a_task_while_somebody_accepts_is_refused(void **state)
{
    (void)state;
    over_kinds(close_from_callback);
    take_log("uses it");
}

/* The acceptor's budget is used up at the entry of its call; meanwhile the listener closes. */
static int accept_for_ever(void *arg)
{
    struct accept *a = arg;
    wf_running->current->budget = 1;
    a->result = weft_accept(a->listener, &a->client);
    a->done = true;
    return 0;
}

static int close_while_yielding(void *kind)
{
    struct accept a = { .result = -1 };
    weft_scope s;
    assert_int_equal(weft_listen(&a.listener, address_of(kind)), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, accept_for_ever, &a, .eager = true);
    assert_false(a.done);
    assert_int_equal(weft_listener_close(a.listener), 0);
    assert_true(a.done);
    assert_int_equal(a.result, WEFT_ECLOSED);
    return weft_scope_end(&s);
}

static void test_listener_close_waits_for_an_acceptor_that_yields(void **state)
{
    (void)state;
    over_kinds(close_while_yielding);
}

static int clients_in_backlog(void *kind)
{
    weft_listener *listener;
    weft_stream *clients[3];
    char byte;
    assert_int_equal(weft_listen(&listener, address_of(kind)), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weft_connect(&clients[i], weft_listener_address(listener)), 0);
    weft_listener_close(listener);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weft_read(clients[i], &byte, 1), -ECONNRESET);
        weft_close(clients[i]);
    }
    return 0;
}

static void test_listener_close_resets_clients_in_the_backlog(void **state)
{
    (void)state;
    over_kinds(clients_in_backlog);
}

/* Taking an address. */

static int take_twice(void *arg)
{
    const struct kind *kind = arg;
    weft_listener *first, *second;
    char address[128];
    assert_int_equal(weft_listen(&first, address_of(kind)), 0);
    snprintf(address, sizeof address, "%s", weft_listener_address(first));
    assert_int_equal(weft_listen(&second, address), -EADDRINUSE);
    weft_listener_stop(first); /* gives the address up */
    assert_int_equal(weft_listen(&second, address), 0);
    assert_int_equal(weft_listener_close(first), 0);
    weft_stream *client; /* and does not take the second one's with it */
    assert_int_equal(weft_connect(&client, address), 0);
    weft_abort(client);
    return weft_listener_close(second);
}

static void test_listen_on_an_address_in_use_is_refused(void **state)
{
    (void)state;
    over_kinds(take_twice);
}

static int listen_cancelled(void *kind)
{
    weft_listener *listener;
    weft_scope s;
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "test");
    assert_int_equal(weft_listen(&listener, address_of(kind)), -ECANCELED);
    weft_scope_end(&s);
    return 0;
}

static void test_semantics_10_listen_checks_cancel_at_entry(void **state)
{
    (void)state;
    over_kinds(listen_cancelled);
}

static void test_listen_without_a_loop_is_refused(void **state)
{
    (void)state;
    weft_listener *listener;
    weft_stream *a, *b;
    assert_int_equal(weft_listen(&listener, "mem:x"), -EPERM);
    assert_int_equal(weft_memory_pair(&a, &b), -EPERM);
    assert_int_equal(weft_connect(&a, "mem:x"), -EPERM);
    expect_log("a listener was made where there is no loop");
    expect_log("a memory pair was made where there is no loop");
    expect_log("outside a task");
}

static void test_listen_before_the_loop_runs(void **state)
{
    weft_loop *loop;
    weft_listener *listener;
    (void)state;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    for (int i = 0; i < ADDRESSES; i++) {
        assert_int_equal(weft_listen(&listener, address_of(listening[i])), 0);
        assert_int_equal(weft_listener_close(listener), 0);
    }
    assert_int_equal(weft_loop_free(loop), 0);
}

/* Unix paths. */

static const char *path(void)
{
    return unix_address() + 5;
}

static void leave_stale(void)
{
    struct sockaddr_storage to;
    socklen_t size;
    int fd = raw_socket(unix_address(), &to, &size);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, size), 0);
    close(fd);
}

static int take_over(void *arg)
{
    (void)arg;
    struct stat status;
    weft_listener *listener;
    leave_stale();
    assert_int_equal(weft_listen(&listener, unix_address()), 0);
    assert_int_equal(stat(path(), &status), 0);
    weft_listener_close(listener);
    assert_int_equal(stat(path(), &status), -1);
    return 0;
}

static void test_listen_takes_a_dead_servers_path_over(void **state)
{
    (void)state;
    assert_int_equal(run(take_over, NULL), 0);
}

static int keep_foreign(void *arg)
{
    (void)arg;
    weft_listener *listener;
    struct stat status;
    FILE *file = fopen(path(), "w"); /* no socket: not ours to remove */
    fclose(file);
    assert_int_equal(weft_listen(&listener, unix_address()), -EADDRINUSE);
    assert_int_equal(stat(path(), &status), 0);
    unlink(path());

    assert_int_equal(weft_listen(&listener, unix_address()), 0);
    unlink(path()); /* somebody takes the name */
    leave_stale();
    weft_listener_close(listener);
    assert_int_equal(stat(path(), &status), 0);
    unlink(path());
    return 0;
}

static void test_listener_close_leaves_other_peoples_files(void **state)
{
    (void)state;
    assert_int_equal(run(keep_foreign, NULL), 0);
}

static int refuse_paths(void *arg)
{
    (void)arg;
    weft_listener *listener;
    char longest[128] = "unix:/tmp/", *end = longest + 10;
    memset(end, 'x', 108 - 5);
    assert_int_equal(weft_listen(&listener, longest), -EINVAL);
    assert_int_equal(weft_listen(&listener, "unix:/nowhere/at/all"), -ENOENT);
    longest[5 + 107] = '\0';
    assert_int_equal(weft_listen(&listener, longest), 0);
    assert_string_equal(weft_listener_address(listener), longest);
    weft_stream *client;
    assert_int_equal(weft_connect(&client, longest), 0);
    assert_string_equal(weft_stream_peer(client), longest);
    weft_close(client);
    return weft_listener_close(listener);
}

static void test_listen_unix_paths_have_a_limit(void **state)
{
    (void)state;
    assert_int_equal(run(refuse_paths, NULL), 0);
}

static int fill_unix_backlog(void *arg)
{
    (void)arg;
    weft_listener *listener;
    weft_stream *clients[8];
    int err = 0, n = 0;
    assert_int_equal(weft_listen(&listener, unix_address(), .backlog = 1), 0);
    while (n < 8 && (err = weft_connect(&clients[n], unix_address())) == 0)
        n++;
    assert_int_equal(err, -EAGAIN);
    while (n > 0)
        weft_close(clients[--n]);
    return weft_listener_close(listener);
}

static void test_connect_to_a_full_unix_backlog_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(fill_unix_backlog, NULL), 0);
}

/* The backlog of mem: addresses. */

static int backlog_waits(void *arg)
{
    (void)arg;
    struct accept a = { .result = -1 };
    struct connect c[5];
    weft_scope s, cancelled;
    assert_int_equal(weft_listen(&a.listener, "mem:small", .backlog = 2), 0);
    weft_scope_begin(&s);
    for (int i = 0; i < 5; i++) {
        c[i] = (struct connect){ .address = "mem:small", .result = -1 };
        weft_spawn(&s, connect_one, &c[i]);
    }
    pass_turns(3);
    assert_true(c[0].done && c[1].done && !c[2].done && !c[3].done && !c[4].done);
    weft_scope_begin(&cancelled);
    struct connect given_up = { .address = "mem:small", .result = -1 };
    weft_spawn(&cancelled, connect_one, &given_up);
    pass_turns(2);
    weft_scope_cancel(&cancelled, "test");
    weft_scope_end(&cancelled);
    assert_int_equal(given_up.result, -ECANCELED);
    for (int i = 0; i < 5; i++) { /* in the order in which they came */
        assert_int_equal(weft_accept(a.listener, &a.client), 0);
        pass_turns(2);
        assert_true(c[i].done && (i + 3 >= 5 || !c[i + 3].done));
        put(c[i].stream, "me");
        expect(a.client, "me");
        weft_close(c[i].stream);
        weft_close(a.client);
    }
    weft_scope_end(&s);
    return weft_listener_close(a.listener);
}

static void test_connect_to_a_full_mem_backlog_waits_in_order(void **state)
{
    (void)state;
    assert_int_equal(run(backlog_waits, NULL), 0);
}

/* Room was granted, and then the listener goes before the connector runs. */
static int granted_and_gone(void *arg)
{
    (void)arg;
    struct accept a = { .result = -1 };
    struct connect first = { .address = "mem:gone" }, second = { .address = "mem:gone" };
    struct connect third = { .address = "mem:gone" };
    weft_scope s;
    assert_int_equal(weft_listen(&a.listener, "mem:gone", .backlog = 1), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, connect_one, &first);
    weft_spawn(&s, connect_one, &second);
    weft_spawn(&s, connect_one, &third);
    pass_turns(2);
    assert_int_equal(weft_accept(a.listener, &a.client), 0); /* grants the second one room */
    assert_false(second.done);
    assert_int_equal(weft_listener_close(a.listener), 0);
    weft_scope_end(&s);
    assert_int_equal(second.result, -ECONNREFUSED);
    assert_int_equal(third.result, -ECONNREFUSED);
    weft_close(first.stream);
    weft_close(a.client);
    return 0;
}

static void test_connect_that_was_granted_room_finds_the_listener_gone(void **state)
{
    (void)state;
    assert_int_equal(run(granted_and_gone, NULL), 0);
}

/* The first who has room runs out of memory: the next one gets it. */
static int granted_without_memory(void *arg)
{
    (void)arg;
    struct accept a = { .result = -1 };
    struct connect first = { .address = "mem:poor" }, second = { .address = "mem:poor" };
    weft_stream *client;
    struct wf_memory_fault none = { .countdown = 1, .persistent = true };
    weft_scope s;
    assert_int_equal(weft_listen(&a.listener, "mem:poor", .backlog = 1), 0);
    assert_int_equal(weft_connect(&client, "mem:poor"), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, connect_one, &first);
    weft_spawn(&s, connect_one, &second);
    pass_turns(2);
    struct wf_net *net = wf_running->net;
    while (net->memories.free || net->memories.fresh_count > 0) { /* and the slab has none */
        weft_stream *x, *y;
        if (weft_memory_pair(&x, &y) < 0)
            break;
    }
    assert_int_equal(weft_accept(a.listener, &a.client), 0);
    wf_memory_fault_set(&none);
    weft_sleep(0);
    wf_memory_fault_set(NULL);
    assert_int_equal(first.result, -ENOMEM);
    assert_int_equal(weft_accept(a.listener, &a.client), 0);
    weft_scope_end(&s);
    assert_int_equal(second.result, 0);
    return 0;
}

static void test_connect_that_fails_passes_its_room_on(void **state)
{
    (void)state;
    assert_int_equal(run(granted_without_memory, NULL), 0);
    assert_int_equal(take_log("left open"), 1);
}

/* A client had arrived, and the listener stops before the acceptor runs. */
static int arrived_and_gone(void *arg)
{
    (void)arg;
    struct accept a = { .result = -1 };
    weft_stream *client;
    char byte;
    weft_scope s;
    assert_int_equal(weft_listen(&a.listener, "mem:gone"), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, accept_one, &a);
    pass_turns(2);
    assert_int_equal(weft_connect(&client, "mem:gone"), 0);
    assert_false(a.done);
    weft_listener_stop(a.listener);
    weft_scope_end(&s);
    assert_int_equal(a.result, WEFT_ECLOSED);
    assert_int_equal(weft_read(client, &byte, 1), -ECONNRESET);
    weft_close(client);
    return weft_listener_close(a.listener);
}

static void test_accept_of_a_client_that_a_stop_has_taken_ends(void **state)
{
    (void)state;
    assert_int_equal(run(arrived_and_gone, NULL), 0);
}

/* Connecting. */

static int refused(void *kind)
{
    weft_listener *listener;
    weft_stream *stream = NULL;
    char address[128];
    assert_int_equal(weft_listen(&listener, address_of(kind)), 0);
    snprintf(address, sizeof address, "%s", weft_listener_address(listener));
    weft_listener_close(listener);
    assert_int_equal(weft_connect(&stream, address),
                     kind == &kinds[UNIX] ? -ENOENT : -ECONNREFUSED);
    assert_null(stream);
    assert_non_null(strstr(weft_error_detail(), address));
    assert_int_equal(weft_connect(&stream, "nonsense"), -EINVAL);
    return 0;
}

static void test_connect_where_nobody_listens_is_refused(void **state)
{
    (void)state;
    over_kinds(refused);
}

static int connect_cancelled(void *arg)
{
    weft_listener *listener;
    weft_stream *stream = NULL;
    struct connect c = { .result = -1 };
    weft_scope s;
    assert_int_equal(weft_listen(&listener, address_of(arg)), 0);
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "test");
    assert_int_equal(weft_connect(&stream, weft_listener_address(listener)), -ECANCELED);
    weft_scope_end(&s);
    /* under way: nobody answers on this address in time */
    c.address = "192.0.2.1:9";
    weft_scope_begin(&s);
    weft_spawn(&s, connect_one, &c);
    weft_sleep(0);
    weft_scope_cancel(&s, "test");
    weft_scope_end(&s);
    assert_true(c.result == -ECANCELED || c.result == -ENETUNREACH || c.result == -ECONNREFUSED ||
                c.result == -EHOSTUNREACH || c.result == -EACCES || c.result == -EPERM);
    return weft_listener_close(listener);
}

static void test_connect_cancelled_leaves_nothing(void **state)
{
    (void)state;
    over_kinds(connect_cancelled);
}

/* Shortage: each fails and can be tried again. */

static int accept_fails(void *arg)
{
    const struct kind *kind = arg;
    static const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM };
    weft_listener *listener;
    weft_stream *client, *server;
    if (!kind->kernel)
        return 0;
    assert_int_equal(weft_listen(&listener, address_of(kind)), 0);
    assert_int_equal(weft_connect(&client, weft_listener_address(listener)), 0);
    for (size_t i = 0; i < WF_ARRAY_SIZE(errors); i++) {
        struct wf_io_fault fault = { .kind = WF_FAULT_ACCEPT, .countdown = 1, .error = errors[i] };
        wf_io_fault_set(&fault);
        assert_int_equal(weft_accept(listener, &server), -errors[i]);
        wf_io_fault_set(NULL);
    }
    assert_int_equal(weft_accept(listener, &server), 0);
    put(client, "still here");
    expect(server, "still here");
    weft_close(client);
    weft_close(server);
    return weft_listener_close(listener);
}

static void test_hazard_01_accept_that_fails_leaves_the_client_in_the_backlog(void **state)
{
    (void)state;
    over_kinds(accept_fails);
}

static int connect_fails(void *arg)
{
    const struct kind *kind = arg;
    static const int errors[] = { ENOMEM, ENOSPC };
    weft_listener *listener;
    weft_stream *client = NULL;
    if (!kind->kernel)
        return 0;
    assert_int_equal(weft_listen(&listener, address_of(kind)), 0);
    for (size_t i = 0; i < WF_ARRAY_SIZE(errors); i++) {
        struct wf_io_fault fault = { .kind = WF_FAULT_CONTROL, .countdown = 1, .error = errors[i] };
        wf_io_fault_set(&fault);
        assert_int_equal(weft_connect(&client, weft_listener_address(listener)), -errors[i]);
        fault.countdown = 1;
        assert_int_equal(weft_listen(&(weft_listener *){ NULL }, "127.0.0.1:0"), -errors[i]);
        wf_io_fault_set(NULL);
    }
    return weft_listener_close(listener);
}

static void test_connect_that_the_driver_refuses_leaves_no_descriptor(void **state)
{
    (void)state;
    over_kinds(connect_fails);
}

static int exhausted(void *arg)
{
    weft_stream *stream;
    weft_listener *listener;
    struct rlimit before, limit;
    (void)arg;
    getrlimit(RLIMIT_NOFILE, &before);
    limit = before;
    limit.rlim_cur = 3;
    assert_int_equal(weft_listen(&listener, "mem:x"), 0);
    setrlimit(RLIMIT_NOFILE, &limit);
    int connect_err = weft_connect(&stream, "127.0.0.1:1");
    int listen_err = weft_listen(&listener, "127.0.0.1:0");
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(connect_err, -EMFILE);
    assert_int_equal(listen_err, -EMFILE);
    return 0;
}

static void test_hazard_01_connect_and_listen_without_descriptors_say_so(void **state)
{
    (void)state;
    assert_int_equal(run(exhausted, NULL), 0);
    expect_log("1 listeners left open");
}

/* A dual-stack listener tells IPv4 clients as what they are. */
static int dual_stack(void *arg)
{
    (void)arg;
    weft_listener *listener;
    weft_stream *client, *server;
    char address[64];
    assert_int_equal(weft_listen(&listener, "[::]:0"), 0);
    snprintf(address, sizeof address, "127.0.0.1%s", strrchr(weft_listener_address(listener), ':'));
    assert_int_equal(weft_connect(&client, address), 0);
    assert_int_equal(weft_accept(listener, &server), 0);
    assert_memory_equal(weft_stream_peer(server), "127.0.0.1:", 10);
    weft_close(client);
    weft_close(server);
    return weft_listener_close(listener);
}

static void test_listen_on_all_takes_both_families(void **state)
{
    (void)state;
    assert_int_equal(run(dual_stack, NULL), 0);
}

/* Nagle's algorithm is off on both sides unless somebody wants it. */

static bool is_connected(int fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
}

static int count_no_delay(void)
{
    int count = 0;
    for (int fd = 3; fd < 64; fd++) {
        int on = 0;
        socklen_t size = sizeof on;
        if (getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0 && is_connected(fd))
            count += on != 0;
    }
    return count;
}

static int delays(void *arg)
{
    (void)arg;
    for (int delay = 0; delay < 2; delay++) {
        weft_listener *listener;
        weft_stream *client, *accepted;
        assert_int_equal(weft_listen(&listener, "127.0.0.1:0", .delay = delay == 1), 0);
        assert_int_equal(
            weft_connect(&client, weft_listener_address(listener), .delay = delay == 1), 0);
        assert_int_equal(weft_accept(listener, &accepted), 0);
        assert_int_equal(count_no_delay(), delay ? 0 : 2);
        weft_close(client);
        weft_close(accepted);
        weft_listener_close(listener);
    }
    return 0;
}

static void test_listener_streams_do_not_delay_unless_asked(void **state)
{
    (void)state;
    assert_int_equal(run(delays, NULL), 0);
}

/* The acceptor that was sent away closes the listener too. */

static weft_listener *shared;

static int accept_and_close(void *arg)
{
    weft_stream *client;
    (void)arg;
    assert_int_equal(weft_accept(shared, &client), WEFT_ECLOSED);
    assert_int_equal(weft_listener_close(shared), -EALREADY);
    return 0;
}

static int close_twice(void *arg)
{
    static const char *const addresses[] = { "mem:twice", "127.0.0.1:0" };
    (void)arg;
    for (int i = 0; i < 2; i++) {
        weft_scope s;
        assert_int_equal(weft_listen(&shared, addresses[i]), 0);
        weft_scope_begin(&s);
        weft_spawn(&s, accept_and_close, NULL);
        pass_turns(2);
        assert_int_equal(weft_listener_close(shared), 0);
        assert_int_equal(weft_scope_end(&s), 0);
    }
    return 0;
}

static void test_semantics_21_a_listener_is_closed_once(void **state)
{
    (void)state;
    assert_int_equal(run(close_twice, NULL), 0);
    take_log("a listener was closed twice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_accept_waits_for_a_client),
        core_test(test_listener_address_and_peers_are_told_as_text),
        core_test(test_accept_second_acceptor_is_busy_and_named),
        core_test(test_accept_cancelled_leaves_the_client_in_the_backlog),
        core_test(test_semantics_10_granted_accept_is_not_cancelled),
        core_test(test_listener_stop_refuses_clients_and_sends_the_acceptor_away),
        core_test(test_listener_close_waits_for_the_acceptor),
        core_test(test_listener_close_is_not_disturbed_by_latecomers),
        core_test(test_listener_close_outside_a_task_while_somebody_accepts_is_refused),
        core_test(test_listener_close_waits_for_an_acceptor_that_yields),
        core_test(test_listener_close_resets_clients_in_the_backlog),
        core_test(test_listen_on_an_address_in_use_is_refused),
        core_test(test_semantics_10_listen_checks_cancel_at_entry),
        core_test(test_listen_without_a_loop_is_refused),
        core_test(test_listen_before_the_loop_runs),
        core_test(test_listen_takes_a_dead_servers_path_over),
        core_test(test_listener_close_leaves_other_peoples_files),
        core_test(test_listen_unix_paths_have_a_limit),
        core_test(test_connect_to_a_full_unix_backlog_is_refused),
        core_test(test_connect_to_a_full_mem_backlog_waits_in_order),
        core_test(test_connect_that_was_granted_room_finds_the_listener_gone),
        core_test(test_connect_that_fails_passes_its_room_on),
        core_test(test_accept_of_a_client_that_a_stop_has_taken_ends),
        core_test(test_connect_where_nobody_listens_is_refused),
        core_test(test_connect_cancelled_leaves_nothing),
        core_test(test_hazard_01_accept_that_fails_leaves_the_client_in_the_backlog),
        core_test(test_connect_that_the_driver_refuses_leaves_no_descriptor),
        core_test(test_hazard_01_connect_and_listen_without_descriptors_say_so),
        core_test(test_listen_on_all_takes_both_families),
        core_test(test_listener_streams_do_not_delay_unless_asked),
        core_test(test_semantics_21_a_listener_is_closed_once),
    };
    return cmocka_run_group_tests_name("net listener", tests, NULL, NULL);
}
