/* Errors: each operation says what the system call would have said, whichever way it was made; and
 * what a refused call has not touched is as it was. */

#include "conformance.h"

#include <sys/stat.h>

/* Addresses. A socket connects once: what a second connect says differs from kernel to kernel. */

union address {
    struct sockaddr any;
    struct sockaddr_in inet;
    struct sockaddr_in6 inet6;
    struct sockaddr_un path;
};

static int make_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

/* A name below a folder of this run. */
static void name_path(union address *address, const char *folder, const char *name)
{
    *address = (union address){ .path.sun_family = AF_UNIX };
    snprintf(address->path.sun_path, sizeof address->path.sun_path, "%s/%s", folder, name);
}

static void say_connect(struct scene *scene, const char *what, int fd, const union address *address,
                        socklen_t size)
{
    struct wf_descriptor client;
    struct probe probe = { 0 };
    attach(&scene->world, &client, fd);
    int64_t result = submit_connect(&scene->world, &probe, &client, address, size);
    say(scene, "%s: %s", what, name_of(settle(&scene->world, &probe, result)));
    release(scene, &client);
}

static void connect_to_paths(struct scene *scene)
{
    char folder[] = "/tmp/weft-conformance-XXXXXX";
    union address address;
    assert_non_null(mkdtemp(folder));
    name_path(&address, folder, "nothing");
    say_connect(scene, "no such path", make_socket(AF_UNIX), &address, sizeof address.path);
    name_path(&address, folder, "left");
    int fd = make_socket(AF_UNIX);
    assert_int_equal(bind(fd, &address.any, sizeof address.path), 0);
    say_connect(scene, "nobody listens", make_socket(AF_UNIX), &address, sizeof address.path);
    close(fd);
    say_connect(scene, "left behind", make_socket(AF_UNIX), &address, sizeof address.path);
    unlink(address.path.sun_path);
    name_path(&address, folder, "file");
    close(open(address.path.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    say_connect(scene, "a file", make_socket(AF_UNIX), &address, sizeof address.path);
    unlink(address.path.sun_path);
    name_path(&address, folder, "nothing/below");
    say_connect(scene, "no such folder", make_socket(AF_UNIX), &address, sizeof address.path);
    rmdir(folder);
}

/* A socket with the place of another one, whose connection is taken. */
static int make_socket_at(const union address *place)
{
    int fd = make_socket(AF_INET);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), 0);
    assert_int_equal(bind(fd, &place->any, sizeof place->inet), 0);
    return fd;
}

static void connect_to_addresses(struct scene *scene)
{
    union address address, other, place = { .inet = own_address() };
    socklen_t size = sizeof place;
    int listener = make_tcp_listener(&address.inet);
    int first = make_socket_at(&place);
    assert_int_equal(getsockname(first, &place.any, &size), 0);
    int second = make_socket_at(&place);
    assert_int_equal(fcntl(first, F_SETFL, 0), 0);
    assert_int_equal(connect(first, &address.any, sizeof address.inet), 0);
    say_connect(scene, "a connection that is there", second, &address, sizeof address.inet);
    other = (union address){ .inet6.sin6_family = AF_INET6 };
    say_connect(scene, "another family", make_socket(AF_INET), &other, sizeof other.inet6);
    other = (union address){ .path = { .sun_family = AF_UNIX, .sun_path = "/nothing" } };
    say_connect(scene, "a path by TCP", make_socket(AF_INET), &other, sizeof other.path);
    say_connect(scene, "half an address", make_socket(AF_INET), &address, 8);
    close(first);
    close(listener);
    say_connect(scene, "nobody", make_socket(AF_INET), &address, sizeof address.inet);
}

/* Sockets that are not what an operation needs. */

static void say_unconnected(struct scene *scene, const char *name, int family)
{
    for (int lends = 0; lends < 2; lends++) {
        struct wf_descriptor socket;
        char data[8];
        attach(&scene->world, &socket, make_socket(family));
        int64_t heard = lends ? receive_lent(scene, &socket, data, sizeof data)
                              : receive(scene, &socket, data, sizeof data);
        int64_t sent = send_some(scene, &socket, "x", 1);
        say(scene, "%s: %s: %s, send: %s", name, lends ? "lend" : "receive", name_of(heard),
            name_of(sent));
        release(scene, &socket);
    }
}

