/* The same shop without weft: blocking sockets, and a thread for each connection.
 *
 *     a client's connection      a thread, which for each page starts
 *      +- catalog, price, …      four threads: to ask four services at once takes four that wait
 *     a service's connection     a thread, for as long as the gateway keeps the connection
 *
 * So a page in flight holds nine threads: one and four in the gateway, four in the services. What
 * is asked, answered and counted is the same as in weft's shop, and so are the codec, the texts and
 * the deadline; connections to the services are kept as weft's client keeps them. Threads have
 * stacks of 64 KiB, as weft's tasks do.
 *
 * What is spared it: its stock is a number in its own memory, where weft's stock service asks a
 * store, so this shop answers a page by less, and whatever the comparison says against it is not
 * the store. It sells nothing and remembers nobody; the load does neither. A service of it that
 * asked a store as one does with threads would hold one more connection for each of its own.
 *
 * What cannot be the same: nobody can end a thread that waits in the kernel. When price has failed,
 * the page's answer is certain, and its thread waits for the other three all the same. */

#include "codec/http1.h"
#include "role.h"
#include "storefront.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE  ((size_t)64 << 10)
#define MESSAGE_MAX 4096 /* head and body */
#define IDLE_MAX    64   /* connections that the gateway keeps to each service */
#define LOOK_MS     50   /* how often a service looks whether it is meant to be dead */

typedef const char *text_fn(weft_arena *arena, const struct product *product);

struct server {
    int part; /* or STOREFRONT_GATEWAY */
    int listener;
    struct sockaddr_in address;
    text_fn *text; /* what it says of a product; NULL: it is the gateway */
    struct dial *dial;
    _Atomic int64_t block_next;

    pthread_mutex_t lock; /* of the gateway's idle connections to it */
    int idle[IDLE_MAX];
    int idle_count;
};

static struct board *board;
static struct side *side;
static const struct products *products;
static pthread_attr_t thread_attributes;
static struct server servers[STOREFRONT_PROCESSES];

static text_fn *const texts[STOREFRONT_PROCESSES] = { catalog_text, price_text, stock_text,
                                                      reviews_text };

/* --- Messages on a blocking socket. --- */

struct wire {
    int socket;
    int64_t deadline; /* WEFT_FOREVER: none */
    size_t size;      /* bytes received */
    char data[MESSAGE_MAX];
    struct wf_http1_header headers[32];
};

static const struct wf_http1_limits limits = { 1024, 3072, 32 };

/* The bytes stay as they are: clearing them would touch memory that nobody needs. */
static void wire_init(struct wire *wire, int socket, int64_t deadline)
{
    wire->socket = socket;
    wire->deadline = deadline;
    wire->size = 0;
}

/* Wait until something has come, at most until the deadline. */
static int await_input(const struct wire *wire)
{
    struct pollfd input = { .fd = wire->socket, .events = POLLIN };
    int ms = -1;
    if (wire->deadline != WEFT_FOREVER) {
        int64_t left = wire->deadline - weft_now();
        if (left <= 0)
            return -ETIMEDOUT;
        ms = (int)((left + WEFT_MILLISECOND - 1) / WEFT_MILLISECOND);
    }
    int count = poll(&input, 1, ms);
    return count < 0 ? -errno : count == 0 ? -ETIMEDOUT : 0;
}

/* Bytes received; 0 at the end. */
static ssize_t receive(struct wire *wire)
{
    int err = await_input(wire);
    if (err < 0)
        return err;
    ssize_t n = recv(wire->socket, wire->data + wire->size, MESSAGE_MAX - wire->size, 0);
    if (n > 0)
        wire->size += (size_t)n;
    return n < 0 ? -errno : n;
}

/* Read a whole message. 1 and the parser's head, 0 at the end of the stream, or negative. */
static int read_message(struct wire *wire, struct wf_http1_parser *parser)
{
    for (;;) {
        enum wf_http1_result result = wf_http1_parse(parser, wire->data, wire->size);
        if (result == WF_HTTP1_REFUSED)
            return -EPROTO;
        if (result == WF_HTTP1_COMPLETE &&
            wire->size >= parser->head.size + parser->head.content_length)
            return 1;
        if (wire->size == MESSAGE_MAX)
            return -EMSGSIZE;
        ssize_t n = receive(wire);
        if (n <= 0)
            return (int)n;
    }
}

