/* Giving up: a cancel, a drop, a release. Whoever wins a race between a cancel and a completion,
 * what was done is reported and what was not is there for the next who asks: each byte and each
 * client once. Hazard 18 of the checklist.
 *
 * What a ring answers to the cancel itself differs from kernel to kernel, and comes before or after
 * the end of what was cancelled. That is the trap: only this end counts, and until then the memory
 * is the kernel's. */

#include "conformance.h"

static uint32_t throw_dice(uint32_t *dice)
{
    *dice = *dice * 1664525u + 1013904223u;
    return *dice >> 16;
}

/* Nothing has come: each kind of operation is given up, and what comes later is not for it. */

static void give_up_receives(struct scene *scene)
{
    EACH_KIND(kind)
    {
        for (int how = 0; how < 4; how++) {
            struct echo echo;
            char data[8] = { 0 };
            bool lends = how & 1, in_the_kernel = how & 2;
            echo_open(&scene->world, &echo, kind->make);
            assert_int_equal(lends ? submit_lend(&scene->world, &echo.probe, &echo.descriptor)
                                   : echo_recv(&scene->world, &echo),
                             WF_PENDING);
            if (in_the_kernel)
                drain(&scene->world);
            int64_t result = give_up(scene, &echo.probe);
            int calls = echo.probe.calls;
            peer_gives(echo.peer, "kept", 4);
            drain(&scene->world);
            say(scene, "%s, %s: %s, %s", kind->name, lends ? "lent" : "own", name_of(result),
                echo.probe.calls == calls ? "and nothing later" : "and again");
            result = receive(scene, &echo.descriptor, data, sizeof data);
            say(scene, "    next: %s %s", name_of(result), data);
            echo_close(&scene->world, &echo);
        }
    }
}

/* A send that is given up before the peer takes anything has sent nothing. TCP may find room
 * meanwhile: then it says how much of it went. */
static void give_up_sends(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct echo echo;
        char heard[16] = { 0 };
        int64_t last;
        struct iovec vector = { (char[]){ "given up" }, 8 };
        echo_open(&scene->world, &echo, kind->make);
        size_t size = fill(scene, &echo.descriptor);
        assert_int_equal(submit_send(&scene->world, &echo.probe, &echo.descriptor, &vector, 1),
                         WF_PENDING);
        int64_t result = give_up(scene, &echo.probe);
        if (kind->stays_full)
            say(scene, "%s: %s", kind->name, name_of(result));
        size += result > 0 ? (size_t)result : 0;
        peer_takes(echo.peer, size);
        assert_int_equal(send_all(scene, &echo.descriptor, "next", 4), 4);
        assert_int_equal(peer_hears_all(echo.peer, heard, 4, &last), 4);
        say(scene, "%s: the peer hears: %s", kind->name, heard);
        echo_close(&scene->world, &echo);
    }
}

static void give_up_accepts(struct scene *scene)
{
    for (int how = 0; how < 4; how++) {
        struct wf_descriptor listener = { .listening = true,
                                          .takes_all = how & 1,
                                          .shared = how & 2 };
        struct sockaddr_in address;
        struct probe probe = { 0 };
        int fd = make_tcp_listener(&address);
        assert_int_equal(scene->world.ops->attach(scene->world.io, &listener, fd), 0);
        assert_int_equal(submit_accept(&scene->world, &probe, &listener), WF_PENDING);
        drain(&scene->world);
        say(scene, "%s", name_of(give_up(scene, &probe)));
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), calls = probe.calls;
        assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
        drain(&scene->world);
        say(scene, "    %s", probe.calls == calls ? "nothing later" : "again");
        int64_t result =
            settle(&scene->world, &probe, submit_accept(&scene->world, &probe, &listener));
        say(scene, "    next: %s", result >= 0 ? "a client" : name_of(result));
        close((int)result);
        close(client);
        release(scene, &listener);
    }
}

