/* Bytes: in pieces of every size, by vectors of every shape, by short transfers; nothing at all;
 * the end of the stream, and what comes before it. Hazard 5 of the checklist. */

#include "conformance.h"

#include <limits.h>

/* Pieces. */

static void say_pieces(struct scene *scene, const struct kind *kind, size_t size, bool lends)
{
    struct echo echo;
    char data[MESSAGE];
    size_t count = 0, largest = 0, calls = 0;
    echo_open(&scene->world, &echo, kind->make);
    peer_gives(echo.peer, message, MESSAGE);
    while (count < MESSAGE) {
        int64_t result = lends
                             ? receive_lent(scene, &echo.descriptor, data + count, MESSAGE - count)
                             : receive(scene, &echo.descriptor, data + count, size);
        assert_in_range(result, 1, size);
        largest = (size_t)result > largest ? (size_t)result : largest;
        count += (size_t)result;
        calls++;
    }
    assert_memory_equal(data, message, MESSAGE);
    say(scene, "%s: %s %zu: %zu times, %zu at most", kind->name, lends ? "blocks of" : "by", size,
        calls, largest);
    echo_close(&scene->world, &echo);
}

/* All is there before the first receive: each takes as much as it has room for. */
static void receive_in_pieces(struct scene *scene)
{
    EACH_KIND(kind)
    for (size_t size = 1; size <= 16; size *= 2)
        say_pieces(scene, kind, size, false);
}

static void receive_in_blocks(struct scene *scene)
{
    EACH_KIND(kind)
    say_pieces(scene, kind, 16, true);
}

/* The peer gives byte after byte, each when a receive for much more waits. */
static void receive_what_comes_byte_by_byte(struct scene *scene)
{
    EACH_KIND(kind)
    {
        for (int lends = 0; lends < 2; lends++) {
            struct echo echo;
            char data[256], heard[MESSAGE + 1] = { 0 };
            echo_open(&scene->world, &echo, kind->make);
            for (int i = 0; i < MESSAGE; i++) {
                assert_int_equal(lends ? submit_lend(&scene->world, &echo.probe, &echo.descriptor)
                                       : submit_recv(&scene->world, &echo.probe, &echo.descriptor,
                                                     data, sizeof data),
                                 WF_PENDING);
                peer_gives(echo.peer, &message[i], 1);
                assert_int_equal(finish(&scene->world, &echo.probe), 1);
                heard[i] = lends ? *echo.probe.op.lend.data : *data;
                if (lends)
                    scene->world.ops->lend_return(scene->world.io, echo.probe.op.lend.data);
            }
            say(scene, "%s, %s: %s", kind->name, lends ? "lent" : "own", heard);
            echo_close(&scene->world, &echo);
        }
    }
}

/* Vectors. */

enum { PIECES_MAX = 3 * IOV_MAX + 5 };

static char bytes[PIECES_MAX * 8];
static struct iovec pieces[PIECES_MAX];

/* Pieces of 0 to 7 bytes, in no regular order; the first and the last `bare` of them are empty. */
static size_t cut(int count, int bare)
{
    size_t size = 0;
    uint32_t dice = (uint32_t)count;
    for (int i = 0; i < count; i++) {
        dice = dice * 1664525u + 1013904223u;
        size_t piece = i < bare || i >= count - bare ? 0 : dice >> 24 & 7;
        pieces[i] = (struct iovec){ bytes + size, piece };
        size += piece;
    }
    return size;
}

/* Leave out the first `done` bytes of the pieces from `*first` on. */
static void consume(int *first, size_t done)
{
    while (done > 0) {
        struct iovec *piece = &pieces[*first];
        size_t part = done < piece->iov_len ? done : piece->iov_len;
        piece->iov_base = (char *)piece->iov_base + part;
        piece->iov_len -= part;
        done -= part;
        *first += piece->iov_len == 0;
    }
}

