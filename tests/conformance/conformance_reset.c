/* How connections end: the peer's reset at every byte of a message, read or sent; each side closing
 * its half at each of a few points, in either order. Hazards 6 and 7 of the checklist.
 *
 * SIGPIPE stays as it is by default: no send may raise it. */

#include "conformance.h"

static void reset(struct echo *echo)
{
    peer_resets(echo->peer);
    echo->peer = -1;
}

/* What we hear after `count` bytes that we have heard: the rest, an error, the end, and that nobody
 * reads. */
static void say_the_rest(struct scene *scene, struct echo *echo, receive_fn *receive_some,
                         size_t size, const char *what, size_t count)
{
    char data[MESSAGE];
    int64_t last;
    do {
        last = receive_some(scene, &echo->descriptor, data, size);
        if (last > 0)
            assert_memory_equal(data, message + count, (size_t)last);
        count += last > 0 ? (size_t)last : 0;
    } while (last > 0);
    int64_t end = receive_some(scene, &echo->descriptor, data, 1);
    int64_t sent = send_some(scene, &echo->descriptor, "x", 1);
    say(scene, "%s: %zu, %s, %s, %s", what, count, name_of(last), name_of(end), name_of(sent));
}

static void open_talk(struct scene *scene, struct echo *echo, const struct kind *kind)
{
    echo_open(&scene->world, echo, kind->make);
    if (kind->make == make_pair) /* for the peer not to read */
        assert_int_equal(send_some(scene, &echo->descriptor, "?", 1), 1);
}

/* Nobody reads until all is over. */
static void reset_before_it_is_read(struct scene *scene)
{
    static const struct {
        const char *name;
        receive_fn *receive;
        size_t size;
    } ways[] = { { "whole", receive, MESSAGE },
                 { "by 7", receive, 7 },
                 { "lent", receive_lent, MESSAGE } };
    EACH_KIND(kind)
    {
        for (size_t i = 0; i < WF_ARRAY_SIZE(ways); i++) {
            for (size_t k = 0; k <= MESSAGE; k++) {
                struct echo echo;
                char what[32];
                open_talk(scene, &echo, kind);
                if (k > 0)
                    peer_gives(echo.peer, message, k);
                reset(&echo);
                snprintf(what, sizeof what, "%s, %s, %zu", kind->name, ways[i].name, k);
                say_the_rest(scene, &echo, ways[i].receive, ways[i].size, what, 0);
                echo_close(&scene->world, &echo);
            }
        }
    }
}

/* A receive waits all along: for the bytes, and then for what is behind them. */
static void reset_while_it_is_read(struct scene *scene)
{
    EACH_KIND(kind)
    {
        for (size_t k = 0; k <= MESSAGE; k++) {
            struct echo echo;
            char what[32];
            open_talk(scene, &echo, kind);
            assert_int_equal(echo_recv(&scene->world, &echo), WF_PENDING);
            drain(&scene->world);
            if (k > 0) {
                peer_gives(echo.peer, message, k);
                assert_int_equal(finish(&scene->world, &echo.probe), k);
                assert_memory_equal(echo.data, message, k);
                assert_int_equal(echo_recv(&scene->world, &echo), WF_PENDING);
            }
            if (k % 2)
                drain(&scene->world);
            reset(&echo);
            assert_int_equal(finish(&scene->world, &echo.probe), -ECONNRESET);
            snprintf(what, sizeof what, "%s, %zu", kind->name, k);
            say_the_rest(scene, &echo, receive, MESSAGE, what, k);
            echo_close(&scene->world, &echo);
        }
    }
}

/* We send the message; the peer reads so much of it. A Unix peer that has read all just ends. */
static void reset_while_it_is_sent(struct scene *scene)
{
    EACH_KIND(kind)
    {
        for (size_t k = 0; k <= MESSAGE; k++) {
            struct echo echo;
            char heard[MESSAGE], what[32];
            int64_t last;
            echo_open(&scene->world, &echo, kind->make);
            assert_int_equal(send_all(scene, &echo.descriptor, message, MESSAGE), MESSAGE);
            assert_int_equal(peer_hears_all(echo.peer, heard, k, &last), k);
            assert_memory_equal(heard, message, k);
            reset(&echo);
            snprintf(what, sizeof what, "%s, %zu", kind->name, k);
            say_the_rest(scene, &echo, receive, MESSAGE, what, 0);
            echo_close(&scene->world, &echo);
        }
    }
}

