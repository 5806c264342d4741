/* Meeting: clients of a listener, of several that share one, of one that goes away; connecting, by
 * TCP and by Unix sockets. */

#include "conformance.h"

enum { CLIENTS = 100 };

/* Listeners. Their queue is longer than their crowd. */

struct place {
    union {
        struct sockaddr any;
        struct sockaddr_in inet;
        struct sockaddr_un path;
    } address;
    socklen_t size;
    int family;
};

/* A Unix socket by a name without a path: what is left of one is nothing. */
static void name_place(struct place *place, int family)
{
    static int count;
    *place = (struct place){ .family = family, .size = sizeof place->address.inet };
    if (family == AF_INET) {
        place->address.inet = own_address();
        return;
    }
    place->address.path.sun_family = AF_UNIX;
    place->size = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 +
                  (socklen_t)snprintf(place->address.path.sun_path + 1, 40,
                                      "weft-conformance-%d-%d", (int)getpid(), ++count);
}

static int make_listener(struct place *place, int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    name_place(place, family);
    assert_int_equal(bind(fd, &place->address.any, place->size), 0);
    assert_int_equal(listen(fd, CLIENTS), 0);
    assert_int_equal(getsockname(fd, &place->address.any, &place->size), 0);
    return fd;
}

enum { TAKES_ALL = 1, SHARED = 2, UNIX = 4, ALL = 8 };

static void attach_place(struct scene *scene, struct wf_descriptor *listener, struct place *place,
                         int how)
{
    int fd = make_listener(place, how & UNIX ? AF_UNIX : AF_INET);
    *listener = (struct wf_descriptor){ .listening = true,
                                        .takes_all = how & TAKES_ALL,
                                        .shared = how & SHARED };
    assert_int_equal(scene->world.ops->attach(scene->world.io, listener, fd), 0);
}

static const char *describe(int how)
{
    static char text[32];
    snprintf(text, sizeof text, "%s%s%s", how & UNIX ? "unix" : "tcp",
             how & TAKES_ALL ? " takes all" : "", how & SHARED ? " shared" : "");
    return text;
}

/* A client that says its number. */
static int come(const struct place *place, int number)
{
    int fd = socket(place->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, &place->address.any, place->size), 0);
    peer_gives(fd, &number, sizeof number);
    return fd;
}

static int64_t accept_one(struct scene *scene, struct wf_descriptor *listener)
{
    struct probe probe = { 0 };
    return settle(&scene->world, &probe, submit_accept(&scene->world, &probe, listener));
}

/* Whose connection it is; it is closed. */
static int number_of(int64_t client)
{
    int number = -1;
    assert_true(client >= 0);
    assert_int_equal(peer_hears((int)client, &number, sizeof number), sizeof number);
    close((int)client);
    return number;
}

/* Each is served once. In which order is not promised. */
static void say_crowd(struct scene *scene, const char *what, const int *times)
{
    int once = 0, more = 0;
    for (int i = 0; i < CLIENTS; i++) {
        once += times[i] == 1;
        more += times[i] > 1;
    }
    say(scene, "%s: %d once, %d more often", what, once, more);
}

static void accept_a_crowd_that_is_there(struct scene *scene)
{
    for (int how = 0; how < ALL; how++) {
        struct wf_descriptor listener;
        struct place place;
        int clients[CLIENTS], times[CLIENTS] = { 0 };
        attach_place(scene, &listener, &place, how);
        for (int i = 0; i < CLIENTS; i++)
            clients[i] = come(&place, i);
        for (int i = 0; i < CLIENTS; i++)
            times[number_of(accept_one(scene, &listener))]++;
        say_crowd(scene, describe(how), times);
        for (int i = 0; i < CLIENTS; i++)
            close(clients[i]);
        release(scene, &listener);
    }
}