/* Send all pieces, however few each call takes; `first` of them were sent already. */
static void send_pieces(struct scene *scene, struct wf_descriptor *to, int first, int count,
                        size_t size)
{
    while (size > 0) {
        struct probe probe = { 0 };
        int64_t result = submit_send(&scene->world, &probe, to, pieces + first, count - first);
        result = settle(&scene->world, &probe, result);
        if (result == 0) { /* as many empty pieces as one call may name */
            for (int i = 0; i < IOV_MAX; i++)
                assert_int_equal(pieces[first + i].iov_len, 0);
            first += IOV_MAX;
        }
        assert_in_range(result, 0, size);
        consume(&first, (size_t)result);
        size -= (size_t)result;
    }
}

static void send_vectors(struct scene *scene)
{
    static const int counts[] = { 1, 2, 3, 8, 64, 1000, IOV_MAX, IOV_MAX + 1, PIECES_MAX };
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + i / 256);
    EACH_KIND(kind)
    {
        struct echo echo;
        echo_open(&scene->world, &echo, kind->make);
        for (size_t i = 0; i < WF_ARRAY_SIZE(counts); i++) {
            for (int bare = 0; bare < 2; bare++) {
                static char heard[sizeof bytes];
                int64_t last;
                size_t size = cut(counts[i], bare * (counts[i] / 3));
                send_pieces(scene, &echo.descriptor, 0, counts[i], size);
                assert_int_equal(peer_hears_all(echo.peer, heard, size, &last), size);
                assert_memory_equal(heard, bytes, size);
                say(scene, "%s: %d pieces, %s: %zu bytes", kind->name, counts[i],
                    bare ? "many of them empty" : "full", size);
            }
        }
        echo_close(&scene->world, &echo);
    }
}

/* A vector that has to wait, and whose first pieces are empty: it waits for room, and then some of
 * its bytes go. An end with nothing would have its owner try again and again meanwhile. */
static void send_empty_pieces_first_to_a_full_socket(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct echo echo;
        struct probe probe = { 0 };
        char heard[3];
        int64_t last;
        struct iovec vector[] = {
            { NULL, 0 }, { heard, 0 }, { (char[]){ "ab" }, 2 }, { NULL, 0 }, { (char[]){ "c" }, 1 }
        };
        echo_open(&scene->world, &echo, kind->make);
        size_t size = fill(scene, &echo.descriptor);
        assert_int_equal(submit_send(&scene->world, &probe, &echo.descriptor, vector, 5),
                         WF_PENDING);
        for (int i = 0; i < 10; i++)
            drain(&scene->world);
        if (kind->stays_full)
            say(scene, "%s: %s", kind->name, probe.op.pending ? "waits" : name_of(probe.result));
        peer_takes(echo.peer, size);
        int64_t result = finish(&scene->world, &probe);
        say(scene, "%s: then %s", kind->name, result > 0 ? "bytes go" : name_of(result));
        assert_in_range(result, 1, 3);
        assert_int_equal(peer_hears_all(echo.peer, heard, (size_t)result, &last), result);
        assert_memory_equal(heard, "abc", (size_t)result);
        echo_close(&scene->world, &echo);
    }
}

/* Nothing. A send of no bytes is a send: 0, and the error of a socket that takes no more. A receive
 * of no bytes is not for a driver, whose 0 is the end of the stream: streams answer it themselves.
 */
static void send_nothing(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct echo echo;
        char heard[2];
        struct iovec vector[3] = { { NULL, 0 }, { heard, 0 }, { NULL, 0 } };
        echo_open(&scene->world, &echo, kind->make);
        for (int count = 1; count <= 3; count++) {
            int64_t result =
                submit_send(&scene->world, &echo.probe, &echo.descriptor, vector, count);
            say(scene, "%s: %d empty pieces: %s", kind->name, count,
                name_of(settle(&scene->world, &echo.probe, result)));
        }
        assert_int_equal(send_some(scene, &echo.descriptor, "x", 1), 1);
        say(scene, "%s: the peer hears %s", kind->name,
            name_of(peer_hears(echo.peer, heard, sizeof heard)));
        shutdown(echo.descriptor.fd, SHUT_WR);
        int64_t result = submit_send(&scene->world, &echo.probe, &echo.descriptor, vector, 1);
        say(scene, "%s: after its own end: %s", kind->name,
            name_of(settle(&scene->world, &echo.probe, result)));
        echo_close(&scene->world, &echo);
    }
}

