/* Too little of something: lent blocks, entries of a ring, time without a signal. What is refused
 * is said, and nothing is lost by it. Hazards 4 and 19 of the checklist. */

#include "conformance.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

/* Another driver of the same kind, with other options; what is said goes to the first. */
static void open_inner(const struct scene *scene, struct scene *inner, struct wf_io_options options)
{
    const char *reason;
    *inner = (struct scene){ .number = scene->number };
    assert_int_equal(scene_open(scene, &inner->world, options, &reason), 0);
}

static void give_back(struct scene *scene, struct probe *probe)
{
    scene->world.ops->lend_return(scene->world.io, probe->op.lend.data);
    probe->op.lend.data = NULL;
}

static int64_t lend(struct scene *scene, struct echo *echo)
{
    struct probe *probe = &echo->probe;
    return settle(&scene->world, probe, submit_lend(&scene->world, probe, &echo->descriptor));
}

/* Blocks. So many are lent at one time as the options say, to whomever, and no more; who is refused
 * has lost nothing, and is served when one is given back. That a kernel which picks buffers ends a
 * receive when it has none, though nothing has come, is the trap: here it may not show. */

enum { MANY = 8 };

static void lend_to_one_after_another(struct scene *scene)
{
    for (size_t max = 1; max <= MANY - 2; max++) {
        struct scene inner;
        struct echo echoes[MANY];
        open_inner(scene, &inner, (struct wf_io_options){ .blocks_max = max });
        for (size_t i = 0; i < MANY; i++) {
            echo_open(&inner.world, &echoes[i], make_pair);
            peer_gives(echoes[i].peer, message, 10 + i);
        }
        say(scene, "of %zu", max);
        for (size_t i = 0; i < MANY; i++)
            say(scene, "    %s", name_of(lend(&inner, &echoes[i])));
        for (size_t i = max; i < MANY; i++) {
            give_back(&inner, &echoes[i - max].probe);
            say(scene, "    and %s", name_of(lend(&inner, &echoes[i])));
            assert_memory_equal(echoes[i].probe.op.lend.data, message, 10 + i);
        }
        for (size_t i = MANY - max; i < MANY; i++)
            give_back(&inner, &echoes[i].probe);
        for (size_t i = 0; i < MANY; i++)
            echo_close(&inner.world, &echoes[i]);
        world_close(&inner.world);
    }
}

/* One that has more to read than there are blocks. */
static void lend_much_to_one(struct scene *scene)
{
    for (size_t max = 1; max <= MANY; max++) {
        struct scene inner;
        struct echo echo;
        struct probe probes[MANY + 1] = { 0 };
        char data[MANY * 16];
        size_t count = 0;
        open_inner(scene, &inner, (struct wf_io_options){ .blocks_max = max, .block_size = 16 });
        echo_open(&inner.world, &echo, make_pair);
        memset(data, 'd', sizeof data);
        peer_gives(echo.peer, data, sizeof data);
        peer_gives(echo.peer, "the last", 8);
        int64_t result = 1;
        for (; count < max && result > 0; count++) {
            result = submit_lend(&inner.world, &probes[count], &echo.descriptor);
            result = settle(&inner.world, &probes[count], result);
            assert_true(result == 16);
        }
        result = submit_lend(&inner.world, &probes[count], &echo.descriptor);
        result = settle(&inner.world, &probes[count], result);
        say(scene, "of %zu: %zu, then %s", max, count, name_of(result));
        while (count > 0)
            give_back(&inner, &probes[--count]);
        size_t rest = 0;
        char heard[16];
        while ((result = receive_lent(&inner, &echo.descriptor, heard, sizeof heard)) == 16)
            rest++;
        say(scene, "    the rest: %zu, %.*s", rest, (int)result, heard);
        echo_close(&inner.world, &echo);
        world_close(&inner.world);
    }
}

/* Who waits holds no block, so any number may wait for the last one. */
static void lend_to_a_crowd_that_waits(struct scene *scene)
{
    struct echo echoes[MANY];
    for (int i = 0; i < MANY; i++) {
        echo_open(&scene->world, &echoes[i], make_pair);
        assert_int_equal(submit_lend(&scene->world, &echoes[i].probe, &echoes[i].descriptor),
                         WF_PENDING);
    }
    for (int i = MANY - 1; i >= 0; i--) {
        drain(&scene->world);
        peer_gives(echoes[i].peer, message, 20);
        say(scene, "%s", name_of(finish(&scene->world, &echoes[i].probe)));
        give_back(scene, &echoes[i].probe);
    }
    for (int i = 0; i < MANY; i++)
        echo_close(&scene->world, &echoes[i]);
}

