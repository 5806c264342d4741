/* Clients that wait without a task: who wakes them, who gives them up, and what they cost. */

#include "serve_test.h"

#include "net/serve.h"

/* Echoes what is there, and parks: a call of its own for each piece. */
static int echo_once(weft_stream *client, void *arg)
{
    char data[256];
    int64_t timeout = arg ? *(int64_t *)arg : WEFT_FOREVER;
    ssize_t n = weft_read(client, data, sizeof data);
    note("h");
    if (n <= 0)
        return (int)n;
    int err = weft_write(client, data, (size_t)n);
    return err < 0 ? err : weft_park(client, timeout);
}

static void expect_echo(weft_stream *stream, const char *text)
{
    char data[256];
    size_t size = strlen(text);
    assert_int_equal(weft_write(stream, text, size), 0);
    assert_int_equal(weft_read_exact(stream, data, size), 0);
    assert_memory_equal(data, text, size);
}

static void expect_close(weft_stream *stream)
{
    expect_end(stream);
    weft_close(stream);
}

static int wakes_by_bytes(void *kind)
{
    struct server server = { .options = { .handler = echo_once } };
    open_server(&server, address_of(kind));
    weft_stream *stream = connect_to(&server);
    expect_echo(stream, "one");
    weft_sleep(WEFT_HOUR);
    expect_echo(stream, "two");
    expect_echo(stream, "three");
    assert_string_equal(trace, "hhh");
    weft_close(stream);
    pass_turns(5);
    assert_string_equal(trace, "hhh"); /* its end is nothing to the handler */
    close_server(&server);
    return 0;
}

static void test_parked_client_is_woken_by_bytes(void **state)
{
    (void)state;
    over_kinds(wakes_by_bytes);
}

/* From the beginning: a client that says nothing never has a task. */
static int begins_parked(void *kind)
{
    struct server server = { .options = { .handler = echo_once, .first_timeout = 5 * SECOND } };
    open_server(&server, address_of(kind));
    weft_stream *silent = connect_to(&server), *speaker = connect_to(&server);
    uint64_t spawns = wf_running->counters.spawns;
    weft_sleep(4 * SECOND);
    assert_int_equal(wf_running->counters.spawns, spawns);
    expect_echo(speaker, "hello");
    assert_int_equal(wf_running->counters.spawns, spawns + 1);
    int64_t before = weft_now();
    expect_close(silent);
    assert_int_equal((weft_now() - before) / WEFT_MILLISECOND, 1000);
    expect_echo(speaker, "again");
    weft_close(speaker);
    close_server(&server);
    return 0;
}

static void test_parked_from_the_first_byte_on(void **state)
{
    (void)state;
    over_kinds(begins_parked);
}

static int time_is_over(void *kind)
{
    int64_t timeout = 3 * SECOND;
    struct server server = { .options = { .handler = echo_once, .arg = &timeout } };
    open_server(&server, address_of(kind));
    weft_stream *stream = connect_to(&server);
    expect_echo(stream, "one");
    weft_sleep(2 * SECOND);
    expect_echo(stream, "two"); /* and the time begins anew */
    int64_t before = weft_now();
    expect_close(stream);
    assert_int_equal((weft_now() - before) / WEFT_MILLISECOND, 3000);
    close_server(&server);
    return 0;
}

static void test_parked_client_is_closed_in_time(void **state)
{
    (void)state;
    over_kinds(time_is_over);
}

/* The last word. */

static void say_goodbye(weft_stream *client, int why, void *arg)
{
    (void)arg;
    note(why == -ETIMEDOUT ? "t" : why == -ENOMEM ? "m" : "?");
    weft_write_try(client, "bye", 3);
    assert_int_equal(weft_sleep(SECOND), -EPERM);
}

static int is_told(void *kind)
{
    struct server server = {
        .options = { .handler = echo_once, .first_timeout = SECOND, .refused = say_goodbye }
    };
    char data[3];
    open_server(&server, address_of(kind));
    weft_stream *stream = connect_to(&server);
    assert_int_equal(weft_read_exact(stream, data, 3), 0);
    assert_memory_equal(data, "bye", 3);
    assert_string_equal(trace, "t");
    expect_close(stream);
    close_server(&server);
    return 0;
}

