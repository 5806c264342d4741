/* Readiness of numbers that are not the driver's: pipes, sockets, files, numbers that are closed
 * and used again. */

#include "conformance.h"

#include <signal.h>
#include <sys/eventfd.h>

enum { READ = WF_POLL_READ, WRITE = WF_POLL_WRITE, ERROR = WF_POLL_ERROR };

/* "reads, writes, fails". */
static const char *ready_of(int64_t result)
{
    static char texts[8][32];
    static unsigned last;
    char *text = texts[++last % 8];
    if (result < 0)
        return name_of(result);
    snprintf(text, sizeof texts[0], "%s%s%s", result & READ ? "R" : "-", result & WRITE ? "W" : "-",
             result & ERROR ? "E" : "-");
    return text;
}

/* What is ready, when it is. */
static int64_t look(struct scene *scene, int fd, unsigned interest)
{
    struct probe probe = { 0 };
    return settle(&scene->world, &probe, submit_poll(&scene->world, &probe, fd, interest));
}

static void expect_wait(struct scene *scene, struct probe *probe, int fd, unsigned interest)
{
    assert_int_equal(submit_poll(&scene->world, probe, fd, interest), WF_PENDING);
    drain(&scene->world);
}

static const char *state_of(const struct probe *probe)
{
    return probe->op.pending ? "waits" : ready_of(probe->result);
}

static void make_pipe(int *ends)
{
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
}

static void make_ends(int *ends)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
}

static void close_both(const int *ends)
{
    close(ends[0]);
    close(ends[1]);
}

static void watch_a_pipe(struct scene *scene)
{
    static char block[65536];
    struct probe reader = { 0 }, writer = { 0 };
    int ends[2];
    make_pipe(ends);
    say(scene, "empty: the writing end: %s", ready_of(look(scene, ends[1], READ | WRITE)));
    expect_wait(scene, &reader, ends[0], READ);
    say(scene, "empty: the reading end: %s", state_of(&reader));
    while (write(ends[1], block, sizeof block) > 0)
        ;
    say(scene, "full: the reading end: %s", ready_of(finish(&scene->world, &reader)));
    say(scene, "full: again: %s", ready_of(look(scene, ends[0], READ | WRITE)));
    expect_wait(scene, &writer, ends[1], WRITE);
    say(scene, "full: the writing end: %s", state_of(&writer));
    while (read(ends[0], block, sizeof block) > 0)
        ;
    say(scene, "emptied: the writing end: %s", ready_of(finish(&scene->world, &writer)));
    expect_wait(scene, &reader, ends[0], READ);
    say(scene, "emptied: the reading end: %s", state_of(&reader));
    close(ends[1]);
    say(scene, "without a writer: %s", ready_of(finish(&scene->world, &reader)));
    for (unsigned interest = 0; interest < 4; interest++)
        say(scene, "    asked for %s: %s", ready_of(interest),
            ready_of(look(scene, ends[0], interest)));
    close(ends[0]);
    make_pipe(ends);
    close(ends[0]);
    for (unsigned interest = 0; interest < 4; interest++)
        say(scene, "without a reader: asked for %s: %s", ready_of(interest),
            ready_of(look(scene, ends[1], interest)));
    close(ends[1]);
}

static void watch_a_socket(struct scene *scene)
{
    struct probe reader = { 0 };
    int ends[2];
    make_ends(ends);
    expect_wait(scene, &reader, ends[0], READ);
    say(scene, "quiet: %s, %s", state_of(&reader), ready_of(look(scene, ends[0], READ | WRITE)));
    peer_gives(ends[1], "x", 1);
    say(scene, "a byte: %s, %s", ready_of(finish(&scene->world, &reader)),
        ready_of(look(scene, ends[0], READ | WRITE)));
    shutdown(ends[1], SHUT_WR);
    say(scene, "its half closed: %s", ready_of(look(scene, ends[0], READ | WRITE)));
    close(ends[1]);
    say(scene, "closed: %s, %s, %s", ready_of(look(scene, ends[0], READ)),
        ready_of(look(scene, ends[0], WRITE)), ready_of(look(scene, ends[0], 0)));
    close(ends[0]);
}