/* A listener whose queue is full lets a connect wait. */
static void give_up_connects(struct scene *scene)
{
    struct sockaddr_in address;
    int listener = make_tcp_listener(&address), crowd[4];
    assert_int_equal(listen(listener, 0), 0);
    for (int i = 0; i < 4; i++) {
        crowd[i] = make_tcp();
        (void)connect(crowd[i], (struct sockaddr *)&address, sizeof address);
    }
    for (int in_the_kernel = 0; in_the_kernel < 2; in_the_kernel++) {
        struct wf_descriptor client;
        struct probe probe = { 0 };
        attach(&scene->world, &client, make_tcp());
        assert_int_equal(submit_connect(&scene->world, &probe, &client, &address, sizeof address),
                         WF_PENDING);
        if (in_the_kernel)
            drain(&scene->world);
        say(scene, "%s", name_of(give_up(scene, &probe)));
        release(scene, &client);
    }
    for (int i = 0; i < 4; i++)
        close(crowd[i]);
    close(listener);
}

static void give_up_readiness(struct scene *scene)
{
    struct probe probes[3] = { 0 };
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(submit_poll(&scene->world, &probes[i], ends[0], WF_POLL_READ), WF_PENDING);
    drain(&scene->world);
    say(scene, "the second: %s", name_of(give_up(scene, &probes[1])));
    int calls = probes[1].calls;
    assert_int_equal(write(ends[1], "x", 1), 1);
    say(scene, "the first: %s", name_of(finish(&scene->world, &probes[0])));
    say(scene, "the third: %s", name_of(finish(&scene->world, &probes[2])));
    say(scene, "%s", probes[1].calls == calls ? "nothing later" : "again");
    close(ends[0]);
    close(ends[1]);
}

/* Who is asked to end again and again ends once. */
static void give_up_again_and_again(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct echo echo;
        echo_open(&scene->world, &echo, kind->make);
        int64_t result = WF_PENDING;
        assert_int_equal(echo_recv(&scene->world, &echo), WF_PENDING);
        drain(&scene->world);
        while (result == WF_PENDING) {
            if (echo.probe.op.pending && scene->world.ops->cancel(scene->world.io, &echo.probe.op))
                result = -ECANCELED;
            else if (echo.probe.calls > 0)
                result = echo.probe.result;
            else
                scene->world.ops->wait(scene->world.io, 0);
        }
        say(scene, "%s: %s", kind->name, name_of(result));
        peer_gives(echo.peer, "kept", 4);
        say(scene, "%s: next: %s", kind->name,
            name_of(receive(scene, &echo.descriptor, echo.data, sizeof echo.data)));
        echo_close(&scene->world, &echo);
    }
}

/* Races. Who wins is nobody's promise, and not in the log: all bytes are, once each, in order. What
 * is in the kernel, or in its answers that nobody has looked at, depends on the dice; a poll that
 * is given up has a ring look. */

struct race {
    struct scene *scene;
    struct wf_descriptor ours;
    int peer;
    bool lends;
    uint32_t dice;
    unsigned char next_sent, next_heard;
    long bytes;
};

static void hear(struct race *race, const char *data, int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        assert_int_equal((unsigned char)data[i], race->next_heard++);
    race->bytes += size;
}

static void race_a_receive(struct race *race)
{
    struct world *world = &race->scene->world;
    struct probe probe = { 0 };
    char data[4];
    unsigned how = throw_dice(&race->dice);
    int64_t result = race->lends ? submit_lend(world, &probe, &race->ours)
                                 : submit_recv(world, &probe, &race->ours, data, sizeof data);
    if (how & 1)
        world->ops->wait(world->io, 0);
    for (unsigned i = 0; i < (how >> 1 & 3); i++, race->next_sent++)
        peer_gives(race->peer, &race->next_sent, 1);
    if ((how >> 3 & 3) == 1)
        world->ops->wait(world->io, 0);
    if ((how >> 3 & 3) == 2)
        look_in(race->scene);
    if (result == WF_PENDING)
        result = give_up(race->scene, &probe);
    assert_true(result > 0 || result == -ECANCELED);
    if (result <= 0)
        return;
    hear(race, race->lends ? probe.op.lend.data : data, result);
    if (race->lends)
        world->ops->lend_return(world->io, probe.op.lend.data);
}

