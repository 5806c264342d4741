/* Listening in a group (semantics 16): one address for all loops, and who gets which client. Real
 * time and real threads; what is waited for comes by connections. */

#include "serve_test.h"

#include "core/group.h"
#include "io/fault.h"
#include "net/shared.h"

#include <semaphore.h>

#include "../core/group_test.h"

/* A port that was free a moment ago. */
static const char *free_port(void)
{
    static char text[32];
    struct sockaddr_in place = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof place;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&place, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&place, &size), 0);
    close(fd);
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(place.sin_port));
    return text;
}

/* One address. */

static char addresses[LOOPS][128];

static int say_addresses(void *arg)
{
    weft_listener *listener, *second;
    const char *address = arg;
    unsigned me = weft_loop_index();
    assert_int_equal(weft_listen(&listener, address), 0);
    snprintf(addresses[me], sizeof addresses[me], "%s", weft_listener_address(listener));
    meet();
    for (int i = 0; i < LOOPS; i++)
        assert_string_equal(addresses[i], addresses[0]);
    assert_int_equal(weft_listen(&second, addresses[me]), -EADDRINUSE);
    meet();
    return weft_listener_close(listener);
}

static void test_semantics_16_all_loops_listen_on_one_address(void **state)
{
    (void)state;
    const char *texts[] = { "127.0.0.1:0", "[::1]:0", unix_address(), "mem:shop", free_port() };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(run_loops(LOOPS, say_addresses, (void *)(uintptr_t)texts[i]), 0);
        if (i >= 2)
            assert_string_equal(addresses[0], texts[i]);
    }
    assert_int_not_equal(access(unix_address() + 5, F_OK), 0); /* the last has removed it */
}

static char ports[2][LOOPS][128];

static int listen_twice(void *arg)
{
    weft_listener *listeners[2];
    unsigned me = weft_loop_index();
    (void)arg;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weft_listen(&listeners[i], "127.0.0.1:0"), 0);
        snprintf(ports[i][me], sizeof ports[i][me], "%s", weft_listener_address(listeners[i]));
    }
    meet();
    assert_string_not_equal(ports[0][0], ports[1][0]);
    for (int i = 0; i < LOOPS; i++) {
        assert_string_equal(ports[0][i], ports[0][0]);
        assert_string_equal(ports[1][i], ports[1][0]);
    }
    for (int i = 0; i < 20; i++) { /* again by the port's own name, while others still have it */
        assert_int_equal(weft_listener_close(listeners[1]), 0);
        assert_int_equal(weft_listen(&listeners[1], ports[1][0]), 0);
    }
    meet();
    weft_listener_close(listeners[0]);
    return weft_listener_close(listeners[1]);
}

static void test_group_listen_each_loops_second_free_port_is_another_one(void **state)
{
    (void)state;
    assert_int_equal(run_loops(LOOPS, listen_twice, NULL), 0);
}

static int find_it_taken(void *arg)
{
    weft_listener *listener;
    assert_int_equal(weft_listen(&listener, arg), -EADDRINUSE);
    return 0;
}

static int outside_listener(const char *address)
{
    struct sockaddr_in place = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    place.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *)&place, sizeof place), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static void test_group_listen_anothers_port_is_refused_in_every_loop(void **state)
{
    (void)state;
    char address[32];
    snprintf(address, sizeof address, "%s", free_port());
    int fd = outside_listener(address); /* even if it would share it */
    assert_int_equal(run_loops(LOOPS, find_it_taken, address), 0);
    close(fd);
}

static int listen_and_leave_open(void *arg)
{
    weft_listener *listener;
    return weft_listen(&listener, arg);
}

static void test_group_listen_what_is_left_open_is_closed(void **state)
{
    (void)state;
    assert_int_equal(run_loops(LOOPS, listen_and_leave_open, "127.0.0.1:0"), 0);
    assert_int_equal(take_log("0 streams and 1 listeners left open"), LOOPS);
    assert_int_equal(run_loops(LOOPS, listen_and_leave_open, (void *)(uintptr_t)unix_address()), 0);
    assert_int_equal(take_log("0 streams and 1 listeners left open"), LOOPS);
    assert_int_not_equal(access(unix_address() + 5, F_OK), 0);
}

/* Who gets a client: each loop serves, and says who it is. */

struct hall {
    const char *address;
    size_t max_clients;
    enum weft_hand_out hand_out;
    atomic_uint gone; /* clients' streams */
    weft_fn *client;  /* a task of loop 0, beside the server there; its end is everybody's */
    atomic_uint served[LOOPS];
    char real[128];
    weft_listener *listeners[LOOPS];
};