static void test_parked_client_may_be_told(void **state)
{
    (void)state;
    over_kinds(is_told);
    expect_log("suspends was called outside a task");
}

/* What is in the input already wakes at once, in a turn of its own. */

static int one_byte(weft_stream *client, void *arg)
{
    char byte;
    (void)arg;
    ssize_t n = weft_read(client, &byte, 1);
    note("h");
    if (n == 1 && byte == 'a')
        weft_fill(client);
    return n == 1 && byte != '.' ? weft_park(client, WEFT_FOREVER) : 0;
}

static int input_is_there(void *kind)
{
    struct server server = { .options = { .handler = one_byte } };
    open_server(&server, address_of(kind));
    weft_stream *stream = connect_to(&server);
    assert_int_equal(weft_write(stream, "a", 1), 0);
    pass_turns(5);
    assert_int_equal(weft_write(stream, "bc.", 3), 0);
    expect_close(stream);
    assert_string_equal(trace, "hhhh");
    close_server(&server);
    return 0;
}

static void test_parked_client_with_input_is_served_at_once(void **state)
{
    (void)state;
    over_kinds(input_is_there);
}

/* The drain. */

static int drain_closes(void *kind)
{
    struct server server = { .options = { .handler = echo_once, .drain = WEFT_HOUR } };
    open_server(&server, address_of(kind));
    weft_stream *stream = connect_to(&server), *new = connect_to(&server);
    expect_echo(stream, "one");
    pass_turns(3);
    int64_t before = weft_now();
    assert_int_equal(weft_write(stream, "last", 4), 0); /* who was in time is answered */
    pass_turns(1);
    weft_task_cancel(server.task, "enough");
    expect_echo(new, "new"); /* whose task waits, and parks then */
    weft_await(server.task);
    assert_true(weft_now() - before <= 3 * WEFT_MILLISECOND);
    char data[4];
    assert_int_equal(weft_read_exact(stream, data, 4), 0);
    expect_close(stream);
    expect_close(new);
    close_server(&server);
    return 0;
}

static void test_semantics_19_parked_clients_end_with_the_drain(void **state)
{
    (void)state;
    over_kinds(drain_closes);
}

static int cancel_closes(void *kind)
{
    struct server server = { .options = { .handler = echo_once } };
    open_server(&server, address_of(kind));
    weft_stream *stream = connect_to(&server);
    expect_echo(stream, "one");
    pass_turns(3);
    weft_task_cancel(server.task, "now"); /* no drain: at once */
    weft_await(server.task);
    expect_close(stream);
    close_server(&server);
    return 0;
}

static void test_parked_clients_end_with_a_cancel(void **state)
{
    (void)state;
    over_kinds(cancel_closes);
}

/* Who still reads what was written is not silent. */

static int much_and_park(weft_stream *client, void *arg)
{
    static const char much[200000];
    char byte;
    ssize_t n = weft_read(client, &byte, 1);
    int err = n == 1 ? weft_write(client, much, sizeof much) : (int)n;
    (void)arg;
    return n == 1 && err == 0 ? weft_park(client, SECOND) : err;
}

static size_t read_slowly(weft_stream *stream, int64_t pause)
{
    static char data[30000];
    size_t size = 0;
    ssize_t n = 1;
    while (n > 0) {
        n = weft_read(stream, data, sizeof data);
        size += n > 0 ? (size_t)n : 0;
        if (n > 0)
            weft_sleep(pause);
    }
    return size;
}

static int slow_reader(void *kind)
{
    struct server server = { .options = { .handler = much_and_park, .send_timeout = 5 * SECOND } };
    (void)kind;
    open_server(&server, "mem:slow");
    weft_stream *reader = connect_to(&server), *sleeper = connect_to(&server);
    assert_int_equal(weft_write(reader, "x", 1), 0);
    assert_int_equal(read_slowly(reader, 4 * SECOND), 200000);
    weft_close(reader);
    assert_int_equal(weft_write(sleeper, "x", 1), 0);
    assert_true(read_slowly(sleeper, 20 * SECOND) < 200000);
    weft_close(sleeper);
    close_server(&server);
    return 0;
}

