/* Clients that mean harm, beside clients that do not: heads and bodies a byte at a time, responses
 * that nobody reads, requests without end. The others are answered, all of them and rightly; an
 * attacker costs the server a bounded amount of memory, and is left in time.
 *
 *     attack [attackers [answers [ratio]]]
 *
 * With a ratio, calm and attack take turns, and the p99 of the others under attack, beside the calm
 * one, must stay below it. That is a measurement and wants a quiet machine. */

#include "outside.h"

#include "usage.h"

#define CLIENTS  16
#define PHASES   6          /* of each kind, with a ratio */
#define ONCE     (1L << 20) /* what a server needs the first time, whoever comes */
#define PATIENCE (2 * SECOND)
#define PAGE     "hello, world\n"
#define LARGE    (1 << 20)

static int hello(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, PAGE);
}

static int large(weft_http *http, void *app)
{
    (void)app;
    static char bytes[LARGE];
    return weft_http_send(http, 200, NULL, bytes, sizeof bytes);
}

static const weft_http_route routes[] = {
    { "GET", "/", hello, NULL },
    { "POST", "/", hello, NULL },
    { "GET", "/large", large, NULL },
    { NULL, NULL, NULL, NULL },
};

/* --- the attackers, in a process of their own --- */

struct attack {
    const char *name;
    const char *begin; /* what each connection says at first */
    const char *drip;  /* and then, again and again, a byte of this at a time */
    long memory_max;   /* of the server's, for each connection */
};

static const struct attack attacks[] = {
    { "slow heads", "GET / HTTP/1.1\r\nHost: test\r\n", "A: b\r\n", 32 << 10 },
    { "slow bodies", "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n", "x",
      160 << 10 },
    { "slow chunks", "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n",
      "1\r\nx\r\n", 32 << 10 },
    { "silence", "", "", 16 << 10 },
    { "responses that nobody reads",
      "GET /large HTTP/1.1\r\nHost: test\r\n\r\nGET /large HTTP/1.1\r\nHost: test\r\n\r\n", "",
      192 << 10 },
};

struct attacker {
    int fd;
    unsigned step;
};