static struct hall hall;

static void count_gone(void *arg)
{
    (void)arg;
    atomic_fetch_add(&hall.gone, 1);
}

/* Says who it is, and goes when the client does. */
static int say_who(weft_stream *client, void *arg)
{
    (void)arg;
    char who = (char)('0' + weft_loop_index()), byte;
    atomic_fetch_add(&hall.served[weft_loop_index()], 1);
    weft_stream_set_data(client, NULL, count_gone);
    int err = weft_write(client, &who, 1);
    return err < 0 ? err : (int)weft_read(client, &byte, 1);
}

static void stop_here(void *arg)
{
    (void)arg;
    weft_listener *listener = hall.listeners[weft_loop_index()];
    if (listener)
        weft_listener_stop(listener);
}

static void stop_all(void)
{
    for (unsigned i = 0; i < LOOPS; i++)
        assert_int_equal(weft_post(weft_loop_at(i), stop_here, NULL), 0);
}

static int run_client(void *arg)
{
    (void)arg;
    int err = hall.client(NULL);
    stop_all();
    return err;
}

static int serve_in_hall(void *arg)
{
    (void)arg;
    unsigned me = weft_loop_index();
    int err = weft_listen(&hall.listeners[me], hall.address);
    if (err < 0)
        return err;
    if (me == 0)
        snprintf(hall.real, sizeof hall.real, "%s", weft_listener_address(hall.listeners[0]));
    meet();
    if (me == 0)
        weft_spawn(weft_background(), run_client, NULL);
    err = weft_serve_on(hall.listeners[me], say_who, .max_clients = hall.max_clients,
                        .hand_out = hall.hand_out);
    weft_listener_close(hall.listeners[me]);
    hall.listeners[me] = NULL;
    return err;
}

static void open_hall(struct hall with)
{
    hall.address = with.address ? with.address : "127.0.0.1:0";
    hall.max_clients = with.max_clients;
    hall.hand_out = with.hand_out;
    hall.client = with.client;
    for (int i = 0; i < LOOPS; i++)
        atomic_store(&hall.served[i], 0);
    atomic_store(&hall.gone, 0);
    assert_int_equal(run_loops(LOOPS, serve_in_hall, NULL), 0);
}

/* Connect, and ask who is there. */
static unsigned come_in(weft_stream **stream)
{
    char who;
    assert_int_equal(weft_connect(stream, hall.real), 0);
    assert_int_equal(weft_read(*stream, &who, 1), 1);
    assert_in_range(who, '0', '0' + LOOPS - 1);
    return (unsigned)(who - '0');
}

static int come_one_after_another(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        weft_stream *stream;
        come_in(&stream);
        weft_close(stream);
    }
    return 0;
}

/* Until every loop serves. */
static int come_until_all_serve(void *arg)
{
    unsigned seen = 0;
    (void)arg;
    while (seen != (1u << LOOPS) - 1) {
        weft_stream *stream;
        seen |= 1u << come_in(&stream);
        weft_close(stream);
    }
    return 0;
}

static int come_when_all_serve(void *arg)
{
    come_until_all_serve(NULL);
    return come_one_after_another(arg);
}

static unsigned served_by_all(void)
{
    unsigned sum = 0;
    for (int i = 0; i < LOOPS; i++)
        sum += atomic_load(&hall.served[i]);
    return sum;
}

static void test_group_listen_every_loop_gets_clients(void **state)
{
    (void)state;
    const char *texts[] = { "127.0.0.1:0", unix_address() };
    for (int i = 0; i < 2; i++) {
        open_hall((struct hall){ .address = texts[i], .client = come_when_all_serve });
        assert_true(served_by_all() > 100);
    }
}

/* A loop that has no room takes no client from one that has. */
static int come_and_stay(void *arg)
{
    weft_stream *streams[LOOPS];
    unsigned seen = 0;
    (void)arg;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < LOOPS; i++)
            seen |= 1u << come_in(&streams[i]);
        assert_int_equal(seen, (1u << LOOPS) - 1);
        for (int i = 0; i < LOOPS; i++)
            weft_close(streams[i]);
    }
    return 0;
}

static void test_group_listen_a_full_loop_takes_nobody_from_the_others(void **state)
{
    (void)state;
    open_hall((struct hall){ .client = come_and_stay, .max_clients = 1 });
}

/* A loop that is held up takes nobody either. */

