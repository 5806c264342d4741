/* What 100 quiet clients notice of one that floods the server: their 99th percentile beside the
 * same without him. The victims ask at times that are fixed beforehand, all together 5,000 times a
 * second, and their latency counts from those times. The flooder sends whole requests for as long
 * as the kernel takes them, and reads what comes back; the clients' process serves him last, so
 * that what the victims feel is the server's doing. The row fair/floor is of an epoll loop by hand.
 *
 *     bench_fair [--help] */

#include "bench.h"
#include "echo.h"
#include "floor/echo_epoll.h"
#include "hello.h"
#include "server.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define VICTIMS  100
#define REQUESTS 5000  /* of the victims, in a run: a second */
#define GAP      200e3 /* ns between two */
#define FLOOD    16384 /* bytes of requests in one send */
#define BATCH    256

static const char hello[] = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

struct victim {
    int fd;
    bool waits;
    double due;      /* of the request under way */
    size_t received; /* of its answer */
};

struct crowd {
    struct server server;
    int epoll;
    struct victim victims[VICTIMS];
    int flooder; /* -1: there is none */
    const char *request;
    size_t request_size, answer_size;
    char flood[FLOOD];
    size_t flood_size, flood_at; /* whole requests; sent of them in this round */
    double latencies[REQUESTS];
    int answered;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_fair: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* The flooder. */

static void flood(struct crowd *crowd)
{
    static char answers[65536];
    if (crowd->flooder < 0)
        return;
    ssize_t n = send(crowd->flooder, crowd->flood + crowd->flood_at,
                     crowd->flood_size - crowd->flood_at, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0)
        crowd->flood_at = (crowd->flood_at + (size_t)n) % crowd->flood_size;
    if ((n < 0 && errno != EAGAIN) ||
        recv(crowd->flooder, answers, sizeof answers, MSG_DONTWAIT) == 0)
        die("the server has cut the flooder off");
}

/* The victims. */

static void ask(struct crowd *crowd, struct victim *victim, double due)
{
    victim->waits = true;
    victim->due = due;
    victim->received = 0;
    if (send(victim->fd, crowd->request, crowd->request_size, MSG_NOSIGNAL) !=
        (ssize_t)crowd->request_size)
        die("send");
}

static void hear(struct crowd *crowd, struct victim *victim)
{
    char answer[1024];
    ssize_t n = recv(victim->fd, answer, sizeof answer, MSG_DONTWAIT);
    if (n <= 0)
        die("recv");
    victim->received += (size_t)n;
    if (victim->received < crowd->answer_size)
        return;
    victim->waits = false;
    crowd->latencies[crowd->answered++] = bench_now_ns() - victim->due;
}

/* Ask whose time has come; who still waits asks late, which counts. */
static void ask_due(struct crowd *crowd, double start, int *asked)
{
    while (*asked < REQUESTS) {
        double due = start + *asked * GAP;
        struct victim *victim = &crowd->victims[*asked % VICTIMS];
        if (bench_now_ns() < due || victim->waits)
            return;
        ask(crowd, victim, due);
        ++*asked;
    }
}

static int compare(const void *left, const void *right)
{
    double l = *(const double *)left, r = *(const double *)right;
    return (l > r) - (l < r);
}

/* Microseconds. */
static double percentile(struct crowd *crowd, int percent)
{
    qsort(crowd->latencies, REQUESTS, sizeof *crowd->latencies, compare);
    return crowd->latencies[REQUESTS / 100 * percent - 1] / 1e3;
}

static double run(void *arg)
{
    struct crowd *crowd = arg;
    struct epoll_event events[BATCH];
    double start = bench_now_ns();
    int asked = 0;
    crowd->answered = 0;
    while (crowd->answered < REQUESTS) {
        ask_due(crowd, start, &asked);
        int count = epoll_wait(crowd->epoll, events, BATCH, 0);
        for (int i = 0; i < count; i++)
            hear(crowd, events[i].data.ptr);
        flood(crowd);
    }
    return percentile(crowd, 99);
}

/* A server and its clients. */

static size_t learn_answer(const struct crowd *crowd)
{
    char answer[1024];
    int fd = server_dial(crowd->server.port);
    ssize_t n = -1;
    if (send(fd, crowd->request, crowd->request_size, MSG_NOSIGNAL) > 0)
        n = recv(fd, answer, sizeof answer, 0);
    if (n <= 0)
        die("first answer");
    close(fd);
    return (size_t)n;
}

static void open_crowd(struct crowd *crowd, void (*body)(struct server_ends ends),
                       const char *request, bool floods)
{
    *crowd = (struct crowd){ .request = request, .request_size = strlen(request), .flooder = -1 };
    server_start(&crowd->server, "server", body);
    crowd->answer_size = learn_answer(crowd);
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < VICTIMS; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &crowd->victims[i] };
        crowd->victims[i].fd = server_dial(crowd->server.port);
        if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, crowd->victims[i].fd, &event) < 0)
            die("epoll_ctl");
    }
    for (; crowd->flood_size + crowd->request_size <= FLOOD;
         crowd->flood_size += crowd->request_size)
        memcpy(crowd->flood + crowd->flood_size, request, crowd->request_size);
    if (floods)
        crowd->flooder = server_dial(crowd->server.port);
}

static void close_crowd(struct crowd *crowd)
{
    for (int i = 0; i < VICTIMS; i++)
        close(crowd->victims[i].fd);
    if (crowd->flooder >= 0)
        close(crowd->flooder);
    close(crowd->epoll);
    server_stop(&crowd->server);
}

static void measure(const char *row, const char *side, void (*body)(struct server_ends ends),
                    const char *request)
{
    static struct crowd calm, flooded;
    if (!bench_wants(row))
        return;
    open_crowd(&calm, body, request, false);
    open_crowd(&flooded, body, request, true);
    bench_row(row, "us",
              (struct bench_side[]){ { side, NULL, run, &flooded },
                                     { "calm", "without the flooder", run, &calm },
                                     { .name = NULL } });
    close_crowd(&calm);
    close_crowd(&flooded);
}

int main(int argc, char **argv)
{
    static const char echoed[] = "0123456789012345678901234567890123456789012345678901234567890123";
    bench_begin("fair", argc, argv);
    bench_pin(0);
    measure("fair/echo", "weft", echo_weft, echoed);
    measure("fair/http", "weft", http_weft, hello);
    measure("fair/floor", "floor", echo_epoll, echoed);
    return bench_end();
}