/* How a plain connect is waited for, and a plain accept. */
static void watch_a_connection_come(struct scene *scene)
{
    struct sockaddr_in address;
    struct probe probe = { 0 };
    int listener = make_tcp_listener(&address), client = make_tcp(), lost = make_tcp();
    expect_wait(scene, &probe, listener, READ);
    say(scene, "nobody: %s", state_of(&probe));
    (void)connect(client, (struct sockaddr *)&address, sizeof address);
    say(scene, "the client: %s", ready_of(look(scene, client, WRITE)));
    say(scene, "the listener: %s", ready_of(finish(&scene->world, &probe)));
    say(scene, "again: %s", ready_of(look(scene, listener, READ)));
    close(listener);
    (void)connect(lost, (struct sockaddr *)&address, sizeof address);
    say(scene, "one that was refused: %s", ready_of(look(scene, lost, WRITE)));
    close(lost);
    close(client);
    int idle = make_tcp();
    say(scene, "one that is not connected: %s", ready_of(look(scene, idle, READ | WRITE)));
    close(idle);
}

/* What is always ready says so at once; a device that cannot be waited for says so as well. */
static void watch_files(struct scene *scene)
{
    static const char *const names[] = { "/proc/self/exe", "/" };
    for (size_t i = 0; i < WF_ARRAY_SIZE(names); i++) {
        struct probe probe = { 0 };
        int fd = open(names[i], O_RDONLY | O_CLOEXEC);
        for (unsigned interest = 1; interest < 4; interest++)
            say(scene, "%s: %s", i ? "a folder" : "a file",
                ready_of(submit_poll(&scene->world, &probe, fd, interest)));
        close(fd);
    }
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (unsigned interest = 1; interest < 4; interest++)
        say(scene, "a device: %s", ready_of(look(scene, nothing, interest)));
    close(nothing);
    int counter = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    say(scene, "a counter: %s", ready_of(look(scene, counter, READ | WRITE)));
    eventfd_write(counter, 1);
    say(scene, "that counts: %s", ready_of(look(scene, counter, READ | WRITE)));
    close(counter);
}

static void ask_for_now(struct scene *scene)
{
    struct probe probe = { .op.now = true };
    struct world *world = &scene->world;
    int ends[2];
    make_pipe(ends);
    say(scene, "nothing: %s", ready_of(submit_poll(world, &probe, ends[0], READ)));
    say(scene, "room: %s", ready_of(submit_poll(world, &probe, ends[1], WRITE)));
    assert_int_equal(write(ends[1], "x", 1), 1);
    say(scene, "a byte: %s", ready_of(submit_poll(world, &probe, ends[0], READ)));
    close(ends[1]);
    say(scene, "no writer: %s", ready_of(submit_poll(world, &probe, ends[0], READ)));
    close(ends[0]);
    say(scene, "closed: %s", ready_of(submit_poll(world, &probe, ends[0], READ)));
    say(scene, "no number: %s", ready_of(submit_poll(world, &probe, -1, READ)));
}

/* Several who wait for one number, each for its own. */
static void wait_together(struct scene *scene)
{
    struct probe reader = { 0 }, writer = { 0 }, both = { 0 };
    static char block[65536];
    int ends[2];
    make_ends(ends);
    size_t size = 0;
    for (ssize_t part; (part = send(ends[0], block, sizeof block, MSG_DONTWAIT)) > 0;)
        size += (size_t)part;
    expect_wait(scene, &reader, ends[0], READ);
    expect_wait(scene, &writer, ends[0], WRITE);
    expect_wait(scene, &both, ends[0], READ | WRITE);
    say(scene, "quiet and full: %s, %s, %s", state_of(&reader), state_of(&writer), state_of(&both));
    peer_gives(ends[1], "x", 1);
    int64_t some = finish(&scene->world, &both);
    say(scene, "a byte: %s, %s, %s", ready_of(finish(&scene->world, &reader)), state_of(&writer),
        ready_of(some));
    assert_int_equal(recv(ends[0], block, 1, 0), 1);
    peer_takes(ends[1], size); /* nobody has asked meanwhile: who stays is not forgotten */
    say(scene, "room: %s", ready_of(finish(&scene->world, &writer)));
    expect_wait(scene, &reader, ends[0], READ);
    expect_wait(scene, &both, ends[0], READ);
    close(ends[1]);
    say(scene, "closed: %s, %s", ready_of(finish(&scene->world, &reader)),
        ready_of(finish(&scene->world, &both)));
    close(ends[0]);
}

/* Each of those that one event ends gives the others up: who was told is told, and who was not is
 * not. */
struct jealous {
    struct scene *scene;
    struct probe probes[3];
    int told, given_up;
};

static void give_up_the_others(struct probe *probe)
{
    struct jealous *jealous = probe->with;
    jealous->told++;
    for (int i = 0; i < 3; i++)
        if (jealous->probes[i].op.pending)
            jealous->given_up += give_up(jealous->scene, &jealous->probes[i]) == -ECANCELED;
}

