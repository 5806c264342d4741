/* Serving: clients, limits, errors, and a world without descriptors. */

#include "serve_test.h"

#include <poll.h>

/* Clients. */

static int serve_many(void *kind)
{
    enum { CLIENTS = 50 };
    struct server server = { .options.handler = echo };
    weft_stream *clients[CLIENTS];
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_to(&server);
        put(clients[i], "hello");
    }
    for (int i = 0; i < CLIENTS; i++)
        expect(clients[i], "hello");
    for (int i = 0; i < CLIENTS; i++)
        weft_close(clients[i]);
    end(&s, &server);
    assert_int_equal(server.result, -ECANCELED);
    return 0;
}

static void test_serve_echoes_to_many(void **state)
{
    (void)state;
    over_kinds(serve_many);
}

static int note_name(weft_stream *client, void *arg)
{
    assert_non_null(client);
    note(weft_task_name(weft_task_self()));
    note(arg);
    return 0;
}

static int names_and_arg(void *kind)
{
    struct server server = { .options.handler = note_name, .options.arg = "!" };
    weft_scope s;
    weft_stream *stream;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    stream = connect_to(&server);
    expect_end(stream); /* it is closed after the handler */
    weft_close(stream);
    end(&s, &server);
    server = (struct server){ .options = { .handler = note_name, .arg = "?", .name = "guest" } };
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    stream = connect_to(&server);
    expect_end(stream);
    weft_close(stream);
    end(&s, &server);
    assert_string_equal(trace, "client!guest?");
    return 0;
}

static void test_serve_gives_the_handler_its_arg_and_the_task_its_name(void **state)
{
    (void)state;
    over_kinds(names_and_arg);
}

static int highest, present;

static int count_present(weft_stream *client, void *arg)
{
    (void)arg;
    char byte;
    present++;
    highest = present > highest ? present : highest;
    ssize_t n = weft_read(client, &byte, 1);
    present--;
    return n < 0 ? (int)n : 0;
}

static int limited(void *kind)
{
    struct server server = { .options = { .handler = count_present, .max_clients = 3 } };
    weft_stream *clients[8];
    weft_scope s;
    present = highest = 0;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    for (int i = 0; i < 8; i++)
        clients[i] = connect_to(&server);
    pass_turns(10);
    assert_int_equal(present, 3);
    for (int i = 0; i < 8; i++) {
        put(clients[i], "x");
        expect_end(clients[i]); /* in the order in which they came */
        weft_close(clients[i]);
    }
    assert_int_equal(highest, 3);
    end(&s, &server);
    return 0;
}

static void test_serve_max_clients_leaves_the_rest_in_the_backlog(void **state)
{
    (void)state;
    over_kinds(limited);
}

/* A client that has been answered and does not read holds its place until its stream is gone. */

static int answer_much(weft_stream *client, void *arg)
{
    static const char much[60000];
    (void)arg;
    present++;
    int err = weft_write(client, much, sizeof much);
    return err < 0 ? err : weft_write(client, much, sizeof much);
}

static int lingering(void *arg)
{
    (void)arg;
    struct server server = { .options = { .handler = answer_much, .max_clients = 2 } };
    weft_stream *clients[4];
    weft_scope s;
    present = 0;
    weft_scope_begin(&s);
    start(&s, &server, "mem:shop");
    for (int i = 0; i < 4; i++)
        clients[i] = connect_to(&server);
    pass_turns(10);
    assert_int_equal(present, 2);
    assert_int_equal(weft_sleep(4 * WEFT_SECOND), 0);
    assert_int_equal(present, 2); /* the handlers have returned long ago */
    assert_int_equal(weft_sleep(2 * WEFT_SECOND), 0);
    assert_int_equal(present, 4); /* the first two were left after 5 s */
    for (int i = 0; i < 4; i++)
        weft_close(clients[i]);
    end(&s, &server);
    return 0;
}

static void test_serve_counts_a_client_until_its_stream_is_gone(void **state)
{
    (void)state;
    assert_int_equal(run(lingering, NULL), 0);
}

/* The server's budget is used up in the moment when it is full, and all clients leave before it is
 * its turn again. */

static int count_and_leave(weft_stream *client, void *arg)
{
    (void)client;
    (void)arg;
    present++;
    return 0;
}