static void test_parked_client_that_reads_is_not_silent(void **state)
{
    (void)state;
    assert_int_equal(run(slow_reader, NULL), 0);
}

/* For ever is for reading: who has read all may not be silent for ever. */
static int unlimited_reader(void *kind)
{
    struct server server = { .options = { .handler = much_and_park,
                                          .send_timeout = WEFT_FOREVER } };
    char data[1000];
    (void)kind;
    open_server(&server, "mem:slow");
    weft_stream *stream = connect_to(&server);
    assert_int_equal(weft_write(stream, "x", 1), 0);
    assert_int_equal(weft_read(stream, data, sizeof data), sizeof data);
    weft_sleep(WEFT_HOUR);
    int64_t before = weft_now();
    assert_int_equal(read_slowly(stream, 0), 200000 - sizeof data);
    assert_in_range((weft_now() - before) / WEFT_MILLISECOND, 1000, 2000);
    weft_close(stream);
    close_server(&server);
    return 0;
}

static void test_parked_client_that_may_read_for_ever_may_not_be_idle_for_ever(void **state)
{
    (void)state;
    assert_int_equal(run(unlimited_reader, NULL), 0);
}

/* What others may do to a parked client. */

static weft_stream *known;

static int tell_and_park(weft_stream *client, void *arg)
{
    char byte;
    (void)arg;
    known = client;
    ssize_t n = weft_read(client, &byte, 1);
    return n == 1 ? weft_park(client, WEFT_FOREVER) : (int)n;
}

static int others_may_write(void *kind)
{
    struct server server = { .options = { .handler = tell_and_park } };
    char data[5];
    open_server(&server, address_of(kind));
    weft_stream *stream = connect_to(&server);
    assert_int_equal(weft_write(stream, "x", 1), 0);
    pass_turns(5);
    assert_int_equal(weft_write(known, "hello", 5), 0);
    assert_int_equal(weft_read_exact(stream, data, 5), 0);
    assert_memory_equal(data, "hello", 5);
    assert_int_equal(weft_read(known, data, 1), -EBUSY);
    assert_int_equal(weft_read_try(known, data, 1), -EBUSY);
    assert_int_equal(weft_close(known), -EBUSY);
    assert_int_equal(weft_park(stream, 1), -EPERM);
    weft_close(stream);
    close_server(&server);
    return 0;
}

static void test_parked_client_may_be_written_to(void **state)
{
    (void)state;
    over_kinds(others_may_write);
    expect_log("a parked client was read");
    expect_log("a parked client was closed");
    expect_log("no client of weft_serve()");
}

/* A pointer that goes with the client. */

static int dropped;

static void count_drop(void *arg)
{
    dropped += *(int *)arg;
}

static int keeps_count(weft_stream *client, void *arg)
{
    static int one = 1, ten = 10;
    char byte;
    (void)arg;
    if (!weft_stream_data(client))
        weft_stream_set_data(client, &one, count_drop);
    else
        weft_stream_set_data(client, &ten, count_drop);
    ssize_t n = weft_read(client, &byte, 1);
    return n == 1 ? weft_park(client, WEFT_FOREVER) : (int)n;
}

static int data_is_kept(void *kind)
{
    struct server server = { .options = { .handler = keeps_count } };
    dropped = 0;
    open_server(&server, address_of(kind));
    weft_stream *stream = connect_to(&server);
    assert_int_equal(weft_write(stream, "x", 1), 0);
    pass_turns(5);
    assert_int_equal(dropped, 0);
    assert_int_equal(weft_write(stream, "x", 1), 0);
    pass_turns(5);
    assert_int_equal(dropped, 1);
    weft_close(stream);
    pass_turns(5);
    assert_int_equal(dropped, 11);
    close_server(&server);
    return 0;
}