/* More of them are served at once than there are blocks: so many get one, whoever they are; those
 * who are refused ask again when the others have given back. */
static void lend_to_a_crowd_at_once(struct scene *scene)
{
    for (size_t max = 1; max <= 4; max++) {
        struct scene inner;
        struct echo echoes[MANY];
        size_t lent = 0, refused = 0, again = 0;
        open_inner(scene, &inner, (struct wf_io_options){ .blocks_max = max });
        for (int i = 0; i < MANY; i++) {
            echo_open(&inner.world, &echoes[i], make_pair);
            assert_int_equal(submit_lend(&inner.world, &echoes[i].probe, &echoes[i].descriptor),
                             WF_PENDING);
        }
        drain(&inner.world);
        for (int i = 0; i < MANY; i++)
            peer_gives(echoes[i].peer, message, 20);
        for (int i = 0; i < MANY; i++) {
            int64_t result = finish(&inner.world, &echoes[i].probe);
            lent += result == 20;
            refused += result == -ENOBUFS;
        }
        for (int i = 0; i < MANY; i++)
            if (echoes[i].probe.result > 0)
                give_back(&inner, &echoes[i].probe);
        for (int i = 0; i < MANY; i++) {
            if (echoes[i].probe.result > 0)
                continue;
            again += lend(&inner, &echoes[i]) == 20;
            assert_memory_equal(echoes[i].probe.op.lend.data, message, 20);
            give_back(&inner, &echoes[i].probe);
        }
        say(scene, "of %zu: %zu, %zu refused, %zu again", max, lent, refused, again);
        for (int i = 0; i < MANY; i++)
            echo_close(&inner.world, &echoes[i]);
        world_close(&inner.world);
    }
}

/* A ring of 4 entries, and 16 completions: a submit that finds no entry hands the others over, a
 * ring that is full is emptied first. On epoll this is a crowd like any other. */

enum { CROWD = 48, ROUNDS = 70 };

struct member {
    struct echo echo;
    struct probe writer, poll;
    struct iovec vector;
    int ends[2];
};

struct crowd {
    struct scene *scene;
    struct member members[CROWD];
    long operations;
};

static void open_crowd(struct crowd *crowd, struct scene *scene)
{
    memset(crowd, 0, sizeof *crowd);
    crowd->scene = scene;
    for (int i = 0; i < CROWD; i++) {
        struct member *member = &crowd->members[i];
        echo_open(&scene->world, &member->echo, kinds[i % 2].make);
        assert_int_equal(pipe2(member->ends, O_NONBLOCK | O_CLOEXEC), 0);
    }
}

static void close_crowd(struct crowd *crowd)
{
    for (int i = 0; i < CROWD; i++) {
        echo_close(&crowd->scene->world, &crowd->members[i].echo);
        close(crowd->members[i].ends[0]);
        close(crowd->members[i].ends[1]);
    }
}

static bool lends(int i, int round)
{
    return (i + round) % 3 == 0;
}

/* Everybody waits for bytes, and for the pipe; every fifth gives up and begins anew. */
static void ask(struct crowd *crowd, int round)
{
    struct world *world = &crowd->scene->world;
    for (int i = 0; i < CROWD; i++) {
        struct member *member = &crowd->members[i];
        struct echo *echo = &member->echo;
        for (int again = (i + round) % 5 == 0; again >= 0; again--) {
            int64_t result = lends(i, round) ? submit_lend(world, &echo->probe, &echo->descriptor)
                                             : echo_recv(world, echo);
            assert_int_equal(result, WF_PENDING);
            if (again)
                assert_int_equal(give_up(crowd->scene, &echo->probe), -ECANCELED);
            crowd->operations++;
        }
        assert_int_equal(submit_poll(world, &member->poll, member->ends[0], WF_POLL_READ),
                         WF_PENDING);
        crowd->operations++;
    }
}

static void tell(struct crowd *crowd, int round)
{
    for (int i = 0; i < CROWD; i++) {
        char text[32];
        int size = snprintf(text, sizeof text, "%d of %d", i, round);
        peer_gives(crowd->members[i].echo.peer, text, (size_t)size);
        assert_int_equal(write(crowd->members[i].ends[1], "x", 1), 1);
    }
}