/* Drop the message that was read; what came behind it moves to the front. */
static void drop_message(struct wire *wire, const struct wf_http1_head *head)
{
    size_t used = head->size + (size_t)head->content_length;
    wire->size -= used;
    memmove(wire->data, wire->data + used, wire->size);
}

static bool send_all(int socket, const char *head, size_t head_size, const char *body,
                     size_t body_size)
{
    struct iovec pieces[] = { { (char *)head, head_size }, { (char *)body, body_size } };
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = body_size > 0 ? 2 : 1 };
    return sendmsg(socket, &message, MSG_NOSIGNAL) == (ssize_t)(head_size + body_size);
}

static bool answer(const struct wire *wire, int status, const char *type, const char *body)
{
    char head[512];
    struct wf_http1_response_out out = { .status = status,
                                         .content_type = type,
                                         .content_length = (int64_t)strlen(body) };
    ptrdiff_t size = wf_http1_write_response(head, sizeof head, &out);
    return size > 0 && send_all(wire->socket, head, (size_t)size, body, strlen(body));
}

static bool answer_json(const struct wire *wire, int status, const char *body)
{
    return answer(wire, status, "application/json", body);
}

/* --- Threads. --- */

static int start_thread(pthread_t *thread, void *(*body)(void *), void *arg)
{
    int error = pthread_create(thread, &thread_attributes, body, arg);
    if (error != 0)
        side_refuse(side, REFUSED_THREAD, error);
    return -error;
}

static void start_detached(void *(*body)(void *), void *arg)
{
    pthread_t thread;
    if (start_thread(&thread, body, arg) == 0)
        pthread_detach(thread);
}

static void really_sleep(int64_t ns)
{
    struct timespec time = { .tv_sec = ns / WEFT_SECOND, .tv_nsec = ns % WEFT_SECOND };
    if (ns > 0)
        nanosleep(&time, NULL);
}

/* --- A service. --- */

/* "/price/7" has the product 7; NULL when there is none. */
static const struct product *find_product(const char *path)
{
    const char *id = strrchr(path, '/');
    return id != NULL ? products_find(products, id + 1) : NULL;
}

static bool serve_part(struct server *server, const struct wire *wire, const char *path,
                       weft_arena *arena)
{
    if (atomic_load(&server->dial->dead))
        return false;
    really_sleep(atomic_load(&server->dial->latency));
    if (server->part == STOREFRONT_STOCK && block_is_due(server->dial, &server->block_next))
        really_sleep(atomic_load(&server->dial->block));

    const struct product *product = find_product(path);
    if (product == NULL)
        return answer_json(wire, 404, "{\"error\":\"no such product\"}");
    const char *text = server->text(arena, product);
    return text != NULL && answer_json(wire, 200, text);
}

/* --- The gateway. --- */

struct part {
    struct server *server;
    const char *path;
    int64_t deadline;
    int status; /* 0: no answer */
    int error;  /* negative, when there is none */
    char *body; /* of the answer, on the heap */
};

static int take_idle(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    int socket = server->idle_count > 0 ? server->idle[--server->idle_count] : -1;
    pthread_mutex_unlock(&server->lock);
    return socket;
}

static void keep(struct server *server, int socket)
{
    pthread_mutex_lock(&server->lock);
    bool kept = server->idle_count < IDLE_MAX;
    if (kept)
        server->idle[server->idle_count++] = socket;
    pthread_mutex_unlock(&server->lock);
    if (!kept)
        close(socket);
}

static int open_connection(const struct server *server)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        int error = errno;
        side_refuse(side, REFUSED_SOCKET, error);
        return -error;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (const struct sockaddr *)&server->address, sizeof server->address) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

static int take_answer(struct part *part, const struct wire *wire, const struct wf_http1_head *head)
{
    part->body = strndup(wire->data + head->size, (size_t)head->content_length);
    if (part->body == NULL)
        return -ENOMEM;
    part->status = head->status;
    return 1;
}

/* One exchange on a connection, which is kept or closed. 1 when it was answered; 0 when the server
 * closed before a byte of the answer came. */
