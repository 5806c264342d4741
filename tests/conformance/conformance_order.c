/* Order: what is promised of operations that are under way together. The bytes of one descriptor
 * come in order, its two sides do not wait for each other, and done() may do what it likes. In
 * which order operations end that are not of one side of one descriptor is not promised. */

#include "conformance.h"

/* Both sides. */

struct sides {
    struct echo echo;
    struct probe writer;
    struct iovec vector;
    char data[16];
    size_t queued; /* for the peer to take */
};

static void open_sides(struct scene *scene, struct sides *sides, const struct kind *kind)
{
    memset(sides, 0, sizeof *sides);
    sides->vector = (struct iovec){ sides->data, sizeof sides->data };
    echo_open(&scene->world, &sides->echo, kind->make);
    sides->queued = fill(scene, &sides->echo.descriptor);
    assert_int_equal(echo_recv(&scene->world, &sides->echo), WF_PENDING);
    assert_int_equal(
        submit_send(&scene->world, &sides->writer, &sides->echo.descriptor, &sides->vector, 1),
        WF_PENDING);
    drain(&scene->world);
}

static void wait_with_both_sides(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct sides sides;
        open_sides(scene, &sides, kind);
        peer_gives(sides.echo.peer, "hello", 5);
        say(scene, "%s: the reader: %s", kind->name,
            name_of(finish(&scene->world, &sides.echo.probe)));
        if (kind->stays_full)
            say(scene, "%s: the writer: %s", kind->name,
                sides.writer.op.pending ? "waits" : "ended");
        assert_int_equal(echo_recv(&scene->world, &sides.echo), WF_PENDING);
        peer_takes(sides.echo.peer, sides.queued);
        int64_t result = finish(&scene->world, &sides.writer);
        say(scene, "%s: the writer: %s", kind->name, result > 0 ? "some" : name_of(result));
        say(scene, "%s: the reader: %s", kind->name,
            sides.echo.probe.op.pending ? "waits" : "ended");
        echo_close(&scene->world, &sides.echo);
    }
}

/* What both wait for happens before anybody looks. */
static void serve_both_sides_at_once(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct sides sides;
        open_sides(scene, &sides, kind);
        peer_takes(sides.echo.peer, sides.queued);
        peer_gives(sides.echo.peer, "hello", 5);
        int64_t heard = finish(&scene->world, &sides.echo.probe);
        int64_t sent = finish(&scene->world, &sides.writer);
        say(scene, "%s: the reader: %s, the writer: %s", kind->name, name_of(heard),
            sent > 0 ? "some" : name_of(sent));
        echo_close(&scene->world, &sides.echo);
    }
}

/* A reset is told to whoever looks first, and who that is is not promised; the other one hears what
 * is left: the reader of an end, the writer that nobody reads. A Unix socket tells its reader. */
static void reset_both_sides(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct sides sides;
        open_sides(scene, &sides, kind);
        peer_resets(sides.echo.peer);
        sides.echo.peer = -1;
        int64_t heard = finish(&scene->world, &sides.echo.probe);
        int64_t sent = finish(&scene->world, &sides.writer);
        bool reader_first = heard == -ECONNRESET && sent == -EPIPE;
        bool writer_first = heard == 0 && sent == -ECONNRESET;
        if (reader_first || (writer_first && kind->make != make_pair))
            say(scene, "%s: one hears of the reset, the other that it is over", kind->name);
        else
            say(scene, "%s: %s, %s", kind->name, name_of(heard), name_of(sent));
        say(scene, "%s: again: %s, %s", kind->name,
            name_of(receive(scene, &sides.echo.descriptor, sides.data, 1)),
            name_of(send_some(scene, &sides.echo.descriptor, sides.data, 1)));
        echo_close(&scene->world, &sides.echo);
    }
}

/* Both directions of one connection, as fast as they go, each side's next operation asked for when
 * the last one is done: each byte once, in order. */

enum { MUCH = 300000, PART = 1000 };

struct half {
    struct scene *scene;
    struct wf_descriptor *descriptor;
    struct probe probe;
    struct iovec vector;
    char *data;
    size_t done;
};

static void go_on_sending(struct half *half)
{
    while (half->done < MUCH) {
        half->vector = (struct iovec){ half->data + half->done, MUCH - half->done };
        int64_t result =
            submit_send(&half->scene->world, &half->probe, half->descriptor, &half->vector, 1);
        if (result == WF_PENDING)
            return;
        assert_in_range(result, 1, MUCH - half->done);
        half->done += (size_t)result;
    }
}

static void sent(struct probe *probe)
{
    struct half *half = probe->with;
    assert_in_range(probe->result, 1, MUCH - half->done);
    half->done += (size_t)probe->result;
    go_on_sending(half);
}