/* What each has heard is sent back. */
static uint32_t hear(struct crowd *crowd, int round)
{
    struct world *world = &crowd->scene->world;
    uint32_t sum = SUM_OF_NOTHING;
    for (int i = 0; i < CROWD; i++) {
        struct member *member = &crowd->members[i];
        struct echo *echo = &member->echo;
        char byte;
        int64_t size = finish(world, &echo->probe);
        assert_in_range(size, 6, 32);
        if (lends(i, round)) {
            memcpy(echo->data, echo->probe.op.lend.data, (size_t)size);
            give_back(crowd->scene, &echo->probe);
        }
        sum = sum_of(sum, echo->data, (size_t)size);
        member->vector = (struct iovec){ echo->data, (size_t)size };
        if (submit_send(world, &member->writer, &echo->descriptor, &member->vector, 1) ==
            WF_PENDING)
            member->writer.result = WF_PENDING;
        else
            member->writer.result = size;
        assert_int_equal(finish(world, &member->poll), WF_POLL_READ);
        assert_int_equal(read(member->ends[0], &byte, 1), 1);
        crowd->operations++;
    }
    return sum;
}

static void hear_back(struct crowd *crowd, int round)
{
    for (int i = 0; i < CROWD; i++) {
        struct member *member = &crowd->members[i];
        char text[32], heard[32];
        int64_t last, size = snprintf(text, sizeof text, "%d of %d", i, round);
        if (member->writer.result == WF_PENDING)
            finish(&crowd->scene->world, &member->writer);
        assert_int_equal(member->writer.result, size);
        assert_int_equal(peer_hears_all(member->echo.peer, heard, (size_t)size, &last), size);
        assert_memory_equal(heard, text, (size_t)size);
    }
}

static void carry_ten_thousand_operations(struct scene *scene)
{
    static struct crowd crowd;
    open_crowd(&crowd, scene);
    for (int round = 0; round < ROUNDS; round++) {
        ask(&crowd, round);
        tell(&crowd, round);
        uint32_t sum = hear(&crowd, round);
        hear_back(&crowd, round);
        say(scene, "round %d: %08x", round, sum);
    }
    say(scene, "%ld operations", crowd.operations);
    assert_true(crowd.operations >= 10000);
    close_crowd(&crowd);
}

/* The kernel takes no entries for a while. A cancel is made up for later, and does not hit whoever
 * waits at the same address by then. */

struct quitter {
    struct echo echo;
    bool gone, begun; /* by its cancel; anew */
    char heard[4];
};

static int64_t ask_for_a_byte(struct scene *scene, struct quitter *self)
{
    struct echo *echo = &self->echo;
    int64_t result = submit_recv(&scene->world, &echo->probe, &echo->descriptor, echo->data, 1);
    assert_true(result == 1 || result == WF_PENDING);
    return result;
}

static void begin_anew(struct scene *scene, struct quitter *self)
{
    int64_t result = self->gone ? -ECANCELED : finish(&scene->world, &self->echo.probe);
    assert_true(result == 1 || result == -ECANCELED);
    if (result == 1)
        strncat(self->heard, self->echo.data, 1);
    if (ask_for_a_byte(scene, self) == 1)
        self->echo.probe.result = self->echo.probe.calls = 1;
    self->begun = true;
}

static void hear_the_rest(struct scene *scene, struct quitter *self)
{
    int64_t result = finish(&scene->world, &self->echo.probe);
    for (;;) {
        assert_int_equal(result, 1);
        strncat(self->heard, self->echo.data, 1);
        if (*self->echo.data == 'b')
            break;
        result = settle(&scene->world, &self->echo.probe, ask_for_a_byte(scene, self));
    }
    say(scene, "%s", self->heard);
}

static void give_up_without_entries(struct scene *scene)
{
    static struct quitter all[MANY];
    struct wf_io_fault fault = {
        .kind = WF_FAULT_ENTER, .countdown = 1, .persistent = true, .error = EAGAIN
    };
    memset(all, 0, sizeof all);
    for (int i = 0; i < MANY; i++) {
        echo_open(&scene->world, &all[i].echo, make_pair);
        assert_int_equal(ask_for_a_byte(scene, &all[i]), WF_PENDING);
    }
    drain(&scene->world);
    wf_io_fault_set(&fault);
    for (int i = 0; i < MANY; i++) {
        all[i].gone = scene->world.ops->cancel(scene->world.io, &all[i].echo.probe.op);
        if (i % 2)
            peer_gives(all[i].echo.peer, "a", 1);
    }
    drain(&scene->world);
    wf_io_fault_set(NULL);
    for (int waits = 0; waits < 2; waits++) /* those who have ended first: before a wait */
        for (int i = 0; i < MANY; i++)
            if (!all[i].begun && (waits || !all[i].echo.probe.op.pending))
                begin_anew(scene, &all[i]);
    drain(&scene->world);
    for (int i = 0; i < MANY; i++) {
        peer_gives(all[i].echo.peer, "b", 1);
        hear_the_rest(scene, &all[i]);
        echo_close(&scene->world, &all[i].echo);
    }
}