static void race_receives(struct scene *scene)
{
    EACH_KIND(kind)
    {
        for (int lends = 0; lends < 2; lends++) {
            struct race race = { .scene = scene, .lends = lends, .dice = 7 };
            unsigned char last;
            kind->make(&scene->world, &race.ours, &race.peer);
            for (int i = 0; i < 3000; i++)
                race_a_receive(&race);
            while (race.next_heard != race.next_sent) {
                int64_t result = receive(scene, &race.ours, &last, 1);
                hear(&race, (char *)&last, result);
            }
            say(scene, "%s, %s: %ld bytes in order", kind->name, lends ? "lent" : "own",
                race.bytes);
            release(scene, &race.ours);
            close(race.peer);
        }
    }
}

/* A send to a socket that is full, or has just been given room: what it reports, and nothing else,
 * has gone. */
static void race_a_send(struct race *race, size_t *sent, size_t *taken)
{
    static unsigned char data[256 + 6000];
    struct world *world = &race->scene->world;
    unsigned how = throw_dice(&race->dice);
    struct probe probe = { 0 };
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)i;
    struct iovec vector = { data + *sent % 256, 1 + how % 6000 };
    int64_t result = submit_send(world, &probe, &race->ours, &vector, 1);
    if (how & 1)
        world->ops->wait(world->io, 0);
    if (how & 2)
        drain_peer(race->peer, &race->next_heard, taken);
    if (how & 4)
        world->ops->wait(world->io, 0);
    if (how & 8)
        look_in(race->scene);
    if (result == WF_PENDING)
        result = give_up(race->scene, &probe);
    assert_true(result == -ECANCELED || (result > 0 && (size_t)result <= vector.iov_len));
    *sent += result > 0 ? (size_t)result : 0;
}

static void race_sends(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct race race = { .scene = scene, .dice = 11 };
        size_t sent = 0, taken = 0;
        kind->make(&scene->world, &race.ours, &race.peer);
        setsockopt(race.ours.fd, SOL_SOCKET, SO_SNDBUF, &(int){ 8192 }, sizeof(int));
        for (int i = 0; i < 3000; i++)
            race_a_send(&race, &sent, &taken);
        while (taken < sent) {
            char byte;
            int64_t last;
            assert_int_equal(peer_hears_all(race.peer, &byte, 1, &last), 1);
            assert_int_equal((unsigned char)byte, race.next_heard++);
            taken++;
        }
        release(scene, &race.ours);
        char byte;
        say(scene, "%s: in order, %zu more than said, then %s", kind->name, taken - sent,
            name_of(peer_hears(race.peer, &byte, 1)));
        close(race.peer);
    }
}

/* Clients and the cancels of those who wait for them: each client is somebody's, once. */

enum { CLIENTS = 200 };

struct door {
    struct scene *scene;
    struct wf_descriptor listener;
    struct sockaddr_in address;
    struct probe accepting;
    int clients[CLIENTS], came, served;
    bool seen[CLIENTS];
};

static void client_comes(struct door *door)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&door->address, sizeof door->address), 0);
    peer_gives(fd, &door->came, sizeof door->came);
    door->clients[door->came++] = fd;
}

static void serve(struct door *door, int64_t result)
{
    int number = -1;
    assert_true(result >= 0);
    assert_int_equal(peer_hears((int)result, &number, sizeof number), sizeof number);
    assert_in_range(number, 0, door->came - 1);
    assert_false(door->seen[number]);
    door->seen[number] = true;
    door->served++;
    close((int)result);
    close(door->clients[number]);
}

static void serve_all(struct door *door)
{
    while (door->served < door->came) {
        int64_t result = submit_accept(&door->scene->world, &door->accepting, &door->listener);
        serve(door, settle(&door->scene->world, &door->accepting, result));
    }
}

static void race_an_accept(struct door *door, unsigned how)
{
    struct world *world = &door->scene->world;
    int64_t result = submit_accept(world, &door->accepting, &door->listener);
    if (how & 1)
        world->ops->wait(world->io, 0);
    for (unsigned i = 0; i < (how >> 1 & 3) && door->came < CLIENTS; i++)
        client_comes(door);
    if (how & 8)
        world->ops->wait(world->io, 0);
    if (result == WF_PENDING)
        result = give_up(door->scene, &door->accepting);
    if (result != -ECANCELED)
        serve(door, result);
}