static void test_parked_client_keeps_its_data(void **state)
{
    (void)state;
    over_kinds(data_is_kept);
}

/* Clients count as long as they are parked. */
static int counts(void *kind)
{
    int64_t timeout = SECOND;
    struct server server = { .options = {
                                 .handler = echo_once, .arg = &timeout, .max_clients = 2 } };
    open_server(&server, address_of(kind));
    weft_stream *streams[3];
    for (int i = 0; i < 3; i++)
        streams[i] = connect_to(&server);
    expect_echo(streams[0], "one");
    expect_echo(streams[1], "two");
    int64_t before = weft_now();
    expect_echo(streams[2], "three");
    assert_int_equal((weft_now() - before) / WEFT_MILLISECOND, 1000);
    for (int i = 0; i < 3; i++)
        weft_close(streams[i]);
    close_server(&server);
    return 0;
}

static void test_parked_clients_count(void **state)
{
    (void)state;
    over_kinds(counts);
}

/* Who comes to a full server takes the place of who has been idle longest, for a second at least.
 */
static int full_of_idle(void *kind)
{
    struct server server = { .options = { .handler = echo_once, .max_clients = 2 } };
    open_server(&server, address_of(kind));
    weft_stream *first = connect_to(&server), *second = connect_to(&server);
    expect_echo(first, "one");
    weft_sleep(SECOND / 2);
    expect_echo(second, "two");
    pass_turns(3);
    weft_stream *third = connect_to(&server);
    int64_t before = weft_now();
    expect_echo(third, "three");
    expect_close(first);
    assert_in_range((weft_now() - before) / WEFT_MILLISECOND, 499, 560);
    expect_echo(second, "again"); /* and is the youngest now */
    weft_sleep(2 * SECOND);
    weft_stream *fourth = connect_to(&server);
    expect_echo(fourth, "four");
    expect_close(third);
    expect_echo(second, "still");
    weft_close(second);
    weft_close(fourth);
    close_server(&server);
    return 0;
}

static void test_parked_longest_gives_its_place(void **state)
{
    (void)state;
    over_kinds(full_of_idle);
}

/* A thousand of them: what they cost beside their two streams, and that one stack serves them. */
static int crowd(void *arg)
{
    enum { CROWD = 1000 };
    static weft_stream *streams[CROWD];
    (void)arg;
    struct server server = { .options = { .handler = echo_once, .first_timeout = WEFT_HOUR } };
    open_server(&server, "mem:crowd");
    for (int i = 0; i < CROWD; i++)
        streams[i] = connect_to(&server);
    assert_true(sizeof(struct wf_parked) <= 256);
    assert_true(wf_socket_stream_size + sizeof(struct wf_parked) <= 1024);
    pass_turns(3);
    unsigned before = 0, after = 0;
    for (int i = 0; i < WF_STACK_CLASSES; i++)
        before += wf_running->fibers.idle_count[i];
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(weft_write(streams[i], "x", 1), 0);
    pass_turns(3);
    for (int i = 0; i < WF_STACK_CLASSES; i++)
        after += wf_running->fibers.idle_count[i];
    assert_true(after <= before + 2);
    for (int i = 0; i < CROWD; i++) {
        char byte;
        assert_int_equal(weft_read(streams[i], &byte, 1), 1);
        weft_close(streams[i]);
    }
    close_server(&server);
    return 0;
}

static void test_parked_crowd_shares_a_stack(void **state)
{
    (void)state;
    assert_int_equal(run(crowd, NULL), 0);
}

/* Of those that hold nothing none is closed. */
static int holds_nothing(void *kind)
{
    struct server server = { .options = { .handler = tell_and_park } };
    open_server(&server, address_of(kind));
    weft_stream *stream = connect_to(&server);
    assert_int_equal(weft_write(stream, "x", 1), 0);
    pass_turns(5);
    assert_int_equal(weft_park_evict(known, 0), 0);
    assert_int_equal(weft_park_evict(known, 1), 0);
    assert_int_equal(weft_park_evict(stream, 0), 0); /* no server's */
    pass_turns(5);
    assert_int_equal(weft_write(known, "hello", 5), 0);
    char data[5];
    assert_int_equal(weft_read_exact(stream, data, 5), 0);
    weft_close(stream);
    close_server(&server);
    return 0;
}

