/* Connections that live for one exchange: connect, a request, its answer, close. What each costs
 * the server's process in CPU time, beside a loop by hand.
 *
 * The clients close first, and come from eight addresses, so that there are ports enough for those
 * whose connections are still remembered.
 *
 *     bench_churn [--help] */

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

#define CROWD     32 /* connections at one time */
#define EXCHANGES 4000
#define SIZE      64
#define ADDRESSES 8

struct churn {
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
    if (churn->begun < EXCHANGES)
        begin_one(churn);
}

/* Microseconds of the server's CPU for a connection. */
static double run(void *arg)
{
    struct churn *churn = arg;
    struct epoll_event events[CROWD];
    double before = server_cpu_ns(&churn->server);
    churn->begun = churn->ended = 0;
    while (churn->begun < CROWD)
        begin_one(churn);
    while (churn->ended < EXCHANGES) {
        int count = epoll_wait(churn->epoll, events, CROWD, 10000);
        if (count <= 0)
            die("no answer for 10 s");
        for (int i = 0; i < count; i++)
            end_one(churn, events[i].data.fd);
    }
    return (server_cpu_ns(&churn->server) - before) / (1e3 * EXCHANGES);
}

static void open_churn(struct churn *churn, const char *name, void (*body)(struct server_ends ends))
{
    *churn = (struct churn){ .epoll = epoll_create1(EPOLL_CLOEXEC) };
    server_start(&churn->server, name, body);
    churn->to = (struct sockaddr_in){ .sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)churn->server.port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int main(int argc, char **argv)
{
    static struct churn all[3];
    static const char *const names[] = { "weft", "floor", "go" };
    static void (*const bodies[])(struct server_ends ends) = { echo_weft, echo_epoll,
                                                               peer_go_echo };
    struct bench_side sides[4] = { { .name = NULL } };
    if (argc > 1 && strcmp(argv[1], "weft") == 0)
        return contest_only_serve(echo_weft);
    bench_begin("churn", "epoll", argc, argv);
    bench_pin(0);
    for (int i = 0; i < 3; i++) {
        open_churn(&all[i], names[i], bodies[i]);
        bool is_here = all[i].server.port != SERVER_NOT_HERE;
        sides[i] = (struct bench_side){ names[i], NULL, is_here ? run : NULL, &all[i] };
    }
    bench_row("churn/echo", "us", sides);
    for (int i = 0; i < 3; i++)
        server_stop(&all[i].server);
    return bench_end();
}