static void go_on_receiving(struct half *half)
{
    while (half->done < MUCH) {
        size_t left = MUCH - half->done;
        int64_t result = submit_recv(&half->scene->world, &half->probe, half->descriptor,
                                     half->data + half->done, left < PART ? left : PART);
        if (result == WF_PENDING)
            return;
        assert_in_range(result, 1, PART);
        half->done += (size_t)result;
    }
}

static void received(struct probe *probe)
{
    struct half *half = probe->with;
    assert_in_range(probe->result, 1, PART);
    half->done += (size_t)probe->result;
    go_on_receiving(half);
}

static void begin_half(struct half *half, struct scene *scene, struct wf_descriptor *descriptor,
                       char *data, void (*then)(struct probe *))
{
    *half = (struct half){ .scene = scene, .descriptor = descriptor, .data = data };
    half->probe.then = then;
    half->probe.with = half;
    if (then == sent)
        go_on_sending(half);
    else
        go_on_receiving(half);
}

static void exchange_much_both_ways(struct scene *scene)
{
    static char out[2][MUCH], in[2][MUCH];
    for (size_t i = 0; i < MUCH; i++) {
        out[0][i] = (char)(i * 31 + i / 777);
        out[1][i] = (char)(i * 17 + i / 555);
    }
    EACH_KIND(kind)
    {
        struct wf_descriptor ends[2];
        struct half halves[4];
        int peer;
        memset(in, 0, sizeof in);
        kind->make(&scene->world, &ends[0], &peer);
        fcntl(peer, F_SETFL, O_NONBLOCK);
        attach(&scene->world, &ends[1], peer);
        for (int i = 0; i < 2; i++) {
            begin_half(&halves[i], scene, &ends[i], in[i], received);
            begin_half(&halves[2 + i], scene, &ends[i], out[i], sent);
        }
        for (int i = 0; i < 4; i++)
            while (halves[i].done < MUCH)
                scene->world.ops->wait(scene->world.io, PATIENCE);
        for (int i = 0; i < 2; i++)
            say(scene, "%s: %zu bytes, %s", kind->name, halves[i].done,
                memcmp(in[i], out[1 - i], MUCH) == 0 ? "in order" : "in another order");
        release(scene, &ends[0]);
        release(scene, &ends[1]);
    }
}

/* What done() does. */

/* One that ends another one in the same batch: what that one has had is reported, and what it has
 * not is there for who asks next. Both ways round, because nobody knows who is first. */
struct rivals {
    struct scene *scene;
    struct echo echoes[2];
    int64_t ends[2];
};

static void end_the_other(struct probe *probe)
{
    struct rivals *rivals = probe->with;
    struct echo *other = &rivals->echoes[probe == &rivals->echoes[0].probe];
    const struct world *world = &rivals->scene->world;
    if (other->probe.op.pending && world->ops->cancel(world->io, &other->probe.op)) {
        other->probe.calls = 1;
        other->probe.result = -ECANCELED;
    }
}

static void end_one_another(struct scene *scene)
{
    EACH_KIND(kind)
    {
        for (int lends = 0; lends < 2; lends++) {
            struct rivals rivals = { .scene = scene };
            char heard[2] = { 0 };
            for (int i = 0; i < 2; i++) {
                struct echo *echo = &rivals.echoes[i];
                echo_open(&scene->world, echo, kind->make);
                assert_int_equal(lends ? submit_lend(&scene->world, &echo->probe, &echo->descriptor)
                                       : echo_recv(&scene->world, echo),
                                 WF_PENDING);
                echo->probe.then = end_the_other;
                echo->probe.with = &rivals;
            }
            drain(&scene->world);
            for (int i = 0; i < 2; i++)
                peer_gives(rivals.echoes[i].peer, i ? "b" : "a", 1);
            for (int i = 0; i < 2; i++) {
                struct echo *echo = &rivals.echoes[i];
                int64_t result = finish(&scene->world, &echo->probe);
                if (result == -ECANCELED)
                    result = receive(scene, &echo->descriptor, &heard[i], 1);
                else if (lends)
                    heard[i] = *echo->probe.op.lend.data;
                else
                    heard[i] = *echo->data;
                if (lends && echo->probe.result > 0)
                    scene->world.ops->lend_return(scene->world.io, echo->probe.op.lend.data);
                assert_int_equal(result, 1);
            }
            say(scene, "%s, %s: %c and %c", kind->name, lends ? "lent" : "own", heard[0], heard[1]);
            for (int i = 0; i < 2; i++)
                echo_close(&scene->world, &rivals.echoes[i]);
        }
    }
}

/* One that releases itself, and takes in another one, which gets its number: it hears its own bytes
 * alone, however many the old one had coming. */
struct heir {
    struct scene *scene;
    struct echo old;
    struct wf_descriptor young;
    int young_peer;
};