static void begin_attack(struct attacker *attacker, const struct attack *attack,
                         const struct outside *server)
{
    int small = 4096;
    attacker->fd = outside_dial(server);
    attacker->step = 0;
    setsockopt(attacker->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    send(attacker->fd, attack->begin, strlen(attack->begin), MSG_NOSIGNAL);
}

/* A byte more; one that the server has left comes again. */
static void go_on(struct attacker *attacker, const struct attack *attack,
                  const struct outside *server)
{
    char byte;
    size_t size = strlen(attack->drip);
    bool over = recv(attacker->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    if (!over && size > 0)
        over = send(attacker->fd, attack->drip + attacker->step++ % size, 1,
                    MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
               errno != EAGAIN;
    if (!over)
        return;
    close(attacker->fd);
    begin_attack(attacker, attack, server);
}

/* Each one acts about once a second. */
static _Noreturn void attack_for_ever(const struct attack *attack, const struct outside *server,
                                      int count, int report)
{
    struct attacker *attackers = calloc((size_t)count, sizeof *attackers);
    struct timespec tick = { .tv_nsec = 1000000000L / count };
    require(attackers);
    for (int i = 0; i < count; i++)
        begin_attack(&attackers[i], attack, server);
    require(write(report, "", 1) == 1);
    for (int i = 0;; i = (i + 1) % count) {
        go_on(&attackers[i], attack, server);
        nanosleep(&tick, NULL);
    }
}

static pid_t start_attack(const struct attack *attack, const struct outside *server, int count)
{
    int ends[2];
    char ready;
    require(pipe(ends) == 0);
    fflush(stdout);
    pid_t process = fork();
    require(process >= 0);
    if (process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        attack_for_ever(attack, server, count, ends[1]);
    }
    close(ends[1]);
    require(read(ends[0], &ready, 1) == 1);
    close(ends[0]);
    return process;
}

static void stop_attack(pid_t process)
{
    kill(process, SIGKILL);
    waitpid(process, NULL, 0);
}

/* --- the others --- */

struct client {
    int fd;
    int64_t sent;
    char text[512];
    size_t size;
};

struct others {
    struct client clients[CLIENTS];
    int64_t *took; /* each answer's time */
    size_t answers, wanted;
};

static void ask(struct client *client)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    client->size = 0;
    client->sent = now_ns();
    require(send(client->fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1);
}

static void receive(struct others *others, struct client *client)
{
    ssize_t n = recv(client->fd, client->text + client->size,
                     sizeof client->text - 1 - client->size, MSG_DONTWAIT);
    require(n > 0);
    client->size += (size_t)n;
    client->text[client->size] = '\0';
    if (outside_response_size(client->text, client->size) == 0)
        return;
    require(strncmp(client->text, "HTTP/1.1 200 OK\r\n", 17) == 0);
    require(strcmp(client->text + client->size - strlen(PAGE), PAGE) == 0);
    others->took[others->answers++] = now_ns() - client->sent;
    ask(client);
}

static void open_others(struct others *others, const struct outside *server, size_t wanted)
{
    others->took = calloc(wanted + CLIENTS, sizeof *others->took);
    others->wanted = wanted;
    require(others->took);
    for (int i = 0; i < CLIENTS; i++) {
        others->clients[i].fd = outside_dial(server);
        ask(&others->clients[i]);
    }
}

static void close_others(struct others *others)
{
    for (int i = 0; i < CLIENTS; i++)
        close(others->clients[i].fd);
    free(others->took);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The p99 of so many answers, in microseconds. */
static double measure(struct others *others)
{
    others->answers = 0;
    while (others->answers < others->wanted) {
        struct pollfd fds[CLIENTS];
        for (int i = 0; i < CLIENTS; i++)
            fds[i] = (struct pollfd){ .fd = others->clients[i].fd, .events = POLLIN };
        require(poll(fds, CLIENTS, 10000) > 0);
        for (int i = 0; i < CLIENTS; i++)
            if (fds[i].revents)
                receive(others, &others->clients[i]);
    }
    qsort(others->took, others->answers, sizeof *others->took, compare);
    return (double)others->took[others->answers * 99 / 100] / 1000;
}

/* --- both --- */

static const struct weft_http_serve_options options = {
    .routes = routes,
    .header_timeout = PATIENCE,
    .body_timeout = PATIENCE,
    .idle_timeout = PATIENCE,
    .send_timeout = PATIENCE,
};

/* Bytes that are there. */
static long memory_of(pid_t process)
{
    return (long)usage_of(process).resident;
}

struct result {
    double calm[PHASES], attacked[PHASES];
    long memory; /* for each attacker, at most */
};

static void phase(const struct attack *attack, const struct outside *server, int count,
                  struct others *others, struct result *result, int i)
{
    result->calm[i] = measure(others);
    long before = memory_of(server->process);
    pid_t attackers = start_attack(attack, server, count);
    result->attacked[i] = measure(others);
    long memory = (memory_of(server->process) - before - ONCE) / count;
    result->memory = memory > result->memory ? memory : result->memory;
    stop_attack(attackers);
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare_double);
    return values[count / 2];
}

static bool withstands(const struct attack *attack, int count, size_t answers, double ratio)
{
    struct others others;
    struct result result = { .memory = 0 };
    int phases = ratio > 0 ? PHASES : 1;
    struct outside server = outside_start(&options);
    open_others(&others, &server, answers);
    for (int i = 0; i < phases; i++)
        phase(attack, &server, count, &others, &result, i);
    close_others(&others);
    kill(server.process, SIGTERM);
    outside_await(&server);
    double calm = median(result.calm, phases), attacked = median(result.attacked, phases);
    printf("%d with %s: p99 %.0f us, calm %.0f us, %.2fx; %ld bytes of the server's each\n", count,
           attack->name, attacked, calm, attacked / calm, result.memory);
    return result.memory <= attack->memory_max && (ratio == 0 || attacked / calm <= ratio);
}

/* Requests without end, and no answer is read: the server stops reading, holds little, and leaves.
 */
static bool withstands_flood(long requests)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    struct outside server = outside_start(&options);
    int fd = outside_dial(&server);
    size_t size = (sizeof request - 1) * (size_t)requests, sent = 0;
    char *bytes = malloc(size);
    require(bytes);
    for (long i = 0; i < requests; i++)
        memcpy(bytes + (size_t)i * (sizeof request - 1), request, sizeof request - 1);
    long before = memory_of(server.process), most = 0;
    for (bool alive = true; alive;) {
        struct pollfd poll_fd = { .fd = fd, .events = sent < size ? POLLOUT : 0 };
        require(poll(&poll_fd, 1, 20000) > 0);
        long memory = memory_of(server.process) - before;
        most = memory > most ? memory : most;
        ssize_t n = send(fd, bytes + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        alive = n > 0 || (n < 0 && errno == EAGAIN);
        sent += n > 0 ? (size_t)n : 0;
        if (poll_fd.revents & (POLLHUP | POLLERR))
            alive = false;
    }
    printf("%ld requests and no answer read: left after %zu, %ld bytes of the server's\n", requests,
           sent / (sizeof request - 1), most);
    close(fd);
    free(bytes);
    kill(server.process, SIGTERM);
    outside_await(&server);
    return most < 1 << 20;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 100;
    long answers = argc > 2 ? atol(argv[2]) : 5000;
    double ratio = argc > 3 ? atof(argv[3]) : 0;
    bool good = true;
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++)
        good &= withstands(&attacks[i], count, (size_t)answers, ratio);
    good &= withstands_flood(ratio > 0 ? 1000000 : 300000);
    return good ? 0 : 1;
}