static void race_accepts(struct scene *scene)
{
    for (int how = 0; how < 4; how++) {
        struct door door = { .scene = scene,
                             .listener = {
                                 .listening = true, .takes_all = how & 1, .shared = how & 2 } };
        uint32_t dice = 5;
        int fd = make_tcp_listener(&door.address);
        assert_int_equal(scene->world.ops->attach(scene->world.io, &door.listener, fd), 0);
        while (door.came < CLIENTS) {
            race_an_accept(&door, throw_dice(&dice));
            if (door.came - door.served > 40) /* its queue is short */
                serve_all(&door);
        }
        serve_all(&door);
        say(scene, "%d clients, %d served", door.came, door.served);
        release(scene, &door.listener);
    }
}

/* A connect that is given up has ended: it stands, or it does not. */
static void race_connects(struct scene *scene)
{
    struct sockaddr_in address;
    int listener = make_tcp_listener(&address), ended = 0, fd;
    uint32_t dice = 3;
    for (int i = 0; i < CLIENTS; i++) {
        struct wf_descriptor client;
        struct probe probe = { 0 };
        unsigned how = throw_dice(&dice);
        attach(&scene->world, &client, make_tcp());
        int64_t result = submit_connect(&scene->world, &probe, &client, &address, sizeof address);
        if (how & 1)
            scene->world.ops->wait(scene->world.io, 0);
        if (result == WF_PENDING)
            result = give_up(scene, &probe);
        assert_true(result == 0 || result == -ECANCELED);
        ended++;
        release(scene, &client);
        while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
            close(fd);
    }
    say(scene, "%d ended", ended);
    close(listener);
}

/* What is dropped is nobody's when the call is over: not the memory it named, not the block it had
 * been lent, not the bytes it had taken, which are lost with it. */

static void drop(struct scene *scene, struct probe *probe)
{
    assert_true(probe->op.pending);
    wf_io_drop(scene->world.ops, scene->world.io, &probe->op);
    assert_false(probe->op.pending);
    int calls = probe->calls;
    memset(&probe->op, 0xff, sizeof probe->op);
    drain(&scene->world);
    assert_int_equal(probe->calls, calls);
}

static void drop_receives(struct scene *scene)
{
    EACH_KIND(kind)
    {
        for (int how = 0; how < 8; how++) {
            struct echo echo;
            char *data = malloc(sizeof echo.data);
            echo_open(&scene->world, &echo, kind->make);
            assert_int_equal(how & 1 ? submit_lend(&scene->world, &echo.probe, &echo.descriptor)
                                     : submit_recv(&scene->world, &echo.probe, &echo.descriptor,
                                                   data, sizeof echo.data),
                             WF_PENDING);
            if (how & 2)
                drain(&scene->world);
            if (how & 4)
                peer_gives(echo.peer, "lost or not", 11);
            drop(scene, &echo.probe);
            free(data);
            release(scene, &echo.descriptor);
            /* A Unix peer whose bytes nobody has read hears of a reset; whether they were read is
             * the race's affair. */
            char byte;
            int64_t result = peer_hears(echo.peer, &byte, 1);
            bool over = result == 0 || (how & 4 && result == -ECONNRESET);
            say(scene, "%s, %d: the peer hears %s", kind->name, how,
                over ? "the end" : name_of(result));
            close(echo.peer);
        }
    }
}