static int exchange(struct part *part, int socket)
{
    char request[128];
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", part->path,
                        part_names[part->server->part]);
    struct wire wire;
    struct wf_http1_parser parser;
    wire_init(&wire, socket, part->deadline);
    wf_http1_response_begin(&parser, &limits, wire.headers, false);
    int result =
        send_all(socket, request, (size_t)size, NULL, 0) ? read_message(&wire, &parser) : 0;
    if (result == -ECONNRESET)
        result = 0;
    if (result == 1) {
        keep(part->server, socket);
        return take_answer(part, &wire, &parser.head);
    }
    close(socket);
    return result;
}

/* A kept connection may have been closed by the service: then once more on a new one. */
static void fetch(struct part *part)
{
    int socket = take_idle(part->server), result = 0;
    if (socket >= 0)
        result = exchange(part, socket);
    if (result == 0) {
        socket = open_connection(part->server);
        result = socket < 0 ? socket : exchange(part, socket);
    }
    part->error = result == 1 ? 0 : result == 0 ? -ECONNRESET : result;
}

static void *fetch_part(void *arg)
{
    struct part *part = arg;
    int64_t start = weft_now();
    fetch(part);
    histogram_add(&side->parts[part->server->part], weft_now() - start);
    return NULL;
}

/* Ask all four at once, and wait for all four. */
static void ask(struct part *parts)
{
    pthread_t threads[STOREFRONT_PARTS];
    int started = 0;
    while (started < STOREFRONT_PARTS) {
        parts[started].error = start_thread(&threads[started], fetch_part, &parts[started]);
        if (parts[started].error < 0)
            break;
        started++;
    }
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

static enum outcome judge(const struct part *parts)
{
    int found = 0, late = 0;
    for (int i = 0; i < STOREFRONT_REQUIRED; i++) {
        if (parts[i].status == 404)
            return OUTCOME_ABSENT;
        found += parts[i].status == 200;
        late += parts[i].error == -ETIMEDOUT;
    }
    if (found == STOREFRONT_REQUIRED)
        return parts[STOREFRONT_REVIEWS].status == 200 ? OUTCOME_WHOLE : OUTCOME_DEGRADED;
    return found + late == STOREFRONT_REQUIRED ? OUTCOME_LATE : OUTCOME_FAILED;
}

static bool answer_page(const struct wire *wire, const struct part *parts, enum outcome outcome,
                        weft_arena *arena)
{
    if (outcome == OUTCOME_ABSENT)
        return answer_json(wire, 404, "{\"error\":\"no such product\"}\n");
    if (outcome == OUTCOME_LATE)
        return answer_json(wire, 504, "{\"error\":\"a service is late\"}\n");
    if (outcome == OUTCOME_FAILED)
        return answer_json(wire, 502, "{\"error\":\"a service failed\"}\n");
    const char *text = page_text(arena, parts[STOREFRONT_CATALOG].body,
                                 parts[STOREFRONT_PRICE].body, parts[STOREFRONT_STOCK].body,
                                 outcome == OUTCOME_WHOLE ? parts[STOREFRONT_REVIEWS].body : NULL);
    return text != NULL && answer_json(wire, 200, text);
}

static bool serve_product(const struct wire *wire, const char *id, weft_arena *arena)
{
    struct part parts[STOREFRONT_PARTS];
    int64_t start = flow_begin(&side->served);
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        parts[i] = (struct part){
            .server = &servers[i],
            .path = weft_arena_format(arena, "/%s/%s", part_names[i], id),
            .deadline = start + board->deadline,
        };
    ask(parts);
    enum outcome outcome = judge(parts);
    flow_end(&side->served, start, outcome);
    bool sent = answer_page(wire, parts, outcome, arena);
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        free(parts[i].body);
    return sent;
}

static bool serve_gateway(const struct wire *wire, const char *path, weft_arena *arena)
{
    if (strncmp(path, "/product/", 9) == 0)
        return read_number(path + 9) >= 0
                   ? serve_product(wire, path + 9, arena)
                   : answer_json(wire, 400, "{\"error\":\"an id has 1 to 9 digits\"}\n");
    if (strcmp(path, "/health") == 0)
        return answer(wire, 200, "text/plain; charset=utf-8", "ok\n");
    return answer_json(wire, 404, "{\"error\":\"not found\"}\n");
}

/* --- Connections. --- */

struct connection {
    struct server *server;
    int socket;
};

/* The next request, from its first byte to the answer. False when the connection is over. */
static bool serve_one(struct server *server, struct wire *wire, weft_arena *arena)
{
    struct wf_http1_parser parser;
    wf_http1_request_begin(&parser, &limits, wire->headers);
    if (read_message(wire, &parser) <= 0)
        return false;
    const char *path =
        weft_arena_copy(arena, wire->data + parser.head.path.offset, parser.head.path.len);
    bool keep_alive = parser.head.keep_alive;
    drop_message(wire, &parser.head);
    if (path == NULL)
        return false;
    return (server->text != NULL ? serve_part(server, wire, path, arena)
                                 : serve_gateway(wire, path, arena)) &&
           keep_alive;
}

static void *serve_connection(void *arg)
{
    struct connection connection = *(struct connection *)arg;
    struct wire wire;
    weft_arena *arena;
    free(arg);
    wire_init(&wire, connection.socket, WEFT_FOREVER);
    if (weft_arena_new(&arena, 0) == 0) {
        while (serve_one(connection.server, &wire, arena))
            weft_arena_reset(arena);
        weft_arena_free(arena);
    }
    close(connection.socket);
    return NULL;
}

static void start_connection(struct server *server, int socket)
{
    int one = 1;
    pthread_t thread;
    struct connection *connection = malloc(sizeof *connection);
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connection != NULL) {
        *connection = (struct connection){ server, socket };
        if (start_thread(&thread, serve_connection, connection) == 0) {
            pthread_detach(thread);
            return;
        }
    }
    free(connection);
    close(socket);
}

