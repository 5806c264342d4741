/* SIGTERM at any moment under load: whoever had sent its request before the signal gets the whole
 * response, whoever had not may see the connection close, and the server ends in order and in time.
 *
 *     shutdown [rounds [loops]] */

#include "outside.h"

#define CLIENTS 40
#define DRAIN   (2 * SECOND)
#define REQUEST "GET /%u HTTP/1.1\r\nHost: test\r\n\r\n"

static int answer(weft_http *http, void *app)
{
    (void)app;
    const char *number = weft_http_param(http, "number");
    int err = weft_sleep(atoi(number) % 8 * WEFT_MILLISECOND);
    return err < 0 ? err : weft_http_text(http, 200, "answer %s\n", number);
}

static const weft_http_route routes[] = {
    { "GET", "/:number", answer, NULL },
    { NULL, NULL, NULL, NULL },
};

/* A client asks, and once answered asks again, or rests for good: idle connections are there too.
 */
struct client {
    int fd; /* -1: closed */
    unsigned number;
    int64_t sent; /* when its request was handed to the kernel; 0: it is idle */
    char text[512];
    size_t size;
};

struct round {
    struct outside server;
    struct client clients[CLIENTS];
    int open;
    int64_t signalled; /* 0: not yet */
    unsigned answers, pending, lost;
    uint64_t seed;
};

static void ask(struct round *round, struct client *client)
{
    char request[64];
    client->number = outside_random(&round->seed) % 100000;
    int size = snprintf(request, sizeof request, REQUEST, client->number);
    client->size = 0;
    client->text[0] = '\0';
    ssize_t n = send(client->fd, request, (size_t)size, MSG_NOSIGNAL);
    client->sent = n == size ? now_ns() : 0; /* the other end is gone: seen when it is read */
}

static void check_answer(const struct client *client, size_t size)
{
    char expected[32];
    int expected_size = snprintf(expected, sizeof expected, "\r\n\r\nanswer %u\n", client->number);
    require(size == client->size);
    require(strncmp(client->text, "HTTP/1.1 200 OK\r\n", 17) == 0);
    require(strcmp(client->text + size - expected_size, expected) == 0);
}

static void answered(struct round *round, struct client *client, size_t size)
{
    check_answer(client, size);
    round->answers++;
    client->sent = 0;
    client->size = 0;
    if (outside_random(&round->seed) % 50 != 0)
        ask(round, client);
}

static void closed(struct round *round, struct client *client)
{
    require(round->signalled > 0);
    bool in_time = client->sent > 0 && client->sent < round->signalled;
    if (in_time || client->size > 0)
        round->lost++;
    close(client->fd);
    client->fd = -1;
    round->open--;
}

static void receive(struct round *round, struct client *client)
{
    ssize_t n = recv(client->fd, client->text + client->size,
                     sizeof client->text - 1 - client->size, MSG_DONTWAIT);
    if (n <= 0) {
        closed(round, client);
        return;
    }
    client->size += (size_t)n;
    client->text[client->size] = '\0';
    size_t size = outside_response_size(client->text, client->size);
    if (size > 0)
        answered(round, client, size);
}

static void end_server(struct round *round)
{
    for (int i = 0; i < CLIENTS; i++)
        round->pending += round->clients[i].sent > 0;
    round->signalled = now_ns();
    require(kill(round->server.process, SIGTERM) == 0);
}

static void run(struct round *round)
{
    struct pollfd fds[CLIENTS];
    unsigned enough = 1 + outside_random(&round->seed) % 400;
    while (round->open > 0) {
        if (!round->signalled && round->answers >= enough)
            end_server(round);
        for (int i = 0; i < CLIENTS; i++)
            fds[i] = (struct pollfd){ .fd = round->clients[i].fd, .events = POLLIN };
        require(poll(fds, CLIENTS, 10000) > 0);
        for (int i = 0; i < CLIENTS; i++)
            if (fds[i].revents)
                receive(round, &round->clients[i]);
    }
}

static struct round play(uint64_t seed)
{
    static const struct weft_http_serve_options options = { .routes = routes, .drain = DRAIN };
    struct round round = { .seed = seed, .open = CLIENTS };
    round.server = outside_start(&options);
    for (int i = 0; i < CLIENTS; i++) {
        round.clients[i].fd = outside_dial(&round.server);
        ask(&round, &round.clients[i]);
    }
    run(&round);
    outside_await(&round.server);
    require(now_ns() - round.signalled < DRAIN + SECOND);
    return round;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 10;
    outside_loops = argc > 2 ? (uint16_t)atoi(argv[2]) : 1;
    unsigned answers = 0, pending = 0, lost = 0;
    for (int i = 0; i < rounds; i++) {
        struct round round = play((uint64_t)i);
        answers += round.answers;
        pending += round.pending;
        lost += round.lost;
    }
    printf("%d shutdowns, %u answers, %u requests in flight at the signal, %u lost\n", rounds,
           answers, pending, lost);
    return lost > 0;
}