/* They come in bursts of 1 to 7, while somebody waits. */
static void accept_a_crowd_that_comes(struct scene *scene)
{
    for (int how = 0; how < ALL; how++) {
        struct wf_descriptor listener;
        struct place place;
        struct probe probe = { 0 };
        int clients[CLIENTS], times[CLIENTS] = { 0 }, came = 0, served = 0;
        attach_place(scene, &listener, &place, how);
        while (served < CLIENTS) {
            int64_t result = submit_accept(&scene->world, &probe, &listener);
            for (int burst = came % 7; burst >= 0 && came < CLIENTS; burst--, came++)
                clients[came] = come(&place, came);
            times[number_of(settle(&scene->world, &probe, result))]++;
            served++;
        }
        say_crowd(scene, describe(how), times);
        for (int i = 0; i < CLIENTS; i++)
            close(clients[i]);
        release(scene, &listener);
    }
}

/* What is accepted does not block, and is not inherited. */
static void accept_what_is_ready_for_use(struct scene *scene)
{
    for (int how = 0; how < ALL; how++) {
        struct wf_descriptor listener;
        struct place place;
        attach_place(scene, &listener, &place, how);
        struct probe now = { .op.now = true };
        say(scene, "%s: nobody: %s", describe(how),
            name_of(submit_accept(&scene->world, &now, &listener)));
        int client = come(&place, 7);
        int64_t fd = accept_one(scene, &listener);
        say(scene, "%s: %s, %s", describe(how),
            fcntl((int)fd, F_GETFL) & O_NONBLOCK ? "does not block" : "blocks",
            fcntl((int)fd, F_GETFD) & FD_CLOEXEC ? "not inherited" : "inherited");
        number_of(fd);
        close(client);
        client = come(&place, 8);
        int64_t at_once = submit_accept(&scene->world, &now, &listener);
        say(scene, "%s: number %d at once", describe(how), number_of(at_once));
        close(client);
        release(scene, &listener);
    }
}

/* A client that has left is accepted like another one; what it had to say is there. */
static void accept_who_has_left(struct scene *scene)
{
    for (int how = 0; how < ALL; how++) {
        struct wf_descriptor listener, server;
        struct place place;
        int number;
        attach_place(scene, &listener, &place, how);
        close(come(&place, 9));
        attach(&scene->world, &server, (int)accept_one(scene, &listener));
        int64_t first = receive(scene, &server, &number, sizeof number);
        int64_t second = receive(scene, &server, &number, sizeof number);
        say(scene, "%s: %s, then %s", describe(how), name_of(first), name_of(second));
        release(scene, &server);
        release(scene, &listener);
    }
}

/* A listener goes while clients are in its queue: those who have been accepted stay, the others
 * hear that it is over. By an end or by a reset is not promised: a driver that had accepted ahead
 * closes what the kernel would have reset. */