static int leaving(void *arg)
{
    weft_stream *clients[300];
    struct server server = { .options = { .handler = count_and_leave,
                                          .max_clients = *(size_t *)arg } };
    weft_scope s;
    present = 0;
    assert_int_equal(weft_listen(&server.listener, "mem:shop"), 0);
    for (int i = 0; i < 300; i++)
        clients[i] = connect_to(&server);
    weft_scope_begin(&s);
    server.options.site = "here";
    weft_spawn(&s, serve, &server, .task = &server.task);
    assert_int_equal(weft_sleep(SECOND), 0);
    assert_int_equal(present, 300);
    for (int i = 0; i < 300; i++)
        weft_close(clients[i]);
    end(&s, &server);
    return 0;
}

static void test_serve_hears_of_clients_that_leave_while_it_yields(void **state)
{
    (void)state;
    for (size_t max = 120; max < 132; max++)
        assert_int_equal(run(leaving, &max), 0);
}

/* A handler cannot close its own listener: it would wait for itself. It can stop it. */

static int close_ours(weft_stream *client, void *arg)
{
    struct server *server = arg;
    (void)client;
    assert_int_equal(weft_listener_close(server->listener), -EDEADLK);
    weft_listener_stop(server->listener);
    return 0;
}

static int closing(void *kind)
{
    struct server server = { .options = { .handler = close_ours } };
    server.options.arg = &server;
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    weft_stream *client = connect_to(&server);
    assert_int_equal(weft_await(server.task), 0);
    weft_close(client);
    end(&s, &server);
    return 0;
}

static void test_semantics_21_a_handler_that_closes_its_listener_is_edeadlk(void **state)
{
    (void)state;
    over_kinds(closing);
    take_log("would wait for its own end");
}

/* Without a stack for its task a client is not begun, and the server pauses. */

static int hold(weft_stream *client, void *arg)
{
    char byte;
    (void)arg;
    present++;
    return (int)weft_read(client, &byte, 1);
}

static int without_stacks(void *arg)
{
    (void)arg;
    struct server server = { .options = { .handler = hold } };
    weft_stream *clients[20];
    weft_scope s;
    present = 0;
    weft_scope_begin(&s);
    start(&s, &server, "mem:shop");
    for (int i = 0; i < 20; i++)
        clients[i] = connect_to(&server);
    pass_turns(50);
    assert_in_range(present, 1, 8);
    expect_log("pauses accepting with");
    for (int i = 0; i < 20; i++)
        weft_close(clients[i]);
    assert_int_equal(weft_sleep(WEFT_SECOND), 0);
    weft_stream *late = connect_to(&server);
    int before = present;
    pass_turns(3);
    assert_int_equal(present, before + 1);
    weft_close(late);
    end(&s, &server);
    return 0;
}

static void test_serve_without_stacks_pauses_and_goes_on(void **state)
{
    (void)state;
    assert_int_equal(weft_run(without_stacks, NULL, .clock = WEFT_CLOCK_TEST, .no_signals = true,
                              .stacks_max = 10),
                     0);
}

/* Errors of handlers. */

static int fail_with(weft_stream *client, void *arg)
{
    (void)client;
    return *(int *)arg;
}

static void serve_one_that_fails(const char *address, int err)
{
    struct server server = { .options = { .handler = fail_with, .arg = &err } };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &server, address);
    weft_stream *stream = connect_to(&server), *second = connect_to(&server);
    expect_end(stream);
    expect_end(second); /* the server goes on */
    weft_close(stream);
    weft_close(second);
    assert_false(server.done);
    end(&s, &server);
}

static int fail_all(void *kind)
{
    static const int everyday[] = { -ECONNRESET, -EPIPE, -ETIMEDOUT, WEFT_EEND, WEFT_ECLOSED };
    for (size_t i = 0; i < WF_ARRAY_SIZE(everyday); i++) {
        serve_one_that_fails(address_of(kind), everyday[i]);
        assert_int_equal(logged.count, 0);
    }
    serve_one_that_fails(address_of(kind), -EINVAL);
    assert_int_equal(logged.count, 2); /* once for each client */
    assert_int_equal(take_log("task 'client' failed"), 2);
    return 0;
}

static void test_serve_logs_a_handlers_error_once_and_everyday_ones_never(void **state)
{
    (void)state;
    over_kinds(fail_all);
}