static void give_up_the_others_when_done(struct scene *scene)
{
    struct jealous jealous = { .scene = scene };
    int ends[2];
    make_pipe(ends);
    for (int i = 0; i < 3; i++) {
        jealous.probes[i].then = give_up_the_others;
        jealous.probes[i].with = &jealous;
        expect_wait(scene, &jealous.probes[i], ends[0], READ);
    }
    assert_int_equal(write(ends[1], "x", 1), 1);
    while (jealous.told + jealous.given_up < 3)
        scene->world.ops->wait(scene->world.io, PATIENCE);
    say(scene, "%d told, %d given up", jealous.told, jealous.given_up);
    close_both(ends);
}

/* Nobody waits any more: the file is not held open, as a ring would that goes on polling it. */
static void let_go_of_a_file(struct scene *scene)
{
    for (int count = 1; count <= 2; count++) {
        struct probe probes[2] = { 0 };
        int ends[2];
        make_pipe(ends);
        for (int i = 0; i < count; i++)
            expect_wait(scene, &probes[i], ends[0], READ);
        for (int i = 0; i < count; i++)
            say(scene, "%s", name_of(give_up(scene, &probes[i])));
        close(ends[0]);
        int64_t written = write(ends[1], "x", 1) < 0 ? -errno : 1;
        say(scene, "    the reading end is closed: %s", name_of(written));
        close(ends[1]);
    }
}

/* Numbers. Who closes one while it is waited for gets -EBADF where it shows: when the number is
 * another file, and somebody asks for it or takes it in. */
static void use_a_number_again(struct scene *scene)
{
    struct probe lost[2] = { 0 }, probe = { 0 };
    int first[2], ends[2];
    make_pipe(first);
    for (int i = 0; i < 2; i++)
        expect_wait(scene, &lost[i], first[0], READ);
    close_both(first);
    make_pipe(ends);
    assert_memory_equal(ends, first, sizeof ends);
    assert_int_equal(submit_poll(&scene->world, &probe, ends[0], READ), WF_PENDING);
    say(scene, "those who waited: %s", lost[0].calls ? "told from within" : "not told yet");
    int64_t one = finish(&scene->world, &lost[0]), two = finish(&scene->world, &lost[1]);
    say(scene, "then: %s, %s", ready_of(one), ready_of(two));
    say(scene, "the new one %s", state_of(&probe));
    assert_int_equal(write(ends[1], "x", 1), 1);
    say(scene, "with a byte: %s", ready_of(finish(&scene->world, &probe)));
    close_both(ends);
    for (int i = 0; i < 5; i++) { /* nobody waits: nothing to tell */
        make_pipe(ends);
        assert_memory_equal(ends, first, sizeof ends);
        expect_wait(scene, &probe, ends[0], READ);
        assert_int_equal(write(ends[1], "x", 1), 1);
        say(scene, "and again: %s", ready_of(finish(&scene->world, &probe)));
        close_both(ends);
    }
}

static void take_a_number_in(struct scene *scene)
{
    struct world *world = &scene->world;
    struct probe lost = { 0 }, probe = { 0 };
    struct wf_descriptor ours = { 0 };
    char data[8];
    int first[2], ends[2];
    make_pipe(first);
    expect_wait(scene, &lost, first[0], READ);
    close_both(first);
    make_ends(ends);
    assert_memory_equal(ends, first, sizeof ends);
    attach(world, &ours, ends[0]);
    say(scene, "who waited: %s", ready_of(finish(world, &lost)));
    say(scene, "to wait for it now: %s", ready_of(submit_poll(world, &probe, ends[0], READ)));
    peer_gives(ends[1], "ours", 4);
    say(scene, "it hears %s", name_of(receive(scene, &ours, data, sizeof data)));
    release(scene, &ours);
    close(ends[1]);
    make_ends(ends); /* the same file is not taken in while somebody waits */
    expect_wait(scene, &probe, ends[0], READ);
    say(scene, "while somebody waits: %s", name_of(world->ops->attach(world->io, &ours, ends[0])));
    say(scene, "who waits: %s", name_of(give_up(scene, &probe)));
    say(scene, "then: %s", name_of(world->ops->attach(world->io, &ours, ends[0])));
    peer_gives(ends[1], "ours", 4);
    say(scene, "it hears %s", name_of(receive(scene, &ours, data, sizeof data)));
    release(scene, &ours);
    close(ends[1]);
    say(scene, "a number that was closed: %s", ready_of(submit_poll(world, &probe, ends[1], READ)));
    say(scene, "one that nobody had: %s", ready_of(submit_poll(world, &probe, 900, READ)));
}

