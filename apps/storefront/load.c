#include "load.h"

#include "codec/http1.h"
#include "storefront.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define ANSWER_MAX     4096 /* no page is as long */
#define EVENTS_MAX     256
#define CLIENTS_MAX    1000 /* who may wait at one time, unless it is a crowd */
#define CONNECTING_MAX 128  /* of a crowd: a listener's queue is not endless */
#define PATIENCE_MS    20000
#define CATCH_UP       WEFT_SECOND /* behind by more than this, nobody asks for what was due */

/* A connection. Free: fd < 0. Idle: connected, and `busy` is not set. */
struct client {
    struct client *next; /* in the list of those who are free or idle */
    int fd;
    bool connecting;
    bool busy;     /* a request is due, under way, or being answered */
    bool used;     /* the connection has carried an answer before */
    bool is_probe; /* asks for /health */
    int product;
    int64_t due; /* when the request should have been sent */
    size_t received;
    char answer[ANSWER_MAX];
};

/* Requests that are due one after the other. */
struct schedule {
    int64_t interval; /* 0: there are none */
    int64_t next;     /* when one is due */
    int64_t left;
};

struct expectation {
    const char *whole, *degraded;
};

struct load {
    struct side *side;
    struct sockaddr_storage address;
    int epoll, timer;
    struct schedule pages, probes;
    int crowd;            /* clients that ask at once; 0: no crowd */
    int crowd_opened;     /* of them, so many have begun to connect … */
    int crowd_connecting; /* … and so many have not ended that */
    struct client *clients;
    int clients_max, clients_open;
    struct client *idle; /* the one who was busy last comes first */
    struct client prober;
    int pending; /* pages that were begun and have not ended */
    uint32_t dice;
    struct expectation *expectations; /* the page of product n is in n - 1 */
    int products;
};

/* --- What the answers have to be. --- */

static bool expect(struct expectation *expectation, weft_arena *arena,
                   const struct product *product)
{
    const char *catalog = catalog_text(arena, product), *price = price_text(arena, product);
    const char *stock = stock_text(arena, product), *reviews = reviews_text(arena, product);
    if (catalog == NULL || price == NULL || stock == NULL || reviews == NULL)
        return false;
    expectation->whole = page_text(arena, catalog, price, stock, reviews);
    expectation->degraded = page_text(arena, catalog, price, stock, NULL);
    return expectation->whole != NULL && expectation->degraded != NULL;
}

static bool expect_all(struct load *load, const struct products *products)
{
    load->products = products->count;
    load->expectations = calloc((size_t)products->count, sizeof *load->expectations);
    bool good = load->expectations != NULL;
    for (int i = 0; i < products->count && good; i++)
        good = expect(&load->expectations[i], products->arena, &products->list[i]);
    return good;
}

static bool is_text(const char *body, size_t size, const char *text)
{
    return strlen(text) == size && memcmp(body, text, size) == 0;
}

static enum outcome judge(const struct load *load, const struct client *client, int status,
                          const char *body, size_t size)
{
    const struct expectation *expected = &load->expectations[client->product - 1];
    if (status == 200 && is_text(body, size, expected->whole))
        return OUTCOME_WHOLE;
    if (status == 200 && is_text(body, size, expected->degraded))
        return OUTCOME_DEGRADED;
    return status == 504 ? OUTCOME_LATE : status == 502 ? OUTCOME_FAILED : OUTCOME_LOST;
}

/* --- One client. --- */

static void release(struct load *load, struct client *client)
{
    client->busy = false;
    if (client->is_probe)
        return;
    client->next = load->idle;
    load->idle = client;
}

static void hang_up(struct client *client)
{
    close(client->fd);
    client->fd = -1;
    client->connecting = false;
}

static void end_page(struct load *load, struct client *client, enum outcome outcome)
{
    flow_end(&load->side->asked, client->due, outcome);
    load->pending--;
}