static sem_t held, let_go;

static void hold_up(void *arg)
{
    (void)arg;
    sem_post(&held);
    sem_wait(&let_go);
}

static int come_while_held_up(void *arg)
{
    (void)arg;
    for (unsigned i = 2; i < LOOPS; i++) {
        weft_post(weft_loop_at(i), hold_up, NULL);
        sem_wait(&held);
    }
    come_one_after_another(NULL);
    for (unsigned i = 2; i < LOOPS; i++)
        sem_post(&let_go);
    return 0;
}

static void test_group_listen_a_loop_that_is_held_up_holds_no_client_up(void **state)
{
    (void)state;
    sem_init(&held, 0, 0);
    sem_init(&let_go, 0, 0);
    open_hall((struct hall){ .client = come_while_held_up });
    assert_int_equal(atomic_load(&hall.served[0]) + atomic_load(&hall.served[1]), 100);
    sem_destroy(&held);
    sem_destroy(&let_go);
}

/* While loops stop one after another nobody is lost, who came while one was open. */
static int come_while_they_stop(void *arg)
{
    (void)arg;
    for (unsigned i = LOOPS - 1; i > 0; i--) {
        come_one_after_another(NULL);
        weft_post(weft_loop_at(i), stop_here, NULL);
    }
    return come_one_after_another(NULL);
}

static void test_group_listen_a_stop_of_one_loop_loses_no_client(void **state)
{
    (void)state;
    enum weft_hand_out how[] = { WEFT_HAND_OUT_NEVER, WEFT_HAND_OUT_IN_TURN };
    for (int i = 0; i < 2; i++) {
        open_hall((struct hall){ .client = come_while_they_stop, .hand_out = how[i] });
        assert_int_equal(served_by_all(), LOOPS * 100);
    }
}

/* Handing out. */

static int come_in_turn(void *arg)
{
    (void)arg;
    unsigned last;
    for (int i = 0; i < 5 * LOOPS; i++) {
        weft_stream *stream;
        unsigned who = come_in(&stream);
        if (i > LOOPS) /* all have begun to serve by now */
            assert_int_equal(who, (last + 1) % LOOPS);
        last = who;
        weft_close(stream);
    }
    return 0;
}

static int come_in_turn_when_all_serve(void *arg)
{
    come_until_all_serve(NULL);
    return come_in_turn(arg);
}

static void test_serve_hand_out_in_turn(void **state)
{
    (void)state;
    open_hall(
        (struct hall){ .client = come_in_turn_when_all_serve, .hand_out = WEFT_HAND_OUT_IN_TURN });
}

/* Whoever has lost a client gets the next one. */
static int come_to_the_fewest(void *arg)
{
    weft_stream *streams[2 * LOOPS];
    unsigned who[2 * LOOPS], counts[LOOPS] = { 0 };
    (void)arg;
    come_until_all_serve(NULL);
    while (atomic_load(&hall.gone) < served_by_all())
        weft_sleep(0);
    for (int i = 0; i < 2 * LOOPS; i++)
        counts[who[i] = come_in(&streams[i])]++;
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(counts[i], 2);
    for (int i = 0; i < 2 * LOOPS; i++) {
        weft_stream *next;
        unsigned gone = atomic_load(&hall.gone);
        weft_close(streams[i]);
        while (atomic_load(&hall.gone) == gone)
            weft_sleep(0);
        assert_int_equal(come_in(&next), who[i]);
        streams[i] = next;
    }
    for (int i = 0; i < 2 * LOOPS; i++)
        weft_close(streams[i]);
    return 0;
}

static void test_serve_hand_out_to_the_fewest(void **state)
{
    (void)state;
    open_hall((struct hall){ .client = come_to_the_fewest, .hand_out = WEFT_HAND_OUT_FEWEST });
}

static void test_serve_hand_out_keeps_max_clients_of_each_loop(void **state)
{
    (void)state;
    open_hall((struct hall){
        .client = come_and_stay, .max_clients = 1, .hand_out = WEFT_HAND_OUT_IN_TURN });
    open_hall((struct hall){
        .client = come_and_stay, .max_clients = 1, .hand_out = WEFT_HAND_OUT_FEWEST });
}