static int read_in_background(void *arg)
{
    char byte;
    ssize_t n = weft_read(arg, &byte, 1);
    assert_int_equal(n, WEFT_ECLOSED);
    note("left");
    return 0;
}

static int leave_a_reader(weft_stream *client, void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), read_in_background, client, .name = "straggler");
    return weft_sleep(WEFT_MILLISECOND);
}

static int straggler(void *kind)
{
    struct server server = { .options.handler = leave_a_reader };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    weft_stream *stream = connect_to(&server);
    expect_end(stream);
    weft_close(stream);
    end(&s, &server);
    assert_string_equal(trace, "left");
    return 0;
}

static void test_semantics_28_handler_that_leaves_a_task_in_its_client_is_told(void **state)
{
    (void)state;
    over_kinds(straggler);
    assert_true(take_log("returned while task 'straggler'") >= 1);
}

/* Misuse. */

static int serve_twice(void *kind)
{
    struct server server = { .options.handler = echo };
    weft_stream *accepted;
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    assert_int_equal(weft_serve_on(server.listener, echo), -EBUSY);
    assert_non_null(strstr(weft_error_detail(), "task 'serve'"));
    assert_int_equal(weft_accept(server.listener, &accepted), -EBUSY);
    weft_stream *client = connect_to(&server); /* the first is undisturbed */
    put(client, "hello");
    expect(client, "hello");
    weft_close(client);
    end(&s, &server);
    return 0;
}

static void test_serve_second_server_is_busy_and_the_first_goes_on(void **state)
{
    (void)state;
    over_kinds(serve_twice);
    take_log("accepts from");
}

static void serve_outside(void *arg)
{
    assert_int_equal(weft_serve_on((weft_listener *)arg, echo), -EPERM);
    assert_int_equal(weft_serve("mem:outside", echo), -EPERM);
    note("called");
}

static int outside(void *arg)
{
    (void)arg;
    weft_listener *listener;
    assert_int_equal(weft_listen(&listener, "mem:outside2"), 0);
    weft_call_soon(serve_outside, listener);
    pass_turns(2);
    assert_string_equal(trace, "called");
    return weft_listener_close(listener);
}

static void test_semantics_21_serve_outside_a_task_returns(void **state)
{
    (void)state;
    assert_int_equal(run(outside, NULL), 0);
    assert_int_equal(take_log("outside a task"), 2);
}

static int close_under_it(void *kind)
{
    struct server server = { .options.handler = slow_answer };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    weft_stream *client = connect_to(&server);
    pass_turns(5);
    assert_int_equal(weft_listener_close(server.listener), 0); /* waits for the last client */
    assert_true(server.done);
    assert_int_equal(server.result, 0);
    expect(client, "answer");
    weft_close(client);
    weft_scope_end(&s);
    weft_task_release(server.task);
    return 0;
}

static void test_listener_close_under_a_server_waits_for_its_drain(void **state)
{
    (void)state;
    over_kinds(close_under_it);
}

static int serve_by_address(void *arg)
{
    (void)arg;
    weft_listener *listener;
    weft_scope s;
    assert_int_equal(weft_listen(&listener, "mem:taken"), 0);
    assert_int_equal(weft_serve("mem:taken", echo), -EADDRINUSE);
    assert_int_equal(weft_serve("nonsense", echo), -EINVAL);
    weft_listener_close(listener);
    weft_scope_begin(&s, .timeout = SECOND);
    assert_int_equal(weft_serve("mem:taken", echo), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "test");
    assert_int_equal(weft_serve("mem:taken", echo), -ECANCELED);
    return weft_scope_end(&s);
}

static void test_serve_by_address_tells_what_listen_tells(void **state)
{
    (void)state;
    assert_int_equal(run(serve_by_address, NULL), 0);
}

/* Shortage. */