static void use_what_is_not_connected(struct scene *scene)
{
    say_unconnected(scene, "unix", AF_UNIX);
    say_unconnected(scene, "tcp", AF_INET);
}

static void accept_where_nobody_listens(struct scene *scene)
{
    for (int all = 0; all < 2; all++) {
        struct wf_descriptor socket = { .listening = true, .takes_all = all };
        struct probe probe = { 0 };
        int fd = make_socket(AF_INET);
        assert_int_equal(scene->world.ops->attach(scene->world.io, &socket, fd), 0);
        for (int i = 0; i < 2; i++) {
            int64_t result = submit_accept(&scene->world, &probe, &socket);
            say(scene, "%s", name_of(settle(&scene->world, &probe, result)));
        }
        release(scene, &socket);
    }
}

/* How often a send goes well after the peer has closed is TCP's affair; how it ends is not. */
static void send_to_one_who_has_closed(struct scene *scene)
{
    EACH_KIND(kind)
    {
        struct echo echo;
        int64_t result;
        char data[4];
        echo_open(&scene->world, &echo, kind->make);
        close(echo.peer);
        echo.peer = -1;
        say(scene, "%s: heard: %s", kind->name,
            name_of(receive(scene, &echo.descriptor, data, sizeof data)));
        while ((result = send_some(scene, &echo.descriptor, "x", 1)) > 0)
            ;
        say(scene, "%s: sent: %s, again: %s", kind->name, name_of(result),
            name_of(send_some(scene, &echo.descriptor, "x", 1)));
        echo_close(&scene->world, &echo);
    }
}

/* Numbers. */

static void take_in_what_cannot_be(struct scene *scene)
{
    struct world *world = &scene->world;
    struct echo echo;
    struct wf_descriptor other = { 0 };
    struct probe probe = { 0 };
    echo_open(world, &echo, make_pair);
    say(scene, "no number: %s", name_of(world->ops->attach(world->io, &other, -1)));
    say(scene, "taken in already: %s",
        name_of(world->ops->attach(world->io, &other, echo.descriptor.fd)));
    say(scene, "readiness of one taken in: %s",
        name_of(submit_poll(world, &probe, echo.descriptor.fd, WF_POLL_READ)));
    say(scene, "readiness of no number: %s", name_of(submit_poll(world, &probe, -1, WF_POLL_READ)));
    peer_gives(echo.peer, "x", 1);
    char data[4];
    say(scene, "it works: %s", name_of(receive(scene, &echo.descriptor, data, sizeof data)));
    echo_close(world, &echo);
}

/* No number is left for a client: an error each time, and the client is not lost. An accept for
 * many clients ends with it in the kernel: that it has to be begun anew is the trap. */
static void accept_without_numbers(struct scene *scene)
{
    for (int all = 0; all < 2; all++) {
        struct wf_descriptor listener;
        struct sockaddr_in address;
        struct probe probe = { 0 };
        struct rlimit limit, none;
        int64_t results[3];
        attach_listener(&scene->world, &listener, &address);
        listener.takes_all = all;
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
        getrlimit(RLIMIT_NOFILE, &limit);
        none = (struct rlimit){ 0, limit.rlim_max };
        setrlimit(RLIMIT_NOFILE, &none);
        for (int i = 0; i < 2; i++)
            results[i] =
                settle(&scene->world, &probe, submit_accept(&scene->world, &probe, &listener));
        setrlimit(RLIMIT_NOFILE, &limit);
        results[2] = settle(&scene->world, &probe, submit_accept(&scene->world, &probe, &listener));
        say(scene, "%s, %s, then %s", name_of(results[0]), name_of(results[1]),
            results[2] >= 0 ? "a client" : name_of(results[2]));
        close((int)results[2]);
        close(client);
        release(scene, &listener);
    }
}