/* Who asks for now is never kept waiting. */
static void ask_for_now(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct echo echo;
        struct probe now = { .op.now = true };
        char data[8];
        echo_open(&scene->world, &echo, kind->make);
        int64_t nothing = submit_recv(&scene->world, &now, &echo.descriptor, data, sizeof data);
        int64_t no_block = submit_lend(&scene->world, &now, &echo.descriptor);
        say(scene, "%s: nothing is there: %s, %s", kind->name, name_of(nothing), name_of(no_block));
        peer_gives(echo.peer, "here", 4);
        int64_t some = submit_recv(&scene->world, &now, &echo.descriptor, data, 2);
        int64_t rest = submit_lend(&scene->world, &now, &echo.descriptor);
        say(scene, "%s: 4 bytes are there: %s, %s", kind->name, name_of(some), name_of(rest));
        scene->world.ops->lend_return(scene->world.io, now.op.lend.data);
        fill(scene, &echo.descriptor);
        struct iovec vector = { data, 1 };
        int64_t sent = submit_send(&scene->world, &now, &echo.descriptor, &vector, 1);
        if (kind->stays_full)
            say(scene, "%s: no room: %s", kind->name, name_of(sent));
        echo_close(&scene->world, &echo);
    }
}

/* Short transfers: the kernel is asked for a few bytes at a time, and nothing changes. */

static void exchange(struct scene *scene, const struct kind *kind, bool lends)
{
    struct echo echo;
    char heard[MESSAGE];
    int64_t last;
    receive_fn *receive_some = lends ? receive_lent : receive;
    echo_open(&scene->world, &echo, kind->make);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send_all(scene, &echo.descriptor, message, MESSAGE), MESSAGE);
        assert_int_equal(peer_hears_all(echo.peer, heard, MESSAGE, &last), MESSAGE);
        assert_memory_equal(heard, message, MESSAGE);
        peer_gives(echo.peer, heard, MESSAGE);
        size_t size = receive_all(scene, receive_some, &echo.descriptor, heard, MESSAGE, &last);
        assert_memory_equal(heard, message, MESSAGE);
        say(scene, "%s: there and back: %zu", kind->name, size);
    }
    shutdown(echo.peer, SHUT_WR);
    say(scene, "%s: %s", kind->name, name_of(receive_some(scene, &echo.descriptor, heard, 1)));
    echo_close(&scene->world, &echo);
}

static void transfer_a_few_bytes_at_a_time(struct scene *scene)
{
    static const enum wf_io_fault_kind both[] = { WF_FAULT_SHORT_RECV, WF_FAULT_SHORT_SEND };
    EACH_KIND(kind)
    {
        for (size_t bytes_max = 1; bytes_max <= 7; bytes_max++) {
            for (int i = 0; i < 4; i++) {
                struct wf_io_fault fault = {
                    .kind = both[i % 2], .countdown = 1, .persistent = true, .bytes_max = bytes_max
                };
                wf_io_fault_set(&fault);
                exchange(scene, kind, i / 2);
                wf_io_fault_set(NULL);
                assert_true(fault.injected >= (long)(3 * MESSAGE / bytes_max));
            }
        }
    }
}