static int accept_errors(void *arg)
{
    const struct kind *kind = arg;
    static const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, ECONNABORTED, EIO };
    struct server server = { .options.handler = echo };
    weft_scope s;
    if (!kind->kernel)
        return 0;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    for (size_t i = 0; i < WF_ARRAY_SIZE(errors); i++) {
        struct wf_io_fault fault = {
            .kind = WF_FAULT_ACCEPT, .countdown = 1, .persistent = true, .error = errors[i]
        };
        wf_io_fault_set(&fault);
        weft_stream *client = connect_to(&server);
        int64_t begin = weft_now();
        weft_sleep(225 * MILLISECOND);
        assert_false(server.done);
        wf_io_fault_set(NULL);
        /* Every 50 ms, and not all the time; on io_uring a client that died is nobody's news. */
        bool heard = errors[i] != ECONNABORTED || strcmp(wf_running->io_ops->name, "uring") != 0;
        assert_true(fault.injected >= (heard ? 4 : 1));
        assert_true(fault.injected <= 6 * (errors[i] == ECONNABORTED ? 64 : 1));
        put(client, "hello");
        expect(client, "hello");
        assert_true(weft_now() - begin <= 300 * MILLISECOND);
        weft_close(client);
        pass_turns(3);
    }
    end(&s, &server);
    assert_int_equal(take_log("pauses accepting"), 1); /* one line for all of it */
    return 0;
}

static void test_hazard_01_serve_pauses_when_accept_fails_and_goes_on(void **state)
{
    (void)state;
    over_kinds(accept_errors);
}

static int no_memory(void *arg)
{
    const struct kind *kind = arg;
    struct server server = { .options.handler = echo };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &server, address_of(kind));
    for (int n = 1; n < 8; n++) {
        struct wf_memory_fault fault = { .countdown = n };
        weft_stream *client = connect_to(&server);
        wf_memory_fault_set(&fault);
        pass_turns(10);
        wf_memory_fault_set(NULL);
        weft_close(client);
        assert_false(server.done);
    }
    weft_stream *client = connect_to(&server);
    put(client, "hello");
    expect(client, "hello");
    weft_close(client);
    end(&s, &server);
    take_log("pauses accepting");
    take_log("could not be spawned");
    take_log("failed: out of memory");
    return 0;
}

static void test_hazard_02_serve_outlives_a_lack_of_memory(void **state)
{
    (void)state;
    over_kinds(no_memory);
    for (unsigned i = 0; i < logged.count; i++)
        if (strstr(logged.text[i], "emory"))
            take_log("emory");
}

/* Hazard 1 for real: WEFT_TEST_OPERATIONS clients in all; a process with 64 descriptors, and 200
 * clients of another one. */

enum { DESCRIPTORS = 64, CLIENTS = 200 };

static int say_port;

static int serve_poor(void *arg)
{
    weft_listener *listener;
    struct rlimit limit = { DESCRIPTORS, DESCRIPTORS };
    (void)arg;
    setrlimit(RLIMIT_NOFILE, &limit);
    int err = weft_listen(&listener, "127.0.0.1:0");
    if (err < 0)
        return err;
    const char *address = weft_listener_address(listener);
    if (write(say_port, address, strlen(address)) < 0)
        return -EIO;
    err = weft_serve_on(listener, echo);
    weft_listener_close(listener);
    return err;
}

static pid_t fork_poor_server(char *address, size_t size)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        close(pipes[0]);
        say_port = pipes[1];
        _exit(weft_run(serve_poor, NULL) == -ECANCELED ? 0 : 1); /* after SIGTERM */
    }
    close(pipes[1]);
    ssize_t n = read(pipes[0], address, size - 1);
    assert_true(n > 0);
    address[n] = '\0';
    close(pipes[0]);
    return child;
}

static bool is_served(int fd, int timeout_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char data[8];
    return poll(&p, 1, timeout_ms) == 1 && recv(fd, data, sizeof data, 0) == 4;
}