static void test_parked_client_that_holds_nothing_stays(void **state)
{
    (void)state;
    over_kinds(holds_nothing);
}

/* One of one's choice; what was written to it is still sent. */
static int closes_one(void *kind)
{
    struct server server = { .options = { .handler = tell_and_park } };
    open_server(&server, address_of(kind));
    weft_stream *stream = connect_to(&server);
    assert_int_equal(weft_write(stream, "x", 1), 0);
    pass_turns(5);
    assert_int_equal(weft_write(known, "hello", 5), 0);
    assert_int_equal(weft_park_close(known), 0);
    assert_int_equal(weft_park_close(known), -EAGAIN); /* it goes already */
    char data[5];
    assert_int_equal(weft_read_exact(stream, data, 5), 0);
    expect_close(stream);
    close_server(&server);
    return 0;
}

static void test_parked_client_is_closed(void **state)
{
    (void)state;
    over_kinds(closes_one);
}

static int closes_a_stranger(void *arg)
{
    weft_stream *a, *b;
    (void)arg;
    assert_int_equal(weft_memory_pair(&a, &b), 0);
    assert_int_equal(weft_park_close(a), -EPERM);
    expect_log("of a stream that is no client of weft_serve()");
    weft_close(a);
    weft_close(b);
    return 0;
}

static void test_park_close_is_for_clients(void **state)
{
    (void)state;
    assert_int_equal(run(closes_a_stranger, NULL), 0);
}

/* A client that lingers when its server has ended is nobody's client. */
static int tells_much(weft_stream *client, void *arg)
{
    static char bytes[8 << 20];
    weft_scope s;
    (void)arg;
    weft_scope_begin(&s, .timeout = SECOND);
    while (weft_write(client, bytes, 1000) == 0)
        ;
    weft_scope_end(&s);
    return 0;
}

static int outlives_its_server(void *kind)
{
    struct server server = { .options = { .handler = tells_much, .drain = WEFT_MINUTE } };
    open_server(&server, address_of(kind));
    weft_stream *stream = connect_to(&server);
    weft_sleep(SECOND / 2);
    weft_task_cancel(server.task, "a test");
    weft_await(server.task);
    assert_false(wf_list_is_empty(&wf_running->lingering));
    WF_LIST_EACH(link, &wf_running->lingering) {
        assert_null(wf_container(link, weft_stream, link)->server);
    }
    weft_close(stream);
    close_server(&server);
    return 0;
}

static void test_serve_forgets_who_lingers_at_its_end(void **state)
{
    (void)state;
    over_kinds(outlives_its_server);
}

/* Others that are in a client: a writer that waits for room, a reader. */

static weft_stream *shared;
static int shared_result;

static int shares(weft_stream *client, void *arg)
{
    char data[256];
    ssize_t n = weft_read(client, data, sizeof data);
    shared = client;
    pass_turns(3); /* others may go in */
    return n <= 0 ? (int)n : weft_park(client, *(int64_t *)arg);
}

static int writes_to_shared(void *arg)
{
    static char bytes[8 << 20];
    (void)arg;
    shared_result = weft_write(shared, bytes, sizeof bytes);
    return 0;
}

static int reads_from_shared(void *arg)
{
    char byte;
    (void)arg;
    shared_result = (int)weft_read(shared, &byte, 1);
    return 0;
}

