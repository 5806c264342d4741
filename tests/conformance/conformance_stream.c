/* Streams, where a single operation shows too little: what they promise is the same on each driver.
 * The driver that a scenario is given stands by; each loop opens one of the same kind. */

#include "conformance.h"

#include "net/stream.h"

#include <weft/scope.h>
#include <weft/stream.h>

/* Two ends. */

struct ends {
    weft_stream *a, *b;
};

static const char *name_at(int place)
{
    return place ? "unix" : "tcp";
}

/* Where this run listens: nobody else's client comes. */
static const char *address_of(int place)
{
    static char text[64];
    struct in_addr host = own_address().sin_addr;
    if (place)
        snprintf(text, sizeof text, "unix:/tmp/weft-conformance-%d", (int)getpid());
    else
        snprintf(text, sizeof text, "%s:0", inet_ntoa(host));
    return text;
}

static void open_ends(struct ends *ends, int place)
{
    weft_listener *listener;
    assert_int_equal(weft_listen(&listener, address_of(place)), 0);
    assert_int_equal(weft_connect(&ends->a, weft_listener_address(listener)), 0);
    assert_int_equal(weft_accept(listener, &ends->b), 0);
    assert_int_equal(weft_listener_close(listener), 0);
}

static void close_ends(struct ends *ends)
{
    assert_int_equal(weft_close(ends->a), 0);
    assert_int_equal(weft_close(ends->b), 0);
}

static void give(weft_stream *to, const void *data, size_t size)
{
    assert_int_equal(weft_write(to, data, size), 0);
    assert_int_equal(weft_flush(to), 0);
}

/* Until the end or an error, which it returns: how many bytes of the message. */
static ssize_t hear_all(weft_stream *from, size_t *count)
{
    char data[2 * MESSAGE];
    ssize_t n;
    *count = 0;
    while ((n = weft_read(from, data + *count, sizeof data - *count)) > 0)
        *count += (size_t)n;
    assert_memory_equal(data, message, *count);
    return n;
}

/* Halves: each side ends its own at each of a few points, in either order. */

static void close_halves(struct scene *scene, int place, size_t one, size_t two, bool at_once)
{
    struct ends ends;
    size_t a, b;
    open_ends(&ends, place);
    give(ends.a, message, one);
    assert_int_equal(weft_shutdown_write(ends.a), 0);
    ssize_t b_end = at_once ? 0 : hear_all(ends.b, &b);
    give(ends.b, message, two);
    assert_int_equal(weft_shutdown_write(ends.b), 0);
    b_end = at_once ? hear_all(ends.b, &b) : b_end;
    ssize_t a_end = hear_all(ends.a, &a);
    say(scene, "%s, %s, %zu and %zu: %zu, %s and %zu, %s, then %s and %s", name_at(place),
        at_once ? "at once" : "one after another", one, two, b, name_of(b_end), a, name_of(a_end),
        name_of(weft_write(ends.a, "x", 1)), name_of(weft_write(ends.b, "x", 1)));
    close_ends(&ends);
}

static int run_halves(void *arg)
{
    static const size_t points[] = { 0, 1, 32, MESSAGE };
    for (int i = 0; i < 64; i++)
        close_halves(arg, i >> 5, points[i % 4], points[i / 4 % 4], i & 16);
    return 0;
}

static void close_each_half(struct scene *scene)
{
    scene_run(scene, run_halves);
}

/* A reset behind each byte of a message, for each way to read it. What came before it can be read,
 * but for bytes that were on their way; here they have come. */
static int run_resets(void *arg)
{
    struct scene *scene = arg;
    for (int way = 0; way < 3; way++) {
        for (size_t k = 0; k <= MESSAGE; k++) {
            struct ends ends;
            char data[MESSAGE + 1];
            open_ends(&ends, 0);
            give(ends.a, message, k);
            while (way == 2 && weft_buffer_readable(weft_stream_input(ends.b)) < k)
                assert_true(weft_fill(ends.b) > 0);
            while (ends.a->ops->in_flight(ends.a) > 0)
                weft_sleep(0);
            weft_abort(ends.a);
            size_t count = 0;
            ssize_t result = way == 1 ? weft_read_exact(ends.b, data, MESSAGE + 1) : 1;
            ssize_t last = hear_all(ends.b, &count);
            say(scene, "%s %zu: %s%s%zu, %s, %s",
                way == 0 ? "read" : (way == 1 ? "exact" : "ahead"), k,
                way == 1 ? name_of(result) : "", way == 1 ? ", " : "", count, name_of(last),
                name_of(weft_read(ends.b, data, 1)));
            weft_close(ends.b);
        }
    }
    return 0;
}