/* When all are full the next one waits for whoever leaves, wherever that is. */
static int come_to_a_full_house(void *arg)
{
    weft_stream *streams[LOOPS], *late;
    unsigned who[LOOPS];
    char byte;
    (void)arg;
    for (int i = 0; i < LOOPS; i++)
        who[i] = come_in(&streams[i]);
    for (int i = 0; i < LOOPS; i++) {
        assert_int_equal(weft_connect(&late, hall.real), 0);
        weft_close(streams[i]);
        assert_int_equal(weft_read(late, &byte, 1), 1);
        assert_int_equal(byte, '0' + who[i]);
        streams[i] = late;
    }
    for (int i = 0; i < LOOPS; i++)
        weft_close(streams[i]);
    return 0;
}

static void test_serve_hand_out_a_full_house_waits_for_whoever_leaves(void **state)
{
    (void)state;
    open_hall((struct hall){
        .client = come_to_a_full_house, .max_clients = 1, .hand_out = WEFT_HAND_OUT_IN_TURN });
    open_hall((struct hall){ .client = come_to_a_full_house, .max_clients = 1 });
}

static bool waits_for_clients(void)
{
    struct wf_net *net = wf_net_of(wf_running);
    struct wf_list *link = wf_list_first(&net->listeners);
    return link && wf_container(link, weft_listener, link)->descriptor.reader;
}

/* Only the first loop has room, and cannot make a stream of who comes: its place is not lost. */
static int come_when_there_is_no_stream(void *arg)
{
    struct wf_io_fault fault = { .kind = WF_FAULT_CONTROL, .countdown = 2, .error = ENOMEM };
    weft_stream *streams[LOOPS], *late;
    char byte;
    weft_scope s;
    (void)arg;
    for (int i = 0; i < LOOPS; i++) {
        weft_stream *stream;
        int loop = (int)come_in(&stream);
        streams[loop] = stream;
    }
    weft_close(streams[0]);
    while (!waits_for_clients()) /* until it stands in line for the next one */
        weft_sleep(0);
    wf_io_fault_set(&fault); /* the client's own stream is the first */
    assert_int_equal(weft_connect(&late, hall.real), 0);
    assert_true(weft_read(late, &byte, 1) <= 0);
    wf_io_fault_set(NULL);
    assert_int_equal(fault.injected, 1);
    weft_close(late);
    weft_scope_begin(&s, .timeout = 5 * SECOND);
    assert_int_equal(come_in(&late), 0);
    assert_int_equal(weft_scope_end(&s), 0);
    weft_close(late);
    for (int i = 1; i < LOOPS; i++)
        weft_close(streams[i]);
    return 0;
}

static void test_serve_hand_out_a_client_without_a_stream_takes_no_place(void **state)
{
    (void)state;
    open_hall((struct hall){ .client = come_when_there_is_no_stream,
                             .max_clients = 1,
                             .hand_out = WEFT_HAND_OUT_IN_TURN });
    expect_log("pauses accepting with 0 clients");
}

/* The first loop stops: the next one accepts for those that are left. */
static int come_when_the_first_has_gone(void *arg)
{
    (void)arg;
    come_until_all_serve(NULL);
    for (unsigned i = 0; i < LOOPS - 1; i++) {
        weft_post(weft_loop_at(i), stop_here, NULL);
        come_one_after_another(NULL);
    }
    return 0;
}

static void test_serve_hand_out_the_next_follows_the_first(void **state)
{
    (void)state;
    open_hall(
        (struct hall){ .client = come_when_the_first_has_gone, .hand_out = WEFT_HAND_OUT_IN_TURN });
}

/* Given to a loop that ends: closed, never left. */

static int serve_until_cancelled(void *arg)
{
    (void)arg;
    unsigned me = weft_loop_index();
    weft_stream *streams[200];
    int count = 0;
    int err = weft_listen(&hall.listeners[me], "127.0.0.1:0");
    assert_int_equal(err, 0);
    meet();
    if (me == 1) { /* connects, and fails with its clients under way */
        while (count < 200 &&
               weft_connect(&streams[count], weft_listener_address(hall.listeners[me])) == 0)
            count++;
        while (count > 0)
            weft_close(streams[--count]);
        weft_listener_close(hall.listeners[me]);
        return -EPROTO;
    }
    err = weft_serve_on(hall.listeners[me], say_who, .hand_out = WEFT_HAND_OUT_IN_TURN);
    weft_listener_close(hall.listeners[me]);
    return err;
}

static void test_serve_hand_out_to_a_loop_that_ends_leaves_no_descriptor(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(run_loops(LOOPS, serve_until_cancelled, NULL), -EPROTO);
        assert_int_equal(count_fds(), fds_before);
    }
}

/* Names in memory. */