/* Clients by such a ring: more at once than it has completions. */
static void accept_more_than_fit(struct scene *scene)
{
    enum { CLIENTS = 60 };
    for (int all = 0; all < 2; all++) {
        struct wf_descriptor listener;
        struct sockaddr_in address;
        struct probe probe = { 0 };
        int clients[CLIENTS], served = 0;
        attach_listener(&scene->world, &listener, &address);
        listener.takes_all = all;
        assert_int_equal(submit_accept(&scene->world, &probe, &listener), WF_PENDING);
        drain(&scene->world);
        for (int i = 0; i < CLIENTS; i++) {
            clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            assert_int_equal(connect(clients[i], (struct sockaddr *)&address, sizeof address), 0);
        }
        int64_t fd = finish(&scene->world, &probe);
        for (;;) {
            assert_true(fd >= 0);
            close((int)fd);
            if (++served == CLIENTS)
                break;
            fd = settle(&scene->world, &probe, submit_accept(&scene->world, &probe, &listener));
        }
        say(scene, "%d clients", served);
        for (int i = 0; i < CLIENTS; i++)
            close(clients[i]);
        release(scene, &listener);
    }
}

/* Signals: one every 100 us, without SA_RESTART, interrupts whatever waits, a ring's wait too. What
 * is said under them is what is said without. */

static volatile sig_atomic_t interrupts;

static void on_alarm(int number)
{
    (void)number;
    interrupts++;
}

static void set_storm(bool on)
{
    struct sigaction action = { .sa_handler = on ? on_alarm : SIG_IGN };
    const struct itimerval storm = { { 0, 100 }, { 0, 100 } }, quiet = { 0 };
    if (on)
        sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, on ? &storm : &quiet, NULL);
    if (!on)
        sigaction(SIGALRM, &action, NULL);
}

/* A peer in a thread of its own, which the signals do not reach, gives back what it takes, 1,000
 * bytes at a time: who waits for that sleeps, and is interrupted. */
static void *echo_back(void *argument)
{
    int fd = *(int *)argument;
    char data[1000];
    ssize_t size;
    while ((size = recv(fd, data, sizeof data, 0)) > 0)
        if (send(fd, data, (size_t)size, MSG_NOSIGNAL) != size)
            break;
    return NULL;
}

struct partner {
    struct wf_descriptor descriptor;
    int fd;
    pthread_t thread;
};

static void open_partner(struct scene *scene, struct partner *partner, const struct kind *kind)
{
    sigset_t alarms, before;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarms, &before);
    kind->make(&scene->world, &partner->descriptor, &partner->fd);
    fcntl(partner->fd, F_SETFL, 0);
    assert_int_equal(pthread_create(&partner->thread, NULL, echo_back, &partner->fd), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void converse(struct scene *scene, const struct kind *kind)
{
    struct world *world = &scene->world;
    struct partner partner;
    struct wf_descriptor *ours = &partner.descriptor;
    char data[3000], heard[sizeof data];
    int64_t last;
    open_partner(scene, &partner, kind);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7);
    for (int i = 0; i < 20; i++) {
        int64_t sent = send_all(scene, ours, data, sizeof data);
        size_t count =
            receive_all(scene, i % 2 ? receive : receive_lent, ours, heard, sizeof heard, &last);
        say(scene, "%s: %s and %zu bytes, %s", kind->name, name_of(sent), count,
            memcmp(heard, data, sizeof data) == 0 ? "in order" : "in another order");
    }
    struct probe poll = { 0 };
    int64_t ready = settle(world, &poll, submit_poll(world, &poll, partner.fd, WF_POLL_WRITE));
    shutdown(ours->fd, SHUT_WR);
    pthread_join(partner.thread, NULL);
    close(partner.fd);
    say(scene, "%s: readiness: %s, the end: %s", kind->name, name_of(ready),
        name_of(receive(scene, ours, heard, sizeof heard)));
    release(scene, ours);
}

static void meet(struct scene *scene)
{
    struct world *world = &scene->world;
    struct sockaddr_in address;
    struct wf_descriptor listener, client;
    struct probe connecting = { 0 }, accepting = { 0 };
    attach_listener(world, &listener, &address);
    attach(world, &client, make_tcp());
    int64_t accepted = submit_accept(world, &accepting, &listener);
    int64_t result = submit_connect(world, &connecting, &client, &address, sizeof address);
    say(scene, "connect: %s", name_of(settle(world, &connecting, result)));
    accepted = settle(world, &accepting, accepted);
    say(scene, "accept: %s", accepted >= 0 ? "a client" : name_of(accepted));
    close((int)accepted);
    release(scene, &client);
    release(scene, &listener);
}