static void reset_at_each_byte(struct scene *scene)
{
    scene_run(scene, run_resets);
}

/* A text whose lines are cut at every byte. */
static int run_lines(void *arg)
{
    static const char text[] = "one\r\ntwo\n\nthe last";
    struct scene *scene = arg;
    for (int place = 0; place < 2; place++) {
        for (size_t at = 0; at < sizeof text; at += 3) {
            struct ends ends;
            char line[32], all[64] = "";
            ssize_t n;
            open_ends(&ends, place);
            give(ends.a, text, at);
            weft_sleep(0);
            give(ends.a, text + at, sizeof text - 1 - at);
            assert_int_equal(weft_shutdown_write(ends.a), 0);
            while ((n = weft_read_line(ends.b, line, sizeof line)) >= 0)
                snprintf(all + strlen(all), sizeof all - strlen(all), "[%s]", line);
            say(scene, "%s, cut at %zu: %s %s", name_at(place), at, all, name_of(n));
            close_ends(&ends);
        }
    }
    return 0;
}

static void read_lines(struct scene *scene)
{
    scene_run(scene, run_lines);
}

/* Cancels that come at any moment: a read that was given up has left its bytes, a write that was
 * given up has taken none. */

struct reader {
    weft_stream *stream;
    unsigned char next;
    size_t size;
    bool exact;
};

static int read_some(void *arg)
{
    struct reader *reader = arg;
    unsigned char data[8];
    ssize_t n = reader->exact ? weft_read_exact(reader->stream, data, 4)
                              : weft_read(reader->stream, data, sizeof data);
    if (n < 0)
        return n == -ECANCELED ? 0 : (int)n;
    size_t size = reader->exact ? 4 : (size_t)n;
    for (size_t i = 0; i < size; i++)
        assert_int_equal(data[i], reader->next++);
    reader->size += size;
    return 0;
}

static void race_reads_at(struct scene *scene, int place, bool exact)
{
    struct ends ends;
    uint32_t dice = 9;
    unsigned char next = 0;
    size_t sent = 0;
    open_ends(&ends, place);
    struct reader reader = { .stream = ends.b, .exact = exact };
    for (int i = 0; i < 1500; i++) {
        weft_scope scope;
        dice = dice * 1664525u + 1013904223u;
        weft_scope_begin(&scope);
        weft_spawn(&scope, read_some, &reader);
        for (unsigned turns = dice >> 16 & 1; turns > 0; turns--)
            weft_sleep(0);
        for (unsigned bytes = dice >> 18 & 3; bytes > 0; bytes--, sent++, next++)
            give(ends.a, &next, 1);
        for (unsigned turns = dice >> 20 & 3; turns > 0; turns--)
            weft_sleep(0);
        weft_scope_cancel(&scope, NULL);
        assert_int_equal(weft_scope_end(&scope), 0);
    }
    reader.exact = false;
    while (reader.size < sent)
        assert_int_equal(read_some(&reader), 0);
    say(scene, "%s, %s: %zu of %zu", name_at(place), exact ? "exact" : "some", reader.size, sent);
    close_ends(&ends);
}

static int run_read_races(void *arg)
{
    for (int i = 0; i < 4; i++)
        race_reads_at(arg, i / 2, i % 2);
    return 0;
}

static void race_reads(struct scene *scene)
{
    scene_run(scene, run_read_races);
}

struct writer {
    weft_stream *stream;
    size_t taken;
};

static char pattern_at(size_t at)
{
    return (char)(at * 31 + at / 251);
}