/* The request comes to nothing. */
static void lose(struct load *load, struct client *client, int error)
{
    side_refuse(load->side, REFUSED_ANSWER, error);
    if (!client->is_probe)
        end_page(load, client, OUTCOME_LOST);
    release(load, client);
}

static void send_request(struct load *load, struct client *client)
{
    char request[128];
    int size = client->is_probe
                   ? snprintf(request, sizeof request, "GET /health HTTP/1.1\r\nHost: load\r\n\r\n")
                   : snprintf(request, sizeof request,
                              "GET /product/%d HTTP/1.1\r\nHost: load\r\n\r\n", client->product);
    client->received = 0;
    if (send(client->fd, request, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT) == size)
        return;
    int error = errno;
    hang_up(client);
    lose(load, client, error);
}

/* Begin to connect. Returns 0, or the errno. */
static int dial_up(struct load *load, struct client *client)
{
    int one = 1;
    const struct sockaddr *address = (const struct sockaddr *)&load->address;
    socklen_t size =
        address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = client };
    client->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        return errno;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if ((connect(client->fd, address, size) < 0 && errno != EINPROGRESS) ||
        epoll_ctl(load->epoll, EPOLL_CTL_ADD, client->fd, &event) < 0) {
        int error = errno;
        hang_up(client);
        return error;
    }
    client->connecting = true; /* even where it is done: the event says so */
    client->used = false;
    return 0;
}

/* Its request is due: send it, or connect first. */
static void ask(struct load *load, struct client *client)
{
    client->busy = true;
    if (client->fd >= 0) {
        send_request(load, client);
        return;
    }
    int error = dial_up(load, client);
    if (error != 0)
        lose(load, client, error);
}

/* The connection has ended, or never was. A kept one that the server closed before it saw our
 * request means nothing: once more on a new one. */
static void cut_off(struct load *load, struct client *client, int error)
{
    bool again = client->busy && client->used && client->received == 0;
    hang_up(client);
    if (again)
        ask(load, client);
    else if (client->busy)
        lose(load, client, error);
}

static void finish(struct load *load, struct client *client, const struct wf_http1_head *head)
{
    const char *body = client->answer + head->size;
    client->used = true;
    if (client->is_probe)
        histogram_add(&load->side->health, weft_now() - client->due);
    else
        end_page(load, client,
                 judge(load, client, head->status, body, (size_t)head->content_length));
    if (!head->keep_alive)
        hang_up(client);
    release(load, client);
}

/* Whether the answer is whole; -EPROTO when it is none, or longer than any page. */
static int look(struct load *load, struct client *client)
{
    static const struct wf_http1_limits limits = WF_HTTP1_LIMITS_DEFAULT;
    struct wf_http1_header headers[100];
    struct wf_http1_parser parser;
    wf_http1_response_begin(&parser, &limits, headers, false);
    switch (wf_http1_parse(&parser, client->answer, client->received)) {
    case WF_HTTP1_MORE:
        return client->received < ANSWER_MAX ? 0 : -EPROTO;
    case WF_HTTP1_COMPLETE:
        break;
    default:
        return -EPROTO;
    }
    uint64_t size = parser.head.size + parser.head.content_length;
    if (size > ANSWER_MAX || client->received > size)
        return -EPROTO;
    if (client->received == size)
        finish(load, client, &parser.head);
    return 0;
}

/* Edge-triggered: until there is nothing more. */
static void receive(struct load *load, struct client *client)
{
    while (client->fd >= 0) {
        ssize_t n = recv(client->fd, client->answer + client->received,
                         ANSWER_MAX - client->received, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            cut_off(load, client, n < 0 ? errno : ECONNRESET);
            return;
        }
        client->received += (size_t)n;
        int err = client->busy ? look(load, client) : -EPROTO;
        if (err < 0)
            cut_off(load, client, -err);
    }
}

/* --- A crowd: all connect first, then all ask in one moment. --- */

static void draw_product(struct load *load, struct client *client)
{
    load->dice = load->dice * 1664525u + 1013904223u;
    client->product = (int)(load->dice >> 8) % load->products + 1;
}

