/* Connections that live for one exchange: connect, a request, its answer, close. What each costs
 * the server's process in CPU time, beside a loop by hand, libuv and Go.
 *
 * churn/echo is at a rate, the times of the connections fixed beforehand: those that are due begin,
 * whatever became of those before. churn/echo/full is as fast as each goes, with so many at one
 * time as in a small crowd.
 *
 * The clients close first, and come from eight addresses, so that there are ports enough for those
 * whose connections are still remembered.
 *
 *     bench_churn [--help]
 *     bench_churn weft          serve until interrupted; prints process and port */

#include "bench.h"
#include "contest.h"
#include "echo.h"
#include "floor/echo_epoll.h"
#include "peers/servers.h"
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define CROWD      32  /* connections at one time, as fast as it goes */
#define CROWD_MAX  256 /* at the rate; fewer than a listener's backlog takes */
#define EXCHANGES  4000
#define RATE       5000.0 /* connections a second */
#define RATE_COUNT 2000   /* in a run at the rate: 400 ms */
#define REACHED    0.98   /* of the rate; below it the server is saturated */
#define SIZE       64
#define ADDRESSES  8

struct churn {
    const char *name;
    struct server server;
    struct sockaddr_in to;
    int epoll;
    int begun, ended; /* connections of this run */
};

static void die(const char *what)
{
    fprintf(stderr, "bench_churn: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Connected on loopback means accepted by the kernel: the request can follow at once. */
static void begin_one(struct churn *churn)
{
    static const char request[SIZE];
    struct sockaddr_in from = { .sin_family = AF_INET };
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(churn->begun++ % ADDRESSES));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        connect(fd, (struct sockaddr *)&churn->to, sizeof churn->to) < 0)
        die("connect");
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    if (send(fd, request, SIZE, MSG_NOSIGNAL) != SIZE ||
        epoll_ctl(churn->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("send");
}

static void end_one(struct churn *churn, int fd)
{
    char answer[SIZE];
    if (recv(fd, answer, SIZE, 0) != SIZE)
        die("answer");
    close(fd);
    churn->ended++;
}

/* Wait so long for answers, in milliseconds; how many have come. */
static int end_some(struct churn *churn, int timeout)
{
    struct epoll_event events[CROWD];
    int count = epoll_wait(churn->epoll, events, CROWD, timeout);
    for (int i = 0; i < count; i++)
        end_one(churn, events[i].data.fd);
    return count;
}

static void go_full(struct churn *churn)
{
    while (churn->ended < EXCHANGES) {
        while (churn->begun < EXCHANGES && churn->begun - churn->ended < CROWD)
            begin_one(churn);
        if (end_some(churn, 10000) <= 0)
            die("no answer for 10 s");
    }
}

/* The clients have a processor to themselves, and never sleep. */
static void go_at_rate(struct churn *churn)
{
    double start = bench_now_ns(), last = start, now = start;
    while (churn->ended < RATE_COUNT) {
        now = bench_now_ns();
        while (churn->begun < RATE_COUNT && churn->begun - churn->ended < CROWD_MAX &&
               now >= start + churn->begun * 1e9 / RATE)
            begin_one(churn);
        if (end_some(churn, 0) > 0)
            last = now;
        else if (now > last + 10e9)
            die("no answer for 10 s");
    }
    if (RATE_COUNT < REACHED * RATE * (now - start) / 1e9)
        bench_saturated();
}

/* Microseconds of the server's CPU for a connection. */
static double run(struct churn *churn, void (*go)(struct churn *churn))
{
    double before = server_cpu_ns(&churn->server);
    churn->begun = churn->ended = 0;
    go(churn);
    return (server_cpu_ns(&churn->server) - before) / (1e3 * churn->ended);
}

static double run_full(void *churn)
{
    return run(churn, go_full);
}

static double run_at_rate(void *churn)
{
    return run(churn, go_at_rate);
}

static void open_churn(struct churn *churn, const char *name, void (*body)(struct server_ends ends))
{
    *churn = (struct churn){ .name = name, .epoll = epoll_create1(EPOLL_CLOEXEC) };
    server_start(&churn->server, name, body);
    churn->to = (struct sockaddr_in){ .sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)churn->server.port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* Ours, on the other driver. */
static void echo_on_ring(struct server_ends ends)
{
    echo_weft_by("uring", false, ends);
}

enum { COUNT = 5 };

static bool is_here(const struct churn *churn)
{
    return churn->server.port != SERVER_NOT_HERE;
}

static void measure(const char *row, struct churn *all, double (*go)(void *churn))
{
    struct bench_side sides[COUNT + 1] = { { .name = NULL } };
    if (!bench_wants(row))
        return;
    for (int i = 0; i < COUNT; i++) {
        sides[i] = (struct bench_side){ .name = all[i].name,
                                        .run = is_here(&all[i]) ? go : NULL,
                                        .arg = &all[i] };
    }
    bench_row(row, "us", sides);
    for (int i = 0; i < COUNT; i++)
        if (is_here(&all[i]))
            bench_memory(all[i].name, server_resident(&all[i].server));
}

int main(int argc, char **argv)
{
    static struct churn all[COUNT];
    static const char *const names[COUNT] = { "weft", "floor", "uv", "go", "ring" };
    static void (*const bodies[COUNT])(struct server_ends ends) = { echo_weft, echo_epoll,
                                                                    peer_uv_echo, peer_go_echo,
                                                                    echo_on_ring };
    if (argc > 1 && strcmp(argv[1], "weft") == 0)
        return contest_only_serve(echo_weft);
    bench_begin("churn", argc, argv);
    bench_pin(0);
    for (int i = 0; i < COUNT; i++)
        open_churn(&all[i], names[i], bodies[i]);
    measure("churn/echo", all, run_at_rate);
    measure("churn/echo/full", all, run_full);
    for (int i = 0; i < COUNT; i++)
        server_stop(&all[i].server);
    return bench_end();
}