static void make_way(struct probe *probe)
{
    struct heir *heir = probe->with;
    int number = heir->old.descriptor.fd, fds[2];
    release(heir->scene, &heir->old.descriptor);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    int young = fds[0] == number || fds[1] == number ? number : dup3(fds[0], number, O_CLOEXEC);
    assert_int_equal(young, number);
    heir->young_peer = fds[1] == number ? fds[0] : fds[1];
    if (fds[0] != number && fds[1] != number)
        close(fds[0]);
    attach(&heir->scene->world, &heir->young, young);
}

static void release_oneself(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct heir heir = { .scene = scene };
        char data[8] = { 0 };
        echo_open(&scene->world, &heir.old, kind->make);
        assert_int_equal(echo_recv(&scene->world, &heir.old), WF_PENDING);
        heir.old.probe.then = make_way;
        heir.old.probe.with = &heir;
        drain(&scene->world);
        peer_gives(heir.old.peer, "to the old one", 14);
        say(scene, "%s: old: %s", kind->name, name_of(finish(&scene->world, &heir.old.probe)));
        (void)send(heir.old.peer, "more", 4,
                   MSG_NOSIGNAL); /* it may know already that it is over */
        drain(&scene->world);
        peer_gives(heir.young_peer, "young", 5);
        int64_t result = receive(scene, &heir.young, data, sizeof data);
        say(scene, "%s: young: %s %s", kind->name, name_of(result), data);
        release(scene, &heir.young);
        close(heir.young_peer);
        close(heir.old.peer);
    }
}

/* Who asks again from done() is served by a later wait: one wait ends. */
struct insatiable {
    struct scene *scene;
    struct echo echo;
    int count;
};

static void ask_again(struct probe *probe)
{
    struct insatiable *self = probe->with;
    self->count += (int)probe->result;
    while (self->count < 1000) {
        int64_t result =
            submit_recv(&self->scene->world, probe, &self->echo.descriptor, self->echo.data, 1);
        if (result == WF_PENDING)
            return;
        assert_int_equal(result, 1);
        self->count++;
    }
}

static void ask_again_when_done(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct insatiable self = { .scene = scene };
        char data[1000];
        echo_open(&scene->world, &self.echo, kind->make);
        self.echo.probe.then = ask_again;
        self.echo.probe.with = &self;
        assert_int_equal(
            submit_recv(&scene->world, &self.echo.probe, &self.echo.descriptor, self.echo.data, 1),
            WF_PENDING);
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (char)i;
        peer_gives(self.echo.peer, data, sizeof data);
        while (self.count < 1000)
            scene->world.ops->wait(scene->world.io, PATIENCE);
        say(scene, "%s: %d bytes, the last one %d", kind->name, self.count,
            (unsigned char)*self.echo.data);
        echo_close(&scene->world, &self.echo);
    }
}

/* Many are served by one wait and answer in one go, which a driver may gather: each has its own
 * result, by one piece and by several, from a socket that is full, from one whose peer has gone or
 * that has ended its own half, under a fault. (An ENOMEM is left out: what gathers has a second way
 * then.) SIGPIPE is as it is by default: a ring's sends raise none unasked, the others must be told
 * not to, and that these differ is the trap. */

enum { ANSWERERS = 24 };

enum answer { ONE_PIECE, TWO_PIECES, EMPTY_FIRST, FULL, NOBODY_READS, OWN_END, FAULTY, ANSWERS };

struct answerer {
    struct echo echo;
    struct probe writer;
    struct iovec vector[2];
    int64_t result;
    size_t stuffed;
    enum answer answer;
};

static void begin_answer(struct scene *scene, struct answerer *self)
{
    static char text[] = "answer";
    struct wf_io_fault fault = { .kind = WF_FAULT_SEND, .countdown = 1, .error = ETIMEDOUT };
    int count = self->answer == TWO_PIECES || self->answer == EMPTY_FIRST ? 2 : 1;
    self->vector[0] = (struct iovec){ text, count == 1 ? 6 : (self->answer == TWO_PIECES ? 2 : 0) };
    self->vector[1] = (struct iovec){ text + self->vector[0].iov_len, 6 - self->vector[0].iov_len };
    wf_io_fault_set(self->answer == FAULTY ? &fault : NULL);
    self->result =
        submit_send(&scene->world, &self->writer, &self->echo.descriptor, self->vector, count);
    wf_io_fault_set(NULL);
}