/* The reset meets a send that waits for room: who asks first is told of it. */
static void reset_a_send_that_waits(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct echo echo;
        struct iovec vector = { (char[]){ "x" }, 1 };
        echo_open(&scene->world, &echo, kind->make);
        fill(scene, &echo.descriptor);
        int64_t result = submit_send(&scene->world, &echo.probe, &echo.descriptor, &vector, 1);
        assert_int_equal(result, WF_PENDING);
        reset(&echo);
        while ((result = settle(&scene->world, &echo.probe, result)) > 0) /* TCP had found room */
            result = submit_send(&scene->world, &echo.probe, &echo.descriptor, &vector, 1);
        char data[1];
        say(scene, "%s: %s, then %s", kind->name, name_of(result),
            name_of(send_some(scene, &echo.descriptor, "x", 1)));
        int64_t heard = receive(scene, &echo.descriptor, data, 1);
        say(scene, "%s: heard: %s", kind->name, name_of(heard));
        echo_close(&scene->world, &echo);
    }
}

/* Halves. */

struct side {
    struct wf_descriptor descriptor;
    struct probe reader;
    char data[2 * MESSAGE];
    size_t heard;
};

static void begin_side(struct scene *scene, struct side *side, bool waits)
{
    side->reader = (struct probe){ 0 };
    side->heard = 0;
    if (waits)
        assert_int_equal(submit_recv(&scene->world, &side->reader, &side->descriptor, side->data,
                                     sizeof side->data),
                         WF_PENDING);
}

/* The first receive may be under way. */
static int64_t hear_all(struct scene *scene, struct side *side)
{
    int64_t result = side->reader.op.pending || side->reader.calls > 0
                         ? finish(&scene->world, &side->reader)
                         : receive(scene, &side->descriptor, side->data, sizeof side->data);
    side->reader.calls = 0;
    while (result > 0) {
        side->heard += (size_t)result;
        result = receive(scene, &side->descriptor, side->data + side->heard,
                         sizeof side->data - side->heard);
    }
    assert_memory_equal(side->data, message, side->heard);
    return result;
}

static void end_side(struct scene *scene, struct side *side, size_t size)
{
    assert_int_equal(send_all(scene, &side->descriptor, message, size), size);
    assert_int_equal(shutdown(side->descriptor.fd, SHUT_WR), 0);
}

enum order { ONE_AFTER_ANOTHER, AT_ONCE };

static void close_halves(struct scene *scene, struct side *first, struct side *second,
                         enum order order, size_t one, size_t two)
{
    int64_t first_end, second_end;
    end_side(scene, first, one);
    if (order == ONE_AFTER_ANOTHER) {
        second_end = hear_all(scene, second);
        drain(&scene->world);
        if (first->reader.op.pending) /* its own end is not its peer's */
            say(scene, "    who has closed its half waits");
        end_side(scene, second, two);
    } else {
        end_side(scene, second, two);
        second_end = hear_all(scene, second);
    }
    first_end = hear_all(scene, first);
    say(scene, "    %zu, %s and %zu, %s", second->heard, name_of(second_end), first->heard,
        name_of(first_end));
    say(scene, "    %s and %s", name_of(send_some(scene, &first->descriptor, "x", 1)),
        name_of(send_some(scene, &second->descriptor, "x", 1)));
}

static void open_sides(struct scene *scene, const struct kind *kind, struct side *a, struct side *b,
                       bool waits)
{
    int peer;
    kind->make(&scene->world, &a->descriptor, &peer);
    fcntl(peer, F_SETFL, O_NONBLOCK);
    attach(&scene->world, &b->descriptor, peer);
    begin_side(scene, a, waits);
    begin_side(scene, b, waits);
}