/* The old file lives on under another number, and has news. */
static void use_a_number_again_while_its_file_lives(struct scene *scene)
{
    struct probe lost = { 0 }, probe = { 0 };
    int first[2], ends[2];
    make_pipe(first);
    int copy = dup(first[0]), writer = dup(first[1]);
    expect_wait(scene, &lost, first[0], READ);
    close_both(first);
    make_pipe(ends);
    assert_memory_equal(ends, first, sizeof ends);
    expect_wait(scene, &probe, ends[0], READ);
    say(scene, "who waited: %s", ready_of(finish(&scene->world, &lost)));
    assert_int_equal(write(writer, "x", 1), 1);
    drain(&scene->world);
    say(scene, "the new one %s", state_of(&probe));
    say(scene, "%s", name_of(give_up(scene, &probe)));
    close_both(ends);
    close(copy);
    close(writer);
}

static const struct scenario scenarios[] = {
    { .name = "watch a pipe",
      .play = watch_a_pipe,
      .expected = "empty: the writing end: -W-\n"
                  "empty: the reading end: waits\n"
                  "full: the reading end: R--\n"
                  "full: again: R--\n"
                  "full: the writing end: waits\n"
                  "emptied: the writing end: -W-\n"
                  "emptied: the reading end: waits\n"
                  "without a writer: R-E\n"
                  "    asked for ---: --E\n"
                  "    asked for R--: R-E\n"
                  "    asked for -W-: -WE\n"
                  "    asked for RW-: RWE\n"
                  "without a reader: asked for ---: --E\n"
                  "without a reader: asked for R--: R-E\n"
                  "without a reader: asked for -W-: -WE\n"
                  "without a reader: asked for RW-: RWE\n" },
    { .name = "watch a socket",
      .play = watch_a_socket,
      .expected = "quiet: waits, -W-\n"
                  "a byte: R--, RW-\n"
                  "its half closed: RW-\n"
                  "closed: R-E, -WE, --E\n" },
    { .name = "watch a connection come",
      .play = watch_a_connection_come,
      .expected = "nobody: waits\n"
                  "the client: -W-\n"
                  "the listener: R--\n"
                  "again: R--\n"
                  "one that was refused: -WE\n"
                  "one that is not connected: RWE\n" },
    { .name = "watch files",
      .play = watch_files,
      .expected = "a file: R--\n"
                  "a file: -W-\n"
                  "a file: RW-\n"
                  "a folder: R--\n"
                  "a folder: -W-\n"
                  "a folder: RW-\n"
                  "a device: R--\n"
                  "a device: -W-\n"
                  "a device: RW-\n"
                  "a counter: -W-\n"
                  "that counts: RW-\n" },
    { .name = "ask for now",
      .play = ask_for_now,
      .expected = "nothing: -EAGAIN\n"
                  "room: -W-\n"
                  "a byte: R--\n"
                  "no writer: R-E\n"
                  "closed: -EBADF\n"
                  "no number: -EBADF\n" },
    { .name = "wait together",
      .play = wait_together,
      .expected = "quiet and full: waits, waits, waits\n"
                  "a byte: R--, waits, R--\n"
                  "room: -W-\n"
                  "closed: R-E, R-E\n" },
    { .name = "give up the others when done",
      .play = give_up_the_others_when_done,
      .expected = "1 told, 2 given up\n" },
    { .name = "let go of a file",
      .play = let_go_of_a_file,
      .expected = "-ECANCELED\n"
                  "    the reading end is closed: -EPIPE\n"
                  "-ECANCELED\n"
                  "-ECANCELED\n"
                  "    the reading end is closed: -EPIPE\n" },
    { .name = "use a number again",
      .play = use_a_number_again,
      .expected = "those who waited: not told yet\n"
                  "then: -EBADF, -EBADF\n"
                  "the new one waits\n"
                  "with a byte: R--\n"
                  "and again: R--\n"
                  "and again: R--\n"
                  "and again: R--\n"
                  "and again: R--\n"
                  "and again: R--\n" },
    { .name = "take a number in",
      .play = take_a_number_in,
      .expected = "who waited: -EBADF\n"
                  "to wait for it now: -EEXIST\n"
                  "it hears 4\n"
                  "while somebody waits: -EEXIST\n"
                  "who waits: -ECANCELED\n"
                  "then: 0\n"
                  "it hears 4\n"
                  "a number that was closed: -EBADF\n"
                  "one that nobody had: -EBADF\n" },
    { .name = "use a number again while its file lives",
      .play = use_a_number_again_while_its_file_lives,
      .expected = "who waited: -EBADF\n"
                  "the new one waits\n"
                  "-ECANCELED\n" },
};

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* of pipes; sockets are asked not to */
    return conformance("conformance poll", scenarios, WF_ARRAY_SIZE(scenarios));
}