static int echo_own(weft_stream *client, void *arg)
{
    atomic_fetch_add(&hall.served[weft_loop_index()], 1);
    return echo(client, arg);
}

static int serve_name(void *arg)
{
    return weft_serve(arg, echo_own);
}

static void exchange(const char *address)
{
    weft_stream *stream;
    char text[64];
    assert_int_equal(weft_connect(&stream, address), 0);
    assert_string_equal(weft_stream_peer(stream), address);
    assert_int_equal(weft_write(stream, "hello", 5), 0);
    assert_int_equal(weft_read_exact(stream, text, 5), 0);
    assert_memory_equal(text, "hello", 5);
    weft_close(stream);
}

/* As meet(), while the loops go on. */
static void meet_asleep(void)
{
    static atomic_uint here;
    unsigned round = atomic_fetch_add(&here, 1) / LOOPS;
    while (atomic_load(&here) < (round + 1) * LOOPS)
        weft_sleep(0);
}

static int use_names(void *arg)
{
    unsigned me = weft_loop_index();
    weft_task *server;
    weft_stream *stream;
    (void)arg;
    assert_int_equal(weft_connect(&stream, "mem:shop"), -ECONNREFUSED);
    meet();
    if (me > 1) /* 2 and 3 have one */
        weft_spawn(weft_background(), serve_name, "mem:shop", .task = &server, .eager = true);
    meet();
    for (int i = 0; i < 10; i++)
        exchange("mem:shop");
    meet_asleep();
    if (me > 1) {
        weft_task_cancel(server, "enough");
        weft_await(server);
        weft_task_release(server);
    }
    meet();
    assert_int_equal(weft_connect(&stream, "mem:shop"), -ECONNREFUSED);
    return 0;
}

static void test_semantics_16_a_name_in_memory_reaches_a_peer(void **state)
{
    (void)state;
    for (int i = 0; i < LOOPS; i++)
        atomic_store(&hall.served[i], 0);
    assert_int_equal(run_loops(LOOPS, use_names, NULL), 0);
    assert_int_equal(atomic_load(&hall.served[0]) + atomic_load(&hall.served[1]), 0);
    assert_int_equal(atomic_load(&hall.served[2]), 20); /* its own 10, and half of the others' */
    assert_int_equal(atomic_load(&hall.served[3]), 20);
}

/* The peer's listener is gone when the socket comes: the other end sees the end. */

static int name_that_comes_and_goes(void *arg)
{
    unsigned me = weft_loop_index();
    (void)arg;
    for (int i = 0; i < 200; i++) {
        weft_listener *listener;
        weft_stream *stream;
        char byte;
        if (me == 1) {
            assert_int_equal(weft_listen(&listener, "mem:door"), 0);
            weft_sleep(0);
            weft_listener_close(listener);
        } else if (me == 0 && weft_connect(&stream, "mem:door") == 0) {
            assert_true(weft_read(stream, &byte, 1) <= 0);
            weft_close(stream);
        }
    }
    return 0;
}

static void test_group_listen_a_name_that_goes_meanwhile_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(run_loops(LOOPS, name_that_comes_and_goes, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_semantics_16_all_loops_listen_on_one_address),
        core_test(test_group_listen_each_loops_second_free_port_is_another_one),
        core_test(test_group_listen_anothers_port_is_refused_in_every_loop),
        core_test(test_group_listen_what_is_left_open_is_closed),
        core_test(test_group_listen_every_loop_gets_clients),
        core_test(test_group_listen_a_full_loop_takes_nobody_from_the_others),
        core_test(test_group_listen_a_loop_that_is_held_up_holds_no_client_up),
        core_test(test_group_listen_a_stop_of_one_loop_loses_no_client),
        core_test(test_serve_hand_out_in_turn),
        core_test(test_serve_hand_out_to_the_fewest),
        core_test(test_serve_hand_out_keeps_max_clients_of_each_loop),
        core_test(test_serve_hand_out_a_full_house_waits_for_whoever_leaves),
        core_test(test_serve_hand_out_a_client_without_a_stream_takes_no_place),
        core_test(test_serve_hand_out_the_next_follows_the_first),
        core_test(test_serve_hand_out_to_a_loop_that_ends_leaves_no_descriptor),
        core_test(test_semantics_16_a_name_in_memory_reaches_a_peer),
        core_test(test_group_listen_a_name_that_goes_meanwhile_leaves_nothing),
    };
    return cmocka_run_group_tests_name("net group listen", tests, NULL, NULL);
}