/* Much at once, both ways, through small buffers: each side waits for the other again and again. */
static void transfer_much_through_small_buffers(struct scene *scene)
{
    enum { MUCH = 1 << 20, PART = 5000 };
    static char data[MUCH];
    for (size_t i = 0; i < MUCH; i++)
        data[i] = (char)(i * 13 + i / 1000);
    EACH_KIND(kind)
    {
        struct wf_descriptor ours, theirs;
        struct probe writer = { 0 };
        int peer, small = 4096;
        char heard[PART];
        size_t sent = 0, received = 0;
        uint32_t sum = SUM_OF_NOTHING;
        kind->make(&scene->world, &ours, &peer);
        fcntl(peer, F_SETFL, O_NONBLOCK);
        attach(&scene->world, &theirs, peer);
        setsockopt(ours.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        while (received < MUCH) {
            struct iovec vector = { data + sent, MUCH - sent };
            int64_t result = 0;
            if (sent < MUCH && !writer.op.pending)
                result = submit_send(&scene->world, &writer, &ours, &vector, 1);
            sent += result > 0 ? (size_t)result : 0;
            int64_t heard_now = receive(scene, &theirs, heard, PART);
            assert_in_range(heard_now, 1, PART);
            sum = sum_of(sum, heard, (size_t)heard_now);
            received += (size_t)heard_now;
            if (writer.calls == 1) {
                assert_in_range(writer.result, 1, MUCH - sent);
                sent += (size_t)writer.result;
                writer.calls = 0;
            }
        }
        say(scene, "%s: %zu of %zu bytes, %s", kind->name, received, sent,
            sum == sum_of(SUM_OF_NOTHING, data, MUCH) ? "in order" : "in another order");
        release(scene, &ours);
        release(scene, &theirs);
    }
}

/* The end. */

static void say_what_comes(struct scene *scene, struct echo *echo, bool lends)
{
    char data[MESSAGE];
    int64_t results[4];
    for (int i = 0; i < 4; i++)
        results[i] = lends ? receive_lent(scene, &echo->descriptor, data, sizeof data)
                           : receive(scene, &echo->descriptor, data, sizeof data);
    say(scene, "    %s, %s, %s, %s", name_of(results[0]), name_of(results[1]), name_of(results[2]),
        name_of(results[3]));
}

/* The bytes come, and then the end, which stays: with the data, after it, before anybody asks,
 * while somebody waits; by a close, by the peer's half. */
static void hear_the_end(struct scene *scene)
{
    enum { WAITS = 1, LENDS = 2, HALF = 4, LATER = 8, ALL = 16 };
    EACH_KIND(kind)
    {
        for (int how = 0; how < ALL; how++) {
            struct echo echo;
            char data[16];
            bool lends = how & LENDS;
            int64_t result = WF_PENDING;
            echo_open(&scene->world, &echo, kind->make);
            say(scene, "%s:%s%s%s%s", kind->name, how & WAITS ? " waits" : "",
                lends ? " lends" : "", how & HALF ? " half" : "", how & LATER ? " later" : "");
            if (how & WAITS)
                result = lends ? submit_lend(&scene->world, &echo.probe, &echo.descriptor)
                               : submit_recv(&scene->world, &echo.probe, &echo.descriptor, data,
                                             sizeof data);
            assert_int_equal(result, WF_PENDING);
            drain(&scene->world);
            peer_gives(echo.peer, "bye", 3);
            if (how & LATER) {
                if (how & WAITS)
                    finish(&scene->world, &echo.probe);
                drain(&scene->world);
            }
            if (how & HALF) {
                shutdown(echo.peer, SHUT_WR);
            } else {
                close(echo.peer);
                echo.peer = -1;
            }
            if (how & WAITS) {
                int64_t first =
                    echo.probe.calls ? echo.probe.result : finish(&scene->world, &echo.probe);
                say(scene, "    who waits: %s", name_of(first));
                if (lends && first > 0)
                    scene->world.ops->lend_return(scene->world.io, echo.probe.op.lend.data);
            }
            say_what_comes(scene, &echo, lends);
            echo_close(&scene->world, &echo);
        }
    }
}

/* A socket that has seen it all before it is taken in. */
static void hear_an_end_that_was_there_before(struct scene *scene)
{
    int fds[2];
    struct echo echo = { .peer = -1 };
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    peer_gives(fds[1], "early", 5);
    close(fds[1]);
    attach(&scene->world, &echo.descriptor, fds[0]);
    say_what_comes(scene, &echo, false);
    echo_close(&scene->world, &echo);
}

/* More than any buffer holds, and the end behind it. */
static void hear_an_end_behind_much(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct echo echo;
        static char data[100000], heard[sizeof data + 1];
        int64_t last;
        memset(data, 'd', sizeof data);
        echo_open(&scene->world, &echo, kind->make);
        assert_int_equal(
            setsockopt(echo.peer, SOL_SOCKET, SO_SNDBUF, &(int){ 300000 }, sizeof(int)), 0);
        peer_gives(echo.peer, data, sizeof data);
        close(echo.peer);
        echo.peer = -1;
        size_t size =
            receive_all(scene, receive_lent, &echo.descriptor, heard, sizeof heard, &last);
        say(scene, "%s: %zu bytes, then %s", kind->name, size, name_of(last));
        echo_close(&scene->world, &echo);
    }
}