/* A port of its own; the same one when it comes back to life. */
static int listen_again(struct server *server)
{
    int one = 1;
    socklen_t size = sizeof server->address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0)
        return -errno;
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(server->listener, (struct sockaddr *)&server->address, size) == 0 &&
        listen(server->listener, 4096) == 0 &&
        getsockname(server->listener, (struct sockaddr *)&server->address, &size) == 0)
        return 0;
    int error = errno;
    close(server->listener);
    return -error;
}

static void stay_dead(struct server *server)
{
    close(server->listener);
    while (atomic_load(&server->dial->dead) || listen_again(server) < 0)
        poll(NULL, 0, LOOK_MS);
}

static void *accept_all(void *arg)
{
    struct server *server = arg;
    for (;;) {
        struct pollfd input = { .fd = server->listener, .events = POLLIN };
        int ready = poll(&input, 1, server->dial != NULL ? LOOK_MS : -1);
        if (server->dial != NULL && atomic_load(&server->dial->dead)) {
            stay_dead(server);
            continue;
        }
        if (ready <= 0)
            continue;
        int socket = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (socket >= 0) {
            start_connection(server, socket);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
            side_refuse(side, REFUSED_ACCEPT, errno);
            poll(NULL, 0, LOOK_MS); /* until somebody has gone */
        }
    }
    return NULL;
}

/* --- Beginning. --- */

static int open_server(int part)
{
    struct server *server = &servers[part];
    *server = (struct server){ .part = part,
                               .text = texts[part],
                               .dial = part < STOREFRONT_PARTS ? &board->dials[part] : NULL,
                               .address = { .sin_family = AF_INET,
                                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
    pthread_mutex_init(&server->lock, NULL);
    return listen_again(server);
}

int threads_main(const struct storefront *shop)
{
    int err = 0;
    board = shop->board;
    side = &board->sides[SIDE_THREADS];
    products = &shop->products;
    pthread_attr_init(&thread_attributes);
    pthread_attr_setstacksize(&thread_attributes, STACK_SIZE);
    for (int i = 0; i < STOREFRONT_PROCESSES && err >= 0; i++)
        err = open_server(i);
    if (err < 0)
        return err;

    for (int i = 0; i < STOREFRONT_PARTS; i++)
        start_detached(accept_all, &servers[i]);
    printf("127.0.0.1:%d\n", ntohs(servers[STOREFRONT_GATEWAY].address.sin_port));
    fflush(stdout);
    accept_all(&servers[STOREFRONT_GATEWAY]);
    return 0;
}