static void release_with_clients_in_the_queue(struct scene *scene)
{
    for (int how = 0; how < 2 * ALL; how++) {
        struct wf_descriptor listener;
        struct place place;
        int clients[20], over = 0, refused, crowd = how & ALL ? 1 : 10;
        char byte;
        attach_place(scene, &listener, &place, how);
        for (int i = 0; i < crowd; i++)
            clients[i] = come(&place, i);
        int64_t first = accept_one(scene, &listener);
        struct probe probe = { 0 };
        int64_t second = submit_accept(&scene->world, &probe, &listener);
        drain(&scene->world);
        if (second == WF_PENDING)
            second = give_up(scene, &probe);
        for (int i = crowd; i < 20; i++) /* for whom nobody has looked since */
            clients[i] = come(&place, i);
        look_in(scene);
        release(scene, &listener);
        int served = 1 + (second >= 0), one = number_of(first);
        int two = second >= 0 ? number_of(second) : -1;
        for (int i = 0; i < 20; i++) {
            int64_t heard = peer_hears(clients[i], &byte, 1);
            over += i != one && i != two && (heard == 0 || heard == -ECONNRESET);
            close(clients[i]);
        }
        refused = socket(place.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int err = connect(refused, &place.address.any, place.size) < 0 ? -errno : 0;
        close(refused);
        say(scene, "%s: %s, the next one: %s", describe(how),
            served + over == 20 ? "all are served or hear the end" : "some are left", name_of(err));
    }
}

/* Shared listeners: whose a client is among those who wait is not promised, but it is somebody's,
 * once; who does not wait is nobody's way. */

struct places {
    struct scene here, there; /* two drivers */
    struct wf_descriptor listeners[2];
    struct probe probes[2];
    struct place place;
};

static void open_places(struct scene *scene, struct places *places)
{
    const char *reason;
    memset(places, 0, sizeof *places);
    places->here = *scene;
    places->there.number = scene->number;
    assert_int_equal(scene_open(scene, &places->there.world, (struct wf_io_options){ 0 }, &reason),
                     0);
    attach_place(scene, &places->listeners[0], &places->place, SHARED);
    places->listeners[1] = (struct wf_descriptor){ .listening = true, .shared = true };
    assert_int_equal(places->there.world.ops->attach(places->there.world.io, &places->listeners[1],
                                                     dup(places->listeners[0].fd)),
                     0);
}

static struct scene *scene_at(struct places *places, int i)
{
    return i == 0 ? &places->here : &places->there;
}

static void close_places(struct places *places)
{
    for (int i = 0; i < 2; i++) {
        if (places->probes[i].op.pending)
            assert_int_equal(give_up(scene_at(places, i), &places->probes[i]), -ECANCELED);
        if (places->listeners[i].fd >= 0)
            release(scene_at(places, i), &places->listeners[i]);
    }
    world_close(&places->there.world);
}

static void wait_at(struct places *places, int i)
{
    assert_int_equal(
        submit_accept(&scene_at(places, i)->world, &places->probes[i], &places->listeners[i]),
        WF_PENDING);
}

static void share_a_crowd(struct scene *scene)
{
    struct places places;
    int clients[CLIENTS], times[CLIENTS] = { 0 };
    open_places(scene, &places);
    for (int came = 0, served = 0; served < CLIENTS;) {
        for (int i = 0; i < 2; i++)
            if (!places.probes[i].op.pending)
                wait_at(&places, i);
        for (int burst = came % 3; burst >= 0 && came < CLIENTS; burst--, came++)
            clients[came] = come(&places.place, came);
        for (int i = 0; i < 2; i++) {
            drain(&scene_at(&places, i)->world);
            if (!places.probes[i].op.pending) {
                times[number_of(places.probes[i].result)]++;
                served++;
            }
        }
    }
    say_crowd(scene, "shared by two", times);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    close_places(&places);
}

static void share_with_one_who_does_not_wait(struct scene *scene)
{
    struct places places;
    open_places(scene, &places);
    wait_at(&places, 0);
    wait_at(&places, 1);
    say(scene, "the first gives up: %s", name_of(give_up(&places.here, &places.probes[0])));
    int calls = places.probes[0].calls, client = come(&places.place, 5);
    drain(&places.here.world);
    say(scene, "the first %s", places.probes[0].calls == calls ? "hears nothing" : "is told");
    say(scene, "the second gets %d", number_of(finish(&places.there.world, &places.probes[1])));
    close(client);
    client = come(&places.place, 6);
    release(&places.there, &places.listeners[1]);
    wait_at(&places, 0);
    say(scene, "the second goes, the first gets %d",
        number_of(finish(&places.here.world, &places.probes[0])));
    close(client);
    close_places(&places);
}

/* Connecting. */

static void connect_and_talk(struct scene *scene)
{
    for (int how = 0; how < ALL; how++) {
        struct wf_descriptor listener, client, server;
        struct place place;
        struct probe connecting = { 0 }, accepting = { 0 };
        char data[8];
        attach_place(scene, &listener, &place, how);
        attach(&scene->world, &client,
               socket(place.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        drain(&scene->world); /* there may be news of a socket that is not connected yet */
        int64_t accepted = submit_accept(&scene->world, &accepting, &listener);
        int64_t result =
            submit_connect(&scene->world, &connecting, &client, &place.address.any, place.size);
        say(scene, "%s: %s", describe(how), name_of(settle(&scene->world, &connecting, result)));
        accepted = settle(&scene->world, &accepting, accepted);
        attach(&scene->world, &server, (int)accepted);
        struct probe waiting = { 0 };
        assert_int_equal(submit_recv(&scene->world, &waiting, &client, data, sizeof data),
                         WF_PENDING);
        drain(&scene->world);
        say(scene, "    the client %s", waiting.op.pending ? "waits" : "has heard");
        int64_t sent = send_some(scene, &server, "hello", 5);
        int64_t heard = finish(&scene->world, &waiting);
        say(scene, "    %s and %s", name_of(sent), name_of(heard));
        sent = send_some(scene, &client, "you", 3);
        heard = receive(scene, &server, data, sizeof data);
        say(scene, "    %s and %s", name_of(sent), name_of(heard));
        release(scene, &client);
        say(scene, "    the end: %s", name_of(receive(scene, &server, data, sizeof data)));
        release(scene, &server);
        release(scene, &listener);
    }
}

/* A server that speaks first, and goes: all of it is there for one who connects. */
static void connect_to_one_who_speaks_first(struct scene *scene)
{
    for (int how = 0; how < ALL; how += UNIX) {
        struct wf_descriptor client;
        struct place place;
        struct probe probe = { 0 };
        char data[8];
        int listener = make_listener(&place, how & UNIX ? AF_UNIX : AF_INET);
        attach(&scene->world, &client,
               socket(place.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        int64_t result =
            submit_connect(&scene->world, &probe, &client, &place.address.any, place.size);
        drain(&scene->world);
        int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(server >= 0);
        peer_gives(server, "hello", 5);
        close(server);
        int64_t connected = settle(&scene->world, &probe, result);
        int64_t heard = receive(scene, &client, data, sizeof data);
        int64_t end = receive(scene, &client, data, sizeof data);
        say(scene, "%s: %s, %s, %s", describe(how), name_of(connected), name_of(heard),
            name_of(end));
        release(scene, &client);
        close(listener);
    }
}

/* One who connects from done(), in the same wait that had news of its socket as it was before: it
 * is not connected by them. Nobody answers there, so it waits. */
struct late {
    struct scene *scene;
    struct wf_descriptor client;
    struct probe connecting;
    struct place place;
};

static void connect_late(struct probe *probe)
{
    struct late *late = probe->with;
    assert_int_equal(submit_connect(&late->scene->world, &late->connecting, &late->client,
                                    &late->place.address.any, late->place.size),
                     WF_PENDING);
}

static void connect_in_the_middle_of_a_wait(struct scene *scene)
{
    struct late late = { .scene = scene };
    struct echo echo;
    int listener = make_listener(&late.place, AF_INET), crowd[4];
    assert_int_equal(listen(listener, 0), 0);
    for (int i = 0; i < 4; i++) {
        crowd[i] = make_tcp();
        (void)connect(crowd[i], &late.place.address.any, late.place.size);
    }
    echo_open(&scene->world, &echo, make_pair);
    echo.probe.then = connect_late;
    echo.probe.with = &late;
    assert_int_equal(echo_recv(&scene->world, &echo), WF_PENDING);
    peer_gives(echo.peer, "now", 3);
    attach(&scene->world, &late.client, make_tcp());
    say(scene, "%s", name_of(finish(&scene->world, &echo.probe)));
    drain(&scene->world);
    say(scene, "who connects %s",
        late.connecting.op.pending ? "waits" : name_of(late.connecting.result));
    say(scene, "%s", name_of(give_up(scene, &late.connecting)));
    release(scene, &late.client);
    echo_close(&scene->world, &echo);
    for (int i = 0; i < 4; i++)
        close(crowd[i]);
    close(listener);
}

/* A Unix socket does not wait for a place in the queue. */
static void connect_to_a_full_queue(struct scene *scene)
{
    struct wf_descriptor clients[3];
    struct place place;
    int listener = make_listener(&place, AF_UNIX);
    assert_int_equal(listen(listener, 0), 0);
    for (int i = 0; i < 3; i++) {
        struct probe probe = { 0 };
        attach(&scene->world, &clients[i],
               socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        int64_t result =
            submit_connect(&scene->world, &probe, &clients[i], &place.address.any, place.size);
        say(scene, "%s", name_of(settle(&scene->world, &probe, result)));
    }
    for (int i = 0; i < 3; i++)
        release(scene, &clients[i]);
    close(listener);
}

static void connect_many_at_once(struct scene *scene)
{
    struct wf_descriptor listener, clients[CLIENTS];
    struct place place;
    struct probe probes[CLIENTS];
    int64_t results[CLIENTS];
    int connected = 0, accepted = 0;
    memset(probes, 0, sizeof probes);
    attach_place(scene, &listener, &place, TAKES_ALL);
    for (int i = 0; i < CLIENTS; i++) {
        attach(&scene->world, &clients[i], make_tcp());
        results[i] =
            submit_connect(&scene->world, &probes[i], &clients[i], &place.address.any, place.size);
    }
    for (int i = 0; i < CLIENTS; i++)
        connected += settle(&scene->world, &probes[i], results[i]) == 0;
    for (; accepted < CLIENTS; accepted++) {
        int64_t fd = accept_one(scene, &listener);
        assert_true(fd >= 0);
        close((int)fd);
    }
    say(scene, "%d connected, %d accepted", connected, accepted);
    for (int i = 0; i < CLIENTS; i++)
        release(scene, &clients[i]);
    release(scene, &listener);
}

#define TIMES_8(line)                                                                              \
    "tcp" line "tcp takes all" line "tcp shared" line "tcp takes all shared" line "unix" line      \
    "unix takes all" line "unix shared" line "unix takes all shared" line

static const struct scenario scenarios[] = {
    { .name = "accept a crowd that is there",
      .play = accept_a_crowd_that_is_there,
      .expected = TIMES_8(": 100 once, 0 more often\n") },
    { .name = "accept a crowd that comes",
      .play = accept_a_crowd_that_comes,
      .expected = TIMES_8(": 100 once, 0 more often\n") },
    { .name = "accept what is ready for use",
      .play = accept_what_is_ready_for_use,
      .expected = "tcp: nobody: -EAGAIN\n"
                  "tcp: does not block, not inherited\n"
                  "tcp: number 8 at once\n"
                  "tcp takes all: nobody: -EAGAIN\n"
                  "...\n"
                  "unix takes all shared: does not block, not inherited\n"
                  "unix takes all shared: number 8 at once\n" },
    { .name = "accept who has left",
      .play = accept_who_has_left,
      .expected = TIMES_8(": 4, then 0\n") },
    { .name = "release with clients in the queue",
      .play = release_with_clients_in_the_queue,
      .expected = TIMES_8(": all are served or hear the end, the next one: -ECONNREFUSED\n")
          TIMES_8(": all are served or hear the end, the next one: -ECONNREFUSED\n") },
    { .name = "share a crowd",
      .play = share_a_crowd,
      .expected = "shared by two: 100 once, 0 more often\n" },
    { .name = "share with one who does not wait",
      .play = share_with_one_who_does_not_wait,
      .expected = "the first gives up: -ECANCELED\n"
                  "the first hears nothing\n"
                  "the second gets 5\n"
                  "the second goes, the first gets 6\n" },
    { .name = "connect and talk",
      .play = connect_and_talk,
      .expected = TIMES_8(": 0\n"
                          "    the client waits\n"
                          "    5 and 5\n"
                          "    3 and 3\n"
                          "    the end: 0\n") },
    { .name = "connect to one who speaks first",
      .play = connect_to_one_who_speaks_first,
      .expected = "tcp: 0, 5, 0\n"
                  "unix: 0, 5, 0\n" },
    { .name = "connect in the middle of a wait",
      .play = connect_in_the_middle_of_a_wait,
      .expected = "3\n"
                  "who connects waits\n"
                  "-ECANCELED\n" },
    { .name = "connect to a full queue",
      .play = connect_to_a_full_queue,
      .expected = "0\n-EAGAIN\n-EAGAIN\n" },
    { .name = "connect many at once",
      .play = connect_many_at_once,
      .expected = "100 connected, 100 accepted\n" },
};

int main(void)
{
    return conformance("conformance accept", scenarios, WF_ARRAY_SIZE(scenarios));
}