/* A receive stops at urgent data, which does not hide what follows. */
static void receive_around_urgent_data(struct scene *scene)
{
    struct echo echo;
    char data[16] = { 0 };
    echo_open(&scene->world, &echo, make_tcp_pair);
    assert_int_equal(submit_recv(&scene->world, &echo.probe, &echo.descriptor, data, sizeof data),
                     WF_PENDING);
    drain(&scene->world);
    peer_gives(echo.peer, "abc", 3);
    assert_int_equal(send(echo.peer, "!", 1, MSG_OOB), 1);
    peer_gives(echo.peer, "def", 3);
    int64_t before = finish(&scene->world, &echo.probe);
    say(scene, "%s %.3s", name_of(before), data);
    int64_t after = receive(scene, &echo.descriptor, data, sizeof data);
    say(scene, "%s %.3s", name_of(after), data);
    echo_close(&scene->world, &echo);
}

/* Datagrams: one a receive, whatever its size, an empty one too; a fault that the network tells of
 * is told once. */

static int make_datagram_socket(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof *address;
    *address = own_address();
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

static void make_datagram_pair(int *fds, bool by_network)
{
    struct sockaddr_in addresses[2];
    if (!by_network) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        return;
    }
    for (int i = 0; i < 2; i++)
        fds[i] = make_datagram_socket(&addresses[i]);
    for (int i = 0; i < 2; i++)
        assert_int_equal(connect(fds[i], (struct sockaddr *)&addresses[1 - i], sizeof addresses[0]),
                         0);
}

static void receive_datagrams(struct scene *scene)
{
    for (int how = 0; how < 4; how++) {
        bool by_network = how & 1, lends = how & 2;
        receive_fn *receive_some = lends ? receive_lent : receive;
        struct wf_descriptor ours;
        struct probe probe = { 0 };
        char data[16];
        int fds[2];
        make_datagram_pair(fds, by_network);
        attach(&scene->world, &ours, fds[0]);
        ours.hung_up = true; /* a short one does not say that there are no more */
        for (size_t size = 0; size <= 16; size += 4)
            assert_int_equal(send(fds[1], message, size, 0), size);
        for (int i = 0; i < 5; i++)
            say(scene, "%s%s: %s", by_network ? "udp" : "unix", lends ? ", lent" : "",
                name_of(receive_some(scene, &ours, data, sizeof data)));
        assert_int_equal(submit_recv(&scene->world, &probe, &ours, data, sizeof data), WF_PENDING);
        drain(&scene->world);
        say(scene, "    %s", probe.op.pending ? "waits" : "ended");
        assert_int_equal(send(fds[1], message, 5, 0), 5);
        say(scene, "    %s", name_of(finish(&scene->world, &probe)));
        assert_int_equal(send_some(scene, &ours, "answer", 6), 6);
        say(scene, "    there: %s", name_of(peer_hears(fds[1], data, sizeof data)));
        close(fds[1]);
        if (by_network) {
            assert_int_equal(send_some(scene, &ours, "to nobody", 9), 9);
            int64_t first = receive_some(scene, &ours, data, sizeof data);
            say(scene, "    nobody there: %s", name_of(first));
            assert_int_equal(submit_recv(&scene->world, &probe, &ours, data, sizeof data),
                             WF_PENDING);
            drain(&scene->world);
            say(scene, "    then: %s", name_of(give_up(scene, &probe)));
        }
        release(scene, &ours);
    }
}