static void begin_page(struct load *load, struct client *client, int64_t due)
{
    flow_begin(&load->side->asked);
    load->pending++;
    client->due = due;
    draw_product(load, client);
    ask(load, client);
}

static void crowd_ask(struct load *load)
{
    int64_t now = weft_now();
    load->idle = NULL;
    for (int i = 0; i < load->crowd; i++)
        begin_page(load, &load->clients[i], now);
}

static void crowd_connect(struct load *load)
{
    while (load->crowd_opened < load->crowd && load->crowd_connecting < CONNECTING_MAX) {
        struct client *client = &load->clients[load->crowd_opened++];
        if (dial_up(load, client) == 0)
            load->crowd_connecting++;
    }
    if (load->crowd_opened == load->crowd && load->crowd_connecting == 0)
        crowd_ask(load);
}

/* --- Events. --- */

static void on_connected(struct load *load, struct client *client)
{
    client->connecting = false;
    if (client->busy) {
        send_request(load, client);
    } else if (load->crowd > 0) {
        load->crowd_connecting--;
        crowd_connect(load);
    }
}

static void on_refused(struct load *load, struct client *client, int error)
{
    bool gathers = load->crowd > 0 && !client->busy;
    cut_off(load, client, error);
    if (gathers) {
        load->crowd_connecting--;
        crowd_connect(load);
    }
}

static void on_event(struct load *load, struct client *client, unsigned events)
{
    if (client->fd < 0)
        return;
    if (client->connecting) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            on_refused(load, client, error);
            return;
        }
        if ((events & EPOLLOUT) == 0)
            return;
        on_connected(load, client);
    }
    if (client->fd >= 0 && (events & ~(unsigned)EPOLLOUT) != 0)
        receive(load, client);
}

/* A client for the next page: an idle one, or a new one; NULL when all wait. */
static struct client *take_client(struct load *load)
{
    struct client *client = load->idle;
    if (client != NULL) {
        load->idle = client->next;
        return client;
    }
    return load->clients_open < load->clients_max ? &load->clients[load->clients_open++] : NULL;
}

static void page_is_due(struct load *load, int64_t due)
{
    struct client *client = take_client(load);
    if (client != NULL)
        begin_page(load, client, due);
    else
        atomic_fetch_add(&load->side->missed, 1);
}

/* The next due time that has come, or 0. What is long overdue is skipped. */
static int64_t take_due(struct schedule *schedule, int64_t now)
{
    if (schedule->interval == 0 || schedule->left == 0 || schedule->next > now)
        return 0;
    if (now - schedule->next > CATCH_UP)
        schedule->next = now;
    int64_t due = schedule->next;
    schedule->next += schedule->interval;
    schedule->left--;
    return due;
}

/* The prober has one connection: its requests queue, and their times count from when they were due.
 */
static void probe(struct load *load, int64_t now)
{
    int64_t due = load->prober.busy ? 0 : take_due(&load->probes, now);
    if (due == 0)
        return;
    load->prober.due = due;
    ask(load, &load->prober);
}

static void on_time(struct load *load)
{
    int64_t now = weft_now(), due;
    while ((due = take_due(&load->pages, now)) != 0)
        page_is_due(load, due);
    probe(load, now);
}

static bool is_over(const struct load *load)
{
    bool asks = load->pages.interval != 0 && load->pages.left != 0;
    bool probes = load->probes.interval != 0 && (load->probes.left != 0 || load->prober.busy);
    bool gathers = load->crowd > 0 && (load->crowd_opened < load->crowd || load->crowd_connecting);
    return !asks && !probes && !gathers && load->pending == 0;
}

/* Wake up when the next request is due. */
static void set_timer(const struct load *load)
{
    int64_t next = INT64_MAX;
    if (load->pages.interval != 0 && load->pages.left != 0)
        next = load->pages.next;
    if (load->probes.interval != 0 && load->probes.left != 0 && !load->prober.busy &&
        load->probes.next < next)
        next = load->probes.next;
    struct itimerspec time = { 0 };
    if (next != INT64_MAX)
        time.it_value = (struct timespec){ next / WEFT_SECOND, next % WEFT_SECOND };
    timerfd_settime(load->timer, TFD_TIMER_ABSTIME, &time, NULL);
}