static int write_some(void *arg)
{
    struct writer *writer = arg;
    static char data[20000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = pattern_at(writer->taken + i);
    ssize_t n = weft_write_some(writer->stream, data, sizeof data);
    if (n < 0)
        return n == -ECANCELED ? 0 : (int)n;
    writer->taken += (size_t)n;
    return 0;
}

static size_t read_pattern(weft_stream *from, size_t at, size_t max)
{
    static char data[30000];
    ssize_t n = weft_read(from, data, max < sizeof data ? max : sizeof data);
    assert_true(n >= 0);
    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(data[i], pattern_at(at + (size_t)i));
    return (size_t)n;
}

static int end_writing(void *stream)
{
    return weft_shutdown_write(stream);
}

static void race_writes_at(struct scene *scene, int place)
{
    struct ends ends;
    uint32_t dice = 21;
    size_t heard = 0, n;
    open_ends(&ends, place);
    struct writer writer = { .stream = ends.a };
    for (int i = 0; i < 400; i++) {
        weft_scope scope;
        dice = dice * 1664525u + 1013904223u;
        weft_scope_begin(&scope);
        weft_spawn(&scope, write_some, &writer);
        for (unsigned turns = dice >> 16 & 3; turns > 0; turns--)
            weft_sleep(0);
        weft_scope_cancel(&scope, NULL);
        assert_int_equal(weft_scope_end(&scope), 0);
        if ((dice >> 18 & 3) == 0 && writer.taken > heard)
            heard += read_pattern(ends.b, heard, 30000);
    }
    weft_scope scope;
    weft_scope_begin(&scope);
    weft_spawn(&scope, end_writing, ends.a);
    while ((n = read_pattern(ends.b, heard, 30000)) > 0)
        heard += n;
    assert_int_equal(weft_scope_end(&scope), 0);
    say(scene, "%s: %s", name_at(place),
        heard == writer.taken ? "what was taken has come" : "bytes too many, or too few");
    assert_true(heard > 100000);
    close_ends(&ends);
}

static int run_write_races(void *arg)
{
    for (int place = 0; place < 2; place++)
        race_writes_at(arg, place);
    return 0;
}

static void race_writes(struct scene *scene)
{
    scene_run(scene, run_write_races);
}

/* Nobody there. */
static int run_refusals(void *arg)
{
    struct scene *scene = arg;
    weft_listener *listener;
    weft_stream *stream;
    char address[64];
    say(scene, "no path: %s", name_of(weft_connect(&stream, "unix:/tmp/weft-no-such-path")));
    assert_int_equal(weft_listen(&listener, address_of(0)), 0);
    snprintf(address, sizeof address, "%s", weft_listener_address(listener));
    assert_int_equal(weft_connect(&stream, address), 0);
    assert_int_equal(weft_listener_close(listener), 0);
    char byte;
    ssize_t heard = weft_read(stream, &byte, 1);
    say(scene, "the listener goes: %s",
        heard == 0 || heard == -ECONNRESET ? "over" : name_of(heard));
    weft_close(stream);
    say(scene, "nobody listens: %s", name_of(weft_connect(&stream, address)));
    return 0;
}

static void connect_to_nobody(struct scene *scene)
{
    scene_run(scene, run_refusals);
}

static const struct scenario scenarios[] = {
    { .name = "close each half",
      .play = close_each_half,
      .expected = "tcp, one after another, 0 and 0: 0, 0 and 0, 0, then -EPIPE and -EPIPE\n"
                  "tcp, one after another, 1 and 0: 1, 0 and 0, 0, then -EPIPE and -EPIPE\n"
                  "...\n"
                  "tcp, at once, 32 and 1: 32, 0 and 1, 0, then -EPIPE and -EPIPE\n"
                  "...\n"
                  "unix, at once, 64 and 64: 64, 0 and 64, 0, then -EPIPE and -EPIPE\n" },
    { .name = "reset at each byte",
      .play = reset_at_each_byte,
      .expected = "read 0: 0, -ECONNRESET, -ECONNRESET\n"
                  "read 1: 1, -ECONNRESET, -ECONNRESET\n"
                  "...\n"
                  "exact 33: -ECONNRESET, 33, -ECONNRESET, -ECONNRESET\n"
                  "...\n"
                  "ahead 64: 64, -ECONNRESET, -ECONNRESET\n" },
    { .name = "read lines",
      .play = read_lines,
      .expected = "tcp, cut at 0: [one][two][][the last] WEFT_EEND\n"
                  "...\n"
                  "unix, cut at 18: [one][two][][the last] WEFT_EEND\n" },
    { .name = "race reads",
      .play = race_reads,
      .expected = "tcp, some: 2255 of 2255\n"
                  "tcp, exact: 2255 of 2255\n"
                  "unix, some: 2255 of 2255\n"
                  "unix, exact: 2255 of 2255\n" },
    { .name = "race writes",
      .play = race_writes,
      .expected = "tcp: what was taken has come\n"
                  "unix: what was taken has come\n" },
    { .name = "connect to nobody",
      .play = connect_to_nobody,
      .expected = "no path: -ENOENT\n"
                  "the listener goes: over\n"
                  "nobody listens: -ECONNREFUSED\n" },
};

int main(void)
{
    return conformance("conformance stream", scenarios, WF_ARRAY_SIZE(scenarios));
}