static const struct scenario scenarios[] = {
    { .name = "receive in pieces",
      .play = receive_in_pieces,
      .expected = "unix: by 1: 64 times, 1 at most\n"
                  "unix: by 2: 32 times, 2 at most\n"
                  "unix: by 4: 16 times, 4 at most\n"
                  "unix: by 8: 8 times, 8 at most\n"
                  "unix: by 16: 4 times, 16 at most\n"
                  "tcp: by 1: 64 times, 1 at most\n"
                  "tcp: by 2: 32 times, 2 at most\n"
                  "tcp: by 4: 16 times, 4 at most\n"
                  "tcp: by 8: 8 times, 8 at most\n"
                  "tcp: by 16: 4 times, 16 at most\n" },
    { .name = "receive in blocks",
      .play = receive_in_blocks,
      .options.block_size = 16,
      .expected = "unix: blocks of 16: 4 times, 16 at most\n"
                  "tcp: blocks of 16: 4 times, 16 at most\n" },
    { .name = "receive what comes byte by byte",
      .play = receive_what_comes_byte_by_byte,
      .expected = "unix, own: 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-\n"
                  "unix, lent: 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-\n"
                  "tcp, own: 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-\n"
                  "tcp, lent: 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-\n" },
    { .name = "send vectors",
      .play = send_vectors,
      .expected = "...\n"
                  "unix: 3 pieces, full: 15 bytes\n"
                  "...\n"
                  "tcp: 3077 pieces, full: 10718 bytes\n"
                  "...\n" },
    { .name = "send empty pieces first to a full socket",
      .play = send_empty_pieces_first_to_a_full_socket,
      .expected = "unix: waits\n"
                  "unix: then bytes go\n"
                  "tcp: then bytes go\n" },
    { .name = "send nothing",
      .play = send_nothing,
      .expected = "unix: 1 empty pieces: 0\n"
                  "unix: 2 empty pieces: 0\n"
                  "unix: 3 empty pieces: 0\n"
                  "unix: the peer hears 1\n"
                  "unix: after its own end: -EPIPE\n"
                  "tcp: 1 empty pieces: 0\n"
                  "tcp: 2 empty pieces: 0\n"
                  "tcp: 3 empty pieces: 0\n"
                  "tcp: the peer hears 1\n"
                  "tcp: after its own end: -EPIPE\n" },
    { .name = "ask for now",
      .play = ask_for_now,
      .expected = "unix: nothing is there: -EAGAIN, -EAGAIN\n"
                  "unix: 4 bytes are there: 2, 2\n"
                  "unix: no room: -EAGAIN\n"
                  "tcp: nothing is there: -EAGAIN, -EAGAIN\n"
                  "tcp: 4 bytes are there: 2, 2\n" },
    { .name = "transfer a few bytes at a time",
      .play = transfer_a_few_bytes_at_a_time,
      .expected = "unix: there and back: 64\n"
                  "unix: there and back: 64\n"
                  "unix: there and back: 64\n"
                  "unix: 0\n"
                  "...\n"
                  "tcp: there and back: 64\n"
                  "...\n" },
    { .name = "transfer much through small buffers",
      .play = transfer_much_through_small_buffers,
      .expected = "unix: 1048576 of 1048576 bytes, in order\n"
                  "tcp: 1048576 of 1048576 bytes, in order\n" },
    { .name = "hear the end",
      .play = hear_the_end,
      .expected = "unix:\n"
                  "    3, 0, 0, 0\n"
                  "unix: waits\n"
                  "    who waits: 3\n"
                  "    0, 0, 0, 0\n"
                  "...\n"
                  "tcp: waits lends half later\n"
                  "    who waits: 3\n"
                  "    0, 0, 0, 0\n" },
    { .name = "hear an end that was there before",
      .play = hear_an_end_that_was_there_before,
      .expected = "    5, 0, 0, 0\n" },
    { .name = "hear an end behind much",
      .play = hear_an_end_behind_much,
      .expected = "unix: 100000 bytes, then 0\n"
                  "tcp: 100000 bytes, then 0\n" },
    { .name = "receive datagrams",
      .play = receive_datagrams,
      .options.block_size = 64,
      .expected = "unix: 0\nunix: 4\nunix: 8\nunix: 12\nunix: 16\n"
                  "    waits\n    5\n    there: 6\n"
                  "udp: 0\nudp: 4\nudp: 8\nudp: 12\nudp: 16\n"
                  "    waits\n    5\n    there: 6\n"
                  "    nobody there: -ECONNREFUSED\n    then: -ECANCELED\n"
                  "unix, lent: 0\n"
                  "...\n"
                  "udp, lent: 16\n"
                  "    waits\n    5\n    there: 6\n"
                  "    nobody there: -ECONNREFUSED\n    then: -ECANCELED\n" },
    { .name = "receive around urgent data",
      .play = receive_around_urgent_data,
      .expected = "3 abc\n"
                  "3 def\n" },
};

int main(void)
{
    return conformance("conformance transfer", scenarios, WF_ARRAY_SIZE(scenarios));
}