static void drop_the_others(struct scene *scene)
{
    struct world *world = &scene->world;
    struct sockaddr_in address;
    struct wf_descriptor listener, client;
    struct probe probe = { 0 };
    struct echo echo;
    int ends[2];
    char *data = calloc(1, 8), byte;
    struct iovec vector = { data, 8 };
    echo_open(world, &echo, make_pair);
    size_t size = fill(scene, &echo.descriptor);
    assert_int_equal(submit_send(world, &probe, &echo.descriptor, &vector, 1), WF_PENDING);
    drop(scene, &probe);
    free(data);
    release(scene, &echo.descriptor);
    peer_takes(echo.peer, size);
    say(scene, "send: %s", name_of(peer_hears(echo.peer, &byte, 1)));
    close(echo.peer);
    attach_listener(world, &listener, &address);
    probe = (struct probe){ 0 };
    assert_int_equal(submit_accept(world, &probe, &listener), WF_PENDING);
    drop(scene, &probe);
    attach(world, &client, make_tcp());
    struct sockaddr_in *lent = malloc(sizeof *lent);
    *lent = address;
    probe = (struct probe){ 0 };
    assert_int_equal(submit_connect(world, &probe, &client, lent, sizeof *lent), WF_PENDING);
    drop(scene, &probe);
    free(lent);
    release(scene, &client);
    release(scene, &listener);
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    probe = (struct probe){ 0 };
    assert_int_equal(submit_poll(world, &probe, ends[0], WF_POLL_READ), WF_PENDING);
    drop(scene, &probe);
    close(ends[0]);
    close(ends[1]);
}

/* Release. Closed is closed: the peer hears of it, though an operation was under way until just
 * now; the address is free; the number's next owner hears its own. A ring that goes on holding a
 * file for an operation of which nobody wants to hear is the trap. */

static void release_frees_the_connection(struct scene *scene)
{
    EACH_KIND(kind)
    {
        for (int in_the_kernel = 0; in_the_kernel < 2; in_the_kernel++) {
            struct echo echo;
            char byte;
            echo_open(&scene->world, &echo, kind->make);
            assert_int_equal(echo_recv(&scene->world, &echo), WF_PENDING);
            if (in_the_kernel)
                drain(&scene->world);
            say(scene, "%s: %s", kind->name, name_of(give_up(scene, &echo.probe)));
            release(scene, &echo.descriptor);
            say(scene, "%s: the peer hears %s", kind->name,
                name_of(peer_hears(echo.peer, &byte, 1)));
            close(echo.peer);
        }
    }
}

static void release_frees_the_address(struct scene *scene)
{
    for (int how = 0; how < 8; how++) {
        struct wf_descriptor listener = { .listening = true,
                                          .takes_all = how & 1,
                                          .shared = how & 2 };
        struct sockaddr_in address;
        struct probe probe = { 0 };
        int fd = make_tcp_listener(&address), again = make_tcp();
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
        setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
        assert_int_equal(scene->world.ops->attach(scene->world.io, &listener, fd), 0);
        assert_int_equal(submit_accept(&scene->world, &probe, &listener), WF_PENDING);
        if (how & 4)
            drain(&scene->world);
        give_up(scene, &probe);
        release(scene, &listener);
        int err = bind(again, (struct sockaddr *)&address, sizeof address);
        err = err == 0 ? listen(again, 1) : err;
        say(scene, "%d: %s", how, name_of(err < 0 ? -errno : 0));
        close(again);
    }
}

/* A copy of the file lives on under another number, as in a child of a fork. */
static void release_is_final(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct echo echo;
        struct wf_descriptor young;
        char data[16] = { 0 };
        int ends[2];
        echo_open(&scene->world, &echo, kind->make);
        int number = echo.descriptor.fd, copy = dup(number);
        assert_int_equal(echo_recv(&scene->world, &echo), WF_PENDING);
        drain(&scene->world);
        give_up(scene, &echo.probe);
        release(scene, &echo.descriptor);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
                         0);
        int own = ends[0] == number ? ends[0] : ends[1], other = own == ends[0] ? ends[1] : ends[0];
        attach(&scene->world, &young, own);
        peer_gives(echo.peer, "to nobody", 9);
        struct probe probe = { 0 };
        assert_int_equal(submit_recv(&scene->world, &probe, &young, data, sizeof data), WF_PENDING);
        drain(&scene->world);
        say(scene, "%s: the young one %s", kind->name, probe.op.pending ? "waits" : "has ended");
        peer_gives(other, "its own", 7);
        int64_t result = finish(&scene->world, &probe);
        say(scene, "%s: the young one hears %s %s", kind->name, name_of(result), data);
        say(scene, "%s: the copy has %s", kind->name,
            name_of(recv(copy, data, sizeof data, MSG_DONTWAIT)));
        release(scene, &young);
        close(other);
        close(copy);
        close(echo.peer);
    }
}