/* The client that does not read is given up while somebody writes to it. */
static int given_up_in_a_write(void *kind)
{
    int64_t timeout = 3 * SECOND;
    struct server server = {
        .options = { .handler = shares, .arg = &timeout, .max_clients = 1 },
    };
    for (int drains = 0; drains < 2; drains++) {
        open_server(&server, address_of(kind));
        weft_stream *stream = connect_to(&server), *next;
        assert_int_equal(weft_write(stream, "x", 1), 0);
        pass_turns(10);
        shared_result = 0;
        weft_spawn(&server.scope, writes_to_shared, NULL);
        weft_sleep(drains ? SECOND : 4 * SECOND);
        if (drains)
            weft_task_cancel(server.task, "a test");
        weft_sleep(SECOND);
        assert_int_equal(shared_result, WEFT_ECLOSED);
        if (!drains) { /* its place is free */
            shared = NULL;
            next = connect_to(&server);
            assert_int_equal(weft_write(next, "x", 1), 0);
            pass_turns(10);
            assert_non_null(shared);
            weft_close(next);
        }
        weft_close(stream);
        close_server(&server);
    }
    return 0;
}

static void test_parked_client_is_given_up_while_others_write(void **state)
{
    (void)state;
    over_kinds(given_up_in_a_write);
}

/* It is woken, and its handler called, while somebody writes. */
static int woken_in_a_write(void *kind)
{
    int64_t timeout = WEFT_FOREVER;
    struct server server = { .options = { .handler = shares, .arg = &timeout } };
    open_server(&server, address_of(kind));
    weft_stream *stream = connect_to(&server);
    shared = NULL;
    assert_int_equal(weft_write(stream, "x", 1), 0);
    until(shared != NULL);
    weft_spawn(&server.scope, writes_to_shared, NULL);
    weft_sleep(SECOND);
    shared = NULL;
    assert_int_equal(weft_write(stream, "x", 1), 0);
    weft_sleep(SECOND);
    assert_non_null(shared);
    weft_close(stream);
    weft_sleep(SECOND);
    assert_true(shared_result < 0);
    close_server(&server);
    return 0;
}

static void test_parked_client_is_woken_while_others_write(void **state)
{
    (void)state;
    over_kinds(woken_in_a_write);
}

static int parked_in_a_read(void *kind)
{
    int64_t timeout = WEFT_FOREVER;
    struct server server = { .options = { .handler = shares, .arg = &timeout } };
    open_server(&server, address_of(kind));
    weft_stream *stream = connect_to(&server);
    shared = NULL;
    assert_int_equal(weft_write(stream, "x", 1), 0);
    while (!shared)
        pass_turns(1);
    weft_spawn(&server.scope, reads_from_shared, NULL);
    expect_close(stream);
    assert_int_equal(shared_result, WEFT_ECLOSED);
    close_server(&server);
    return 0;
}

static void test_parked_client_is_closed_where_others_read(void **state)
{
    (void)state;
    over_kinds(parked_in_a_read);
    expect_log("a handler returned while task 'reads_from_shared'"); /* once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_parked_client_is_woken_by_bytes),
        core_test(test_parked_from_the_first_byte_on),
        core_test(test_parked_client_is_closed_in_time),
        core_test(test_parked_client_may_be_told),
        core_test(test_parked_client_with_input_is_served_at_once),
        core_test(test_semantics_19_parked_clients_end_with_the_drain),
        core_test(test_parked_clients_end_with_a_cancel),
        core_test(test_parked_client_that_reads_is_not_silent),
        core_test(test_parked_client_that_may_read_for_ever_may_not_be_idle_for_ever),
        core_test(test_parked_client_may_be_written_to),
        core_test(test_parked_client_keeps_its_data),
        core_test(test_parked_clients_count),
        core_test(test_parked_longest_gives_its_place),
        core_test(test_parked_crowd_shares_a_stack),
        core_test(test_parked_client_that_holds_nothing_stays),
        core_test(test_parked_client_is_closed),
        core_test(test_park_close_is_for_clients),
        core_test(test_serve_forgets_who_lingers_at_its_end),
        core_test(test_parked_client_is_given_up_while_others_write),
        core_test(test_parked_client_is_woken_while_others_write),
        core_test(test_parked_client_is_closed_where_others_read),
    };
    return cmocka_run_group_tests_name("net parked", tests, NULL, NULL);
}