/* The n-th operation of a kind meets an error of the kernel, of which nothing has happened: that is
 * its result, and the same operation again goes well. An error that is about one client in the
 * queue, and an interruption, are not for who asked. */

struct talk {
    struct scene *scene;
    enum wf_io_fault_kind kind;
    int error, countdown; /* until the operation that fails */
    struct wf_descriptor listener, client, server;
    struct sockaddr_in address;
};

/* Arm the fault if it is this operation's turn. */
static struct wf_io_fault *arm(struct talk *talk, enum wf_io_fault_kind kind)
{
    static struct wf_io_fault fault;
    if (kind != talk->kind || --talk->countdown != 0)
        return NULL;
    fault = (struct wf_io_fault){ .kind = kind, .countdown = 1, .error = talk->error };
    wf_io_fault_set(&fault);
    return &fault;
}

/* True: it was hit, and said so; it is to be made again. */
static bool is_hit(struct talk *talk, const struct wf_io_fault *fault, int64_t result)
{
    if (!fault)
        return false;
    wf_io_fault_set(NULL);
    assert_int_equal(fault->injected, 1);
    say(talk->scene, "    %s", result >= 0 ? "goes on" : name_of(result));
    return result < 0;
}

static void talk_connect(struct talk *talk)
{
    struct world *world = &talk->scene->world;
    struct probe probe = { 0 };
    int64_t result;
    struct wf_io_fault *fault;
    do {
        fault = arm(talk, WF_FAULT_CONNECT);
        result = submit_connect(world, &probe, &talk->client, &talk->address, sizeof talk->address);
        result = settle(world, &probe, result);
    } while (is_hit(talk, fault, result));
    assert_int_equal(result, 0);
}

static void talk_accept(struct talk *talk)
{
    struct world *world = &talk->scene->world;
    struct probe probe = { 0 };
    int64_t result;
    struct wf_io_fault *fault;
    do {
        fault = arm(talk, WF_FAULT_ACCEPT);
        result = settle(world, &probe, submit_accept(world, &probe, &talk->listener));
    } while (is_hit(talk, fault, result));
    assert_true(result >= 0);
    attach(world, &talk->server, (int)result);
}

static void talk_send(struct talk *talk, struct wf_descriptor *from, struct wf_descriptor *to,
                      receive_fn *receive_some)
{
    char data[32];
    int64_t result;
    struct wf_io_fault *fault;
    do {
        fault = arm(talk, WF_FAULT_SEND);
        result = send_some(talk->scene, from, "a fixed text", 12);
    } while (is_hit(talk, fault, result));
    assert_int_equal(result, 12);
    do {
        fault = arm(talk, WF_FAULT_RECV);
        result = receive_some(talk->scene, to, data, sizeof data);
    } while (is_hit(talk, fault, result));
    assert_int_equal(result, 12);
    assert_memory_equal(data, "a fixed text", 12);
}

static void talk_through(struct talk *talk)
{
    struct world *world = &talk->scene->world;
    attach_listener(world, &talk->listener, &talk->address);
    for (int i = 0; i < 2; i++) {
        attach(world, &talk->client, make_tcp());
        talk_connect(talk);
        talk_accept(talk);
        talk_send(talk, &talk->client, &talk->server, receive);
        talk_send(talk, &talk->server, &talk->client, receive_lent);
        release(talk->scene, &talk->server);
        release(talk->scene, &talk->client);
    }
    release(talk->scene, &talk->listener);
}