static void talk(struct scene *scene)
{
    meet(scene);
    EACH_KIND(kind)
    converse(scene, kind);
}

static void talk_in_a_storm(struct scene *scene)
{
    static const unsigned entries[] = { 0, 4 };
    for (size_t i = 0; i < WF_ARRAY_SIZE(entries); i++) {
        struct scene calm, storm;
        open_inner(scene, &calm, (struct wf_io_options){ .entries = entries[i] });
        talk(&calm);
        world_close(&calm.world);
        interrupts = 0;
        set_storm(true);
        for (int round = 0; round < 3 || interrupts < 300; round++) {
            struct journal difference;
            journal_begin(&difference);
            open_inner(scene, &storm, (struct wf_io_options){ .entries = entries[i] });
            talk(&storm);
            world_close(&storm.world);
            if (journal_difference("calm", journal_text(&calm.journal), "storm",
                                   journal_text(&storm.journal), &difference))
                fail_msg("%s", journal_text(&difference));
            journal_end(&storm.journal);
        }
        set_storm(false);
        say(scene, "%s%u entries: no difference", journal_text(&calm.journal), entries[i]);
        journal_end(&calm.journal);
    }
}

static const struct scenario scenarios[] = {
    { .name = "lend to one after another",
      .play = lend_to_one_after_another,
      .expected =
          "of 1\n    10\n    -ENOBUFS\n    -ENOBUFS\n    -ENOBUFS\n    -ENOBUFS\n"
          "    -ENOBUFS\n    -ENOBUFS\n    -ENOBUFS\n"
          "    and 11\n    and 12\n    and 13\n    and 14\n    and 15\n    and 16\n    and 17\n"
          "of 2\n    10\n    11\n    -ENOBUFS\n"
          "...\n"
          "of 6\n    10\n    11\n    12\n    13\n    14\n    15\n    -ENOBUFS\n    -ENOBUFS\n"
          "    and 16\n    and 17\n" },
    { .name = "lend much to one",
      .play = lend_much_to_one,
      .expected = "of 1: 1, then -ENOBUFS\n    the rest: 7, the last\n"
                  "of 2: 2, then -ENOBUFS\n    the rest: 6, the last\n"
                  "of 3: 3, then -ENOBUFS\n    the rest: 5, the last\n"
                  "of 4: 4, then -ENOBUFS\n    the rest: 4, the last\n"
                  "of 5: 5, then -ENOBUFS\n    the rest: 3, the last\n"
                  "of 6: 6, then -ENOBUFS\n    the rest: 2, the last\n"
                  "of 7: 7, then -ENOBUFS\n    the rest: 1, the last\n"
                  "of 8: 8, then -ENOBUFS\n    the rest: 0, the last\n" },
    { .name = "lend to a crowd that waits",
      .play = lend_to_a_crowd_that_waits,
      .options.blocks_max = 1,
      .expected = "20\n20\n20\n20\n20\n20\n20\n20\n" },
    { .name = "lend to a crowd at once",
      .play = lend_to_a_crowd_at_once,
      .expected = "of 1: 1, 7 refused, 7 again\n"
                  "of 2: 2, 6 refused, 6 again\n"
                  "of 3: 3, 5 refused, 5 again\n"
                  "of 4: 4, 4 refused, 4 again\n" },
    { .name = "carry ten thousand operations",
      .play = carry_ten_thousand_operations,
      .options.entries = 4,
      .expected = "...\n"
                  "10752 operations\n" },
    { .name = "give up without entries",
      .play = give_up_without_entries,
      .options.entries = 4,
      .expected = "b\nab\nb\nab\nb\nab\nb\nab\n" },
    { .name = "accept more than fit",
      .play = accept_more_than_fit,
      .options.entries = 4,
      .expected = "60 clients\n60 clients\n" },
    { .name = "talk in a storm",
      .play = talk_in_a_storm,
      .expected = "connect: 0\n"
                  "accept: a client\n"
                  "unix: 3000 and 3000 bytes, in order\n"
                  "...\n"
                  "tcp: readiness: 2, the end: 0\n"
                  "0 entries: no difference\n"
                  "...\n"
                  "4 entries: no difference\n" },
};

int main(void)
{
    return conformance("conformance limit", scenarios, WF_ARRAY_SIZE(scenarios));
}