static void close_each_half(struct scene *scene)
{
    static const size_t points[] = { 0, 1, 32, MESSAGE };
    EACH_KIND(kind)
    {
        for (int i = 0; i < 16 * 8; i++) {
            struct side a, b;
            size_t one = points[i % 4], two = points[i / 4 % 4];
            bool waits = i & 16, b_first = i & 32;
            enum order order = i & 64 ? AT_ONCE : ONE_AFTER_ANOTHER;
            open_sides(scene, kind, &a, &b, waits);
            say(scene, "%s, %s%s, %s: %zu and %zu", kind->name,
                b_first ? "the second" : "the first", waits ? " waits" : "",
                order == AT_ONCE ? "at once" : "one after another", one, two);
            close_halves(scene, b_first ? &b : &a, b_first ? &a : &b, order, one, two);
            release(scene, &a.descriptor);
            release(scene, &b.descriptor);
        }
    }
}

/* After our half is closed the peer may still reset, at any byte. */
static void reset_after_a_half(struct scene *scene)
{
    for (size_t k = 0; k <= MESSAGE; k += 8) {
        struct echo echo;
        char what[32];
        echo_open(&scene->world, &echo, make_prompt_tcp_pair);
        shutdown(echo.descriptor.fd, SHUT_WR);
        if (k > 0)
            peer_gives(echo.peer, message, k);
        reset(&echo);
        snprintf(what, sizeof what, "%zu", k);
        say_the_rest(scene, &echo, receive, MESSAGE, what, 0);
        echo_close(&scene->world, &echo);
    }
}

static const struct scenario scenarios[] = {
    { .name = "reset before it is read",
      .play = reset_before_it_is_read,
      .expected = "unix, whole, 0: 0, -ECONNRESET, 0, -EPIPE\n"
                  "unix, whole, 1: 1, -ECONNRESET, 0, -EPIPE\n"
                  "...\n"
                  "tcp, whole, 64: 64, -ECONNRESET, 0, -EPIPE\n"
                  "tcp, by 7, 0: 0, -ECONNRESET, 0, -EPIPE\n"
                  "...\n"
                  "tcp, lent, 63: 63, -ECONNRESET, 0, -EPIPE\n"
                  "tcp, lent, 64: 64, -ECONNRESET, 0, -EPIPE\n" },
    { .name = "reset while it is read",
      .play = reset_while_it_is_read,
      .expected = "unix, 0: 0, 0, 0, -EPIPE\n"
                  "unix, 1: 1, 0, 0, -EPIPE\n"
                  "...\n"
                  "tcp, 33: 33, 0, 0, -EPIPE\n"
                  "...\n"
                  "tcp, 64: 64, 0, 0, -EPIPE\n" },
    { .name = "reset while it is sent",
      .play = reset_while_it_is_sent,
      .expected = "unix, 0: 0, -ECONNRESET, 0, -EPIPE\n"
                  "...\n"
                  "unix, 63: 0, -ECONNRESET, 0, -EPIPE\n"
                  "unix, 64: 0, 0, 0, -EPIPE\n"
                  "tcp, 0: 0, -ECONNRESET, 0, -EPIPE\n"
                  "...\n"
                  "tcp, 64: 0, -ECONNRESET, 0, -EPIPE\n" },
    { .name = "reset a send that waits",
      .play = reset_a_send_that_waits,
      .expected = "unix: -EPIPE, then -EPIPE\n"
                  "unix: heard: -ECONNRESET\n"
                  "tcp: -ECONNRESET, then -EPIPE\n"
                  "tcp: heard: 0\n" },
    { .name = "close each half",
      .play = close_each_half,
      .expected = "unix, the first, one after another: 0 and 0\n"
                  "    0, 0 and 0, 0\n"
                  "    -EPIPE and -EPIPE\n"
                  "...\n"
                  "unix, the first waits, one after another: 1 and 32\n"
                  "    who has closed its half waits\n"
                  "    1, 0 and 32, 0\n"
                  "    -EPIPE and -EPIPE\n"
                  "...\n"
                  "tcp, the second waits, at once: 64 and 64\n"
                  "    64, 0 and 64, 0\n"
                  "    -EPIPE and -EPIPE\n" },
    { .name = "reset after a half",
      .play = reset_after_a_half,
      .expected = "0: 0, -ECONNRESET, 0, -EPIPE\n"
                  "8: 8, -ECONNRESET, 0, -EPIPE\n"
                  "...\n"
                  "64: 64, -ECONNRESET, 0, -EPIPE\n" },
};

int main(void)
{
    return conformance("conformance reset", scenarios, WF_ARRAY_SIZE(scenarios));
}