static void meet_errors(struct scene *scene)
{
    static const struct {
        const char *name;
        enum wf_io_fault_kind kind;
        int errors[8];
    } cases[] = {
        { "connect",
          WF_FAULT_CONNECT,
          { ECONNREFUSED, ENETUNREACH, EADDRNOTAVAIL, ETIMEDOUT, EACCES, ENOMEM, EINTR } },
        { "accept",
          WF_FAULT_ACCEPT,
          { EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, ECONNABORTED, EPROTO, EINTR } },
        { "send",
          WF_FAULT_SEND,
          { EPIPE, ECONNRESET, ENOBUFS, ENOMEM, ETIMEDOUT, EHOSTUNREACH, EINTR } },
        { "receive",
          WF_FAULT_RECV,
          { ECONNRESET, ETIMEDOUT, ENOMEM, ENOBUFS, ENOTCONN, EHOSTUNREACH, EINTR } },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++) {
        for (int j = 0; j < 8 && cases[i].errors[j]; j++) {
            for (int n = 1; n < 10; n++) {
                struct talk talk = { .scene = scene,
                                     .kind = cases[i].kind,
                                     .error = cases[i].errors[j],
                                     .countdown = n };
                say(scene, "%s %d: %s", cases[i].name, n, weft_error_name(-cases[i].errors[j]));
                talk_through(&talk);
                if (talk.countdown > 0) /* there are not so many */
                    break;
            }
        }
    }
}

static const struct scenario scenarios[] = {
    { .name = "connect to paths",
      .play = connect_to_paths,
      .expected = "no such path: -ENOENT\n"
                  "nobody listens: -ECONNREFUSED\n"
                  "left behind: -ECONNREFUSED\n"
                  "a file: -ECONNREFUSED\n"
                  "no such folder: -ENOENT\n" },
    { .name = "connect to addresses",
      .play = connect_to_addresses,
      .expected = "a connection that is there: -EADDRNOTAVAIL\n"
                  "another family: -EAFNOSUPPORT\n"
                  "a path by TCP: -EAFNOSUPPORT\n"
                  "half an address: -EINVAL\n"
                  "nobody: -ECONNREFUSED\n" },
    { .name = "use what is not connected",
      .play = use_what_is_not_connected,
      .expected = "unix: receive: -EINVAL, send: -ENOTCONN\n"
                  "unix: lend: -EINVAL, send: -ENOTCONN\n"
                  "tcp: receive: -ENOTCONN, send: -EPIPE\n"
                  "tcp: lend: -ENOTCONN, send: -EPIPE\n" },
    { .name = "accept where nobody listens",
      .play = accept_where_nobody_listens,
      .expected = "-EINVAL\n-EINVAL\n-EINVAL\n-EINVAL\n" },
    { .name = "send to one who has closed",
      .play = send_to_one_who_has_closed,
      .expected = "unix: heard: 0\n"
                  "unix: sent: -EPIPE, again: -EPIPE\n"
                  "tcp: heard: 0\n"
                  "tcp: sent: -EPIPE, again: -EPIPE\n" },
    { .name = "take in what cannot be",
      .play = take_in_what_cannot_be,
      .expected = "no number: -EBADF\n"
                  "taken in already: -EEXIST\n"
                  "readiness of one taken in: -EEXIST\n"
                  "readiness of no number: -EBADF\n"
                  "it works: 1\n" },
    { .name = "accept without numbers",
      .play = accept_without_numbers,
      .expected = "-EMFILE, -EMFILE, then a client\n"
                  "-EMFILE, -EMFILE, then a client\n" },
    { .name = "meet errors",
      .play = meet_errors,
      .expected = "connect 1: ECONNREFUSED\n"
                  "    -ECONNREFUSED\n"
                  "connect 2: ECONNREFUSED\n"
                  "    -ECONNREFUSED\n"
                  "connect 3: ECONNREFUSED\n"
                  "...\n"
                  "connect 1: EINTR\n"
                  "    goes on\n"
                  "...\n"
                  "accept 2: EMFILE\n"
                  "    -EMFILE\n"
                  "...\n"
                  "accept 1: ECONNABORTED\n"
                  "    goes on\n"
                  "...\n"
                  "send 4: ENOBUFS\n"
                  "    -ENOBUFS\n"
                  "...\n"
                  "receive 4: ECONNRESET\n"
                  "    -ECONNRESET\n"
                  "receive 5: ECONNRESET\n"
                  "receive 1: ETIMEDOUT\n"
                  "    -ETIMEDOUT\n"
                  "...\n"
                  "receive 4: EINTR\n"
                  "    goes on\n"
                  "receive 5: EINTR\n" },
};

int main(void)
{
    return conformance("conformance error", scenarios, WF_ARRAY_SIZE(scenarios));
}