static int64_t cpu_of(pid_t pid)
{
    clockid_t clock;
    struct timespec time;
    assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
    assert_int_equal(clock_gettime(clock, &time), 0);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static void serve_two_hundred_clients(void)
{
    int clients[CLIENTS], served = 0, status;
    char address[64];
    pid_t child = fork_poor_server(address, sizeof address);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = raw_connect(address);
        assert_int_equal(send(clients[i], "ping", 4, 0), 4);
    }
    while (is_served(clients[served], 200)) /* until it has no descriptor left */
        served++;
    assert_in_range(served, DESCRIPTORS / 2, DESCRIPTORS);
    int64_t cpu = cpu_of(child), begin = real_now();
    assert_false(is_served(clients[served], 300));
    cpu = cpu_of(child) - cpu;
    assert_true(cpu < (real_now() - begin) / 2); /* it does not spin meanwhile */
    for (int i = 0; i < CLIENTS; i++) {
        if (i >= served)
            assert_true(is_served(clients[i], 5000));
        close(clients[i]); /* frees one for the next */
    }
    kill(child, SIGTERM);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_hazard_01_two_hundred_clients_of_a_server_with_64_descriptors(void **state)
{
    (void)state;
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    long rounds = text ? strtol(text, NULL, 10) / CLIENTS : 1;
    for (long i = 0; i < rounds; i++)
        serve_two_hundred_clients();
}

static void test_hazard_01_serve_resumes_within_100_ms(void **state)
{
    (void)state;
    int clients[DESCRIPTORS], status;
    char address[64];
    int64_t best = SECOND;
    pid_t child = fork_poor_server(address, sizeof address);
    int n = 0;
    do {
        clients[n] = raw_connect(address);
        assert_int_equal(send(clients[n], "ping", 4, 0), 4);
    } while (is_served(clients[n], 200) && ++n < DESCRIPTORS - 1);
    for (int i = 0; i < 3; i++) { /* the best of three: the machine may be busy */
        int64_t begin = real_now();
        close(clients[i]);
        assert_true(is_served(clients[n], 5000));
        int64_t took = real_now() - begin;
        best = took < best ? took : best;
        close(clients[n]);
        clients[n] = raw_connect(address);
        assert_true(send(clients[n], "ping", 4, 0) == 4);
        assert_true(is_served(clients[n], 5000));
        clients[i] = clients[n];
        clients[n] = raw_connect(address);
        assert_true(send(clients[n], "ping", 4, 0) == 4);
    }
    assert_true(best < 100 * MILLISECOND);
    for (int i = 0; i <= n; i++)
        close(clients[i]);
    kill(child, SIGTERM);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* A server whose client does not end, at the end of the loop's grace. */

static bool client_is_stuck;

static int ignore_everything(weft_stream *client, void *arg)
{
    (void)client, (void)arg;
    weft_scope s;
    weft_scope_begin(&s, .shield = true, .timeout = WEFT_FOREVER);
    client_is_stuck = true;
    weft_sleep(WEFT_FOREVER);
    return weft_scope_end(&s);
}

static int serve_for_ever(void *arg)
{
    return weft_serve((const char *)arg, ignore_everything);
}

static int leave_server_behind(void *arg)
{
    weft_stream *stream;
    weft_spawn(weft_background(), serve_for_ever, arg);
    weft_sleep(0);
    int err = weft_connect(&stream, (const char *)arg);
    until(client_is_stuck);
    return err < 0 ? err : weft_close(stream);
}

static int run_stuck_server(void)
{
    int err = weft_run(leave_server_behind, "mem:stuck", .clock = WEFT_CLOCK_TEST, .grace = SECOND,
                       .no_signals = true);
    return err != WEFT_ESTUCK;
}

static void test_serve_with_a_stuck_client_is_abandoned_after_the_grace(void **state)
{
    (void)state;
    assert_int_equal(exit_status(run_stuck_server), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_serve_echoes_to_many),
        core_test(test_serve_with_a_stuck_client_is_abandoned_after_the_grace),
        core_test(test_serve_gives_the_handler_its_arg_and_the_task_its_name),
        core_test(test_serve_max_clients_leaves_the_rest_in_the_backlog),
        core_test(test_serve_logs_a_handlers_error_once_and_everyday_ones_never),
        core_test(test_semantics_28_handler_that_leaves_a_task_in_its_client_is_told),
        core_test(test_serve_second_server_is_busy_and_the_first_goes_on),
        core_test(test_semantics_21_serve_outside_a_task_returns),
        core_test(test_listener_close_under_a_server_waits_for_its_drain),
        core_test(test_serve_by_address_tells_what_listen_tells),
        core_test(test_serve_counts_a_client_until_its_stream_is_gone),
        core_test(test_serve_without_stacks_pauses_and_goes_on),
        core_test(test_serve_hears_of_clients_that_leave_while_it_yields),
        core_test(test_semantics_21_a_handler_that_closes_its_listener_is_edeadlk),
        core_test(test_hazard_01_serve_pauses_when_accept_fails_and_goes_on),
        core_test(test_hazard_02_serve_outlives_a_lack_of_memory),
        core_test(test_hazard_01_two_hundred_clients_of_a_server_with_64_descriptors),
        core_test(test_hazard_01_serve_resumes_within_100_ms),
    };
    return cmocka_run_group_tests_name("net serve", tests, NULL, NULL);
}