/* The peer reads until it has all of the answer, which may have come in parts. */
static void end_answer(struct scene *scene, struct answerer *self, int number)
{
    static const char *const names[] = { "one piece", "two pieces",   "an empty one first",
                                         "full",      "nobody reads", "its own end",
                                         "a fault" };
    char heard[8] = { 0 };
    int64_t last;
    peer_takes(self->echo.peer, self->stuffed);
    int64_t result = settle(&scene->world, &self->writer, self->result);
    if (result > 0) {
        size_t sent = (size_t)result;
        assert_in_range(sent, 1, 6);
        assert_int_equal(send_all(scene, &self->echo.descriptor, &"answer"[sent], 6 - sent),
                         6 - sent);
        assert_int_equal(peer_hears_all(self->echo.peer, heard, 6, &last), 6);
    }
    say(scene, "%d, %s: %s%s", number, names[self->answer], result > 0 ? "the peer hears " : "",
        result > 0 ? heard : name_of(result));
}

static void open_answerer(struct scene *scene, struct answerer *self, int number)
{
    memset(self, 0, sizeof *self);
    self->answer = (enum answer)(number % ANSWERS);
    echo_open(&scene->world, &self->echo, number % 2 ? make_pair : make_prompt_tcp_pair);
    if (self->answer == FULL)
        self->stuffed = fill(scene, &self->echo.descriptor);
    assert_int_equal(echo_recv(&scene->world, &self->echo), WF_PENDING);
}

static void answer_a_crowd(struct scene *scene)
{
    static struct answerer crowd[ANSWERERS];
    for (int i = 0; i < ANSWERERS; i++)
        open_answerer(scene, &crowd[i], i);
    drain(&scene->world);
    for (int i = 0; i < ANSWERERS; i++) {
        peer_gives(crowd[i].echo.peer, "call", 4);
        if (crowd[i].answer == NOBODY_READS)
            peer_resets(crowd[i].echo.peer);
        if (crowd[i].answer == OWN_END)
            shutdown(crowd[i].echo.descriptor.fd, SHUT_WR);
    }
    for (int i = 0; i < ANSWERERS; i++)
        finish(&scene->world, &crowd[i].echo.probe);
    for (int i = 0; i < ANSWERERS; i++)
        begin_answer(scene, &crowd[i]);
    for (int i = 0; i < ANSWERERS; i++)
        end_answer(scene, &crowd[i], i);
    for (int i = 0; i < ANSWERERS; i++) {
        if (crowd[i].answer == NOBODY_READS)
            crowd[i].echo.peer = -1;
        echo_close(&scene->world, &crowd[i].echo);
    }
}

static const struct scenario scenarios[] = {
    { .name = "wait with both sides",
      .play = wait_with_both_sides,
      .expected = "unix: the reader: 5\n"
                  "unix: the writer: waits\n"
                  "unix: the writer: some\n"
                  "unix: the reader: waits\n"
                  "tcp: the reader: 5\n"
                  "tcp: the writer: some\n"
                  "tcp: the reader: waits\n" },
    { .name = "serve both sides at once",
      .play = serve_both_sides_at_once,
      .expected = "unix: the reader: 5, the writer: some\n"
                  "tcp: the reader: 5, the writer: some\n" },
    { .name = "reset both sides",
      .play = reset_both_sides,
      .expected = "unix: one hears of the reset, the other that it is over\n"
                  "unix: again: 0, -EPIPE\n"
                  "tcp: one hears of the reset, the other that it is over\n"
                  "tcp: again: 0, -EPIPE\n" },
    { .name = "exchange much both ways",
      .play = exchange_much_both_ways,
      .expected = "unix: 300000 bytes, in order\n"
                  "unix: 300000 bytes, in order\n"
                  "tcp: 300000 bytes, in order\n"
                  "tcp: 300000 bytes, in order\n" },
    { .name = "end one another",
      .play = end_one_another,
      .expected = "unix, own: a and b\n"
                  "unix, lent: a and b\n"
                  "tcp, own: a and b\n"
                  "tcp, lent: a and b\n" },
    { .name = "release oneself",
      .play = release_oneself,
      .expected = "unix: old: 14\n"
                  "unix: young: 5 young\n"
                  "tcp: old: 14\n"
                  "tcp: young: 5 young\n" },
    { .name = "answer a crowd",
      .play = answer_a_crowd,
      .expected = "0, one piece: the peer hears answer\n"
                  "1, two pieces: the peer hears answer\n"
                  "2, an empty one first: the peer hears answer\n"
                  "3, full: the peer hears answer\n"
                  "4, nobody reads: -ECONNRESET\n"
                  "5, its own end: -EPIPE\n"
                  "6, a fault: -ETIMEDOUT\n"
                  "...\n"
                  "10, full: the peer hears answer\n"
                  "11, nobody reads: -EPIPE\n"
                  "12, its own end: -EPIPE\n"
                  "13, a fault: -ETIMEDOUT\n"
                  "...\n" },
    { .name = "ask again when done",
      .play = ask_again_when_done,
      .expected = "unix: 1000 bytes, the last one 231\n"
                  "tcp: 1000 bytes, the last one 231\n" },
};

int main(void)
{
    return conformance("conformance order", scenarios, WF_ARRAY_SIZE(scenarios));
}