static const struct scenario scenarios[] = {
    { .name = "give up receives",
      .play = give_up_receives,
      .expected = "unix, own: -ECANCELED, and nothing later\n"
                  "    next: 4 kept\n"
                  "unix, lent: -ECANCELED, and nothing later\n"
                  "    next: 4 kept\n"
                  "...\n"
                  "tcp, lent: -ECANCELED, and nothing later\n"
                  "    next: 4 kept\n"
                  "...\n" },
    { .name = "give up sends",
      .play = give_up_sends,
      .expected = "unix: -ECANCELED\n"
                  "unix: the peer hears: next\n"
                  "tcp: the peer hears: next\n" },
    { .name = "give up accepts",
      .play = give_up_accepts,
      .expected = "-ECANCELED\n    nothing later\n    next: a client\n"
                  "-ECANCELED\n    nothing later\n    next: a client\n"
                  "-ECANCELED\n    nothing later\n    next: a client\n"
                  "-ECANCELED\n    nothing later\n    next: a client\n" },
    { .name = "give up connects",
      .play = give_up_connects,
      .expected = "-ECANCELED\n-ECANCELED\n" },
    { .name = "give up readiness",
      .play = give_up_readiness,
      .expected = "the second: -ECANCELED\n"
                  "the first: 1\n"
                  "the third: 1\n"
                  "nothing later\n" },
    { .name = "give up again and again",
      .play = give_up_again_and_again,
      .expected = "unix: -ECANCELED\n"
                  "unix: next: 4\n"
                  "tcp: -ECANCELED\n"
                  "tcp: next: 4\n" },
    { .name = "race receives",
      .play = race_receives,
      .expected = "unix, own: 4489 bytes in order\n"
                  "unix, lent: 4489 bytes in order\n"
                  "tcp, own: 4489 bytes in order\n"
                  "tcp, lent: 4489 bytes in order\n" },
    { .name = "race sends",
      .play = race_sends,
      .expected = "unix: in order, 0 more than said, then 0\n"
                  "tcp: in order, 0 more than said, then 0\n" },
    { .name = "race accepts",
      .play = race_accepts,
      .expected = "200 clients, 200 served\n"
                  "200 clients, 200 served\n"
                  "200 clients, 200 served\n"
                  "200 clients, 200 served\n" },
    { .name = "race connects", .play = race_connects, .expected = "200 ended\n" },
    { .name = "drop receives",
      .play = drop_receives,
      .expected = "unix, 0: the peer hears the end\n"
                  "...\n"
                  "unix, 7: the peer hears the end\n"
                  "...\n"
                  "tcp, 7: the peer hears the end\n" },
    { .name = "drop the others", .play = drop_the_others, .expected = "send: 0\n" },
    { .name = "release frees the connection",
      .play = release_frees_the_connection,
      .expected = "unix: -ECANCELED\n"
                  "unix: the peer hears 0\n"
                  "unix: -ECANCELED\n"
                  "unix: the peer hears 0\n"
                  "tcp: -ECANCELED\n"
                  "tcp: the peer hears 0\n"
                  "tcp: -ECANCELED\n"
                  "tcp: the peer hears 0\n" },
    { .name = "release frees the address",
      .play = release_frees_the_address,
      .expected = "0: 0\n1: 0\n2: 0\n3: 0\n4: 0\n5: 0\n6: 0\n7: 0\n" },
    { .name = "release is final",
      .play = release_is_final,
      .expected = "unix: the young one waits\n"
                  "unix: the young one hears 7 its own\n"
                  "unix: the copy has 9\n"
                  "tcp: the young one waits\n"
                  "tcp: the young one hears 7 its own\n"
                  "tcp: the copy has 9\n" },
};

int main(void)
{
    return conformance("conformance cancel", scenarios, WF_ARRAY_SIZE(scenarios));
}