static int run(struct load *load)
{
    struct epoll_event events[EVENTS_MAX];
    if (load->crowd > 0)
        crowd_connect(load);
    while (!is_over(load)) {
        set_timer(load);
        int count = epoll_wait(load->epoll, events, EVENTS_MAX, PATIENCE_MS);
        if (count == 0)
            return -ETIMEDOUT;
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr != NULL)
                on_event(load, events[i].data.ptr, events[i].events);
        on_time(load);
    }
    return 0;
}

/* --- Beginning and end. --- */

bool load_address(const char *text, struct sockaddr_storage *address)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t length = colon != NULL ? (size_t)(colon - text) : 0;
    int port = colon != NULL ? read_number(colon + 1) : -1;
    if (length == 0 || length >= sizeof host || port < 0 || port > UINT16_MAX)
        return false;
    bool is_v6 = text[0] == '[' && text[length - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(is_v6 ? length - 2 : length), text + is_v6);

    *address = (struct sockaddr_storage){ .ss_family = is_v6 ? AF_INET6 : AF_INET };
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    if (is_v6)
        v6->sin6_port = htons((uint16_t)port);
    else
        v4->sin_port = htons((uint16_t)port);
    return inet_pton(address->ss_family, host,
                     is_v6 ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr) == 1;
}

static void begin_schedule(struct schedule *schedule, int rate, int count)
{
    *schedule = (struct schedule){ .interval = rate > 0 ? WEFT_SECOND / rate : 0,
                                   .next = weft_now(),
                                   .left = count > 0 ? count : INT64_MAX };
}

static bool read_words(struct load *load, char **words)
{
    int rate = 0, count = 0, probe = 0, probes = 0;
    for (; words[0] != NULL && words[1] != NULL; words += 2) {
        int *number = strcmp(words[0], "rate") == 0     ? &rate
                      : strcmp(words[0], "count") == 0  ? &count
                      : strcmp(words[0], "probe") == 0  ? &probe
                      : strcmp(words[0], "probes") == 0 ? &probes
                      : strcmp(words[0], "crowd") == 0  ? &load->crowd
                                                        : NULL;
        if (number == NULL || (*number = read_number(words[1])) < 0)
            return false;
    }
    begin_schedule(&load->pages, rate, count);
    begin_schedule(&load->probes, probe, probes);
    return words[0] == NULL;
}

static int open_load(struct load *load)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    load->clients_max = load->crowd > 0 ? load->crowd : CLIENTS_MAX;
    load->clients = calloc((size_t)load->clients_max, sizeof *load->clients);
    if (load->epoll < 0 || load->timer < 0 ||
        epoll_ctl(load->epoll, EPOLL_CTL_ADD, load->timer, &event) < 0)
        return -errno;
    if (load->clients == NULL)
        return -ENOMEM;
    for (int i = 0; i < load->clients_max; i++)
        load->clients[i].fd = -1;
    load->prober.fd = -1;
    load->prober.is_probe = true;
    return 0;
}

static void close_load(struct load *load)
{
    close(load->epoll);
    close(load->timer);
    free(load->clients);
    free(load->expectations);
}

int load_main(struct board *board, const struct products *products, char **words)
{
    struct load load = { .epoll = -1, .timer = -1, .dice = 1 };
    if (words[0] == NULL || words[1] == NULL || !load_address(words[1], &load.address) ||
        !read_words(&load, words + 2))
        return -EINVAL;
    load.side = &board->sides[strcmp(words[0], "threads") == 0 ? SIDE_THREADS : SIDE_WEFT];
    int err = expect_all(&load, products) ? open_load(&load) : -ENOMEM;
    if (err >= 0)
        err = run(&load);
    close_load(&load);
    return err;
}
