/* The program: flags, the address, the end. */

#include "check.h"
#include "loops.h"
#include "role.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT_FIRST 8080
#define PORT_LAST  8180
#define EXIT_USAGE 2

#define LATENCY_DEFAULT (20 * WEFT_MILLISECOND)

struct settings {
    struct storefront shop;
    struct stage stage;
    struct loops loops;
    int threads;         /* loops of each process */
    const char *address; /* NULL: the first free port */
    int64_t drain;
    int64_t client_timeout;
    int rate;        /* of the load, from the start on */
    bool split;      /* a process for each service */
    bool check;      /* prove what is claimed, and end */
    bool quick;      /* … in small */
    bool complained; /* what went wrong has been said */
};

static const char usage_text[] =
    "usage: storefront [FLAG...]\n"
    "\n"
    "A shop's product pages, put together from four services: catalog, price, stock and\n"
    "reviews, and a store. All of it runs in one thread, and ends with Ctrl-C. Its first\n"
    "page shows how it does, and has switches to break it with.\n"
    "\n"
    "  --listen ADDRESS     listen there and nowhere else, e.g. 0.0.0.0:80, [::1]:0;\n"
    "                       else 127.0.0.1:8080, or the next free port up to 8180\n"
    "  --tcp                reach the services by TCP on loopback ports, not in memory\n"
    "  --split              each service in a process of its own\n"
    "  --threads N          N loops, each in a thread of its own, with a gateway and, without\n"
    "                       --split, four services of its own; with it each service's process\n"
    "                       has N loops too (default: 1, at most 64)\n"
    "  --deadline MS        for all services together (default: 300)\n"
    "  --latency MS         what each service takes to answer (default: 20)\n"
    "  --slow NAME=MS       what one service takes: catalog, price, stock or reviews\n"
    "  --store ADDRESS      keep what is remembered there, at any server of Redis's protocol:\n"
    "                       redis://user:password@host:port/database, unix:/path; else in a\n"
    "                       store inside the program, which ends with it\n"
    "  --session MS         after which a visitor who does not come is forgotten (default:\n"
    "                       1800000, half an hour)\n"
    "  --load RATE          ask for so many pages a second from the start on, of this shop\n"
    "                       and of one that has a thread for each connection\n"
    "  --drain MS           for requests in flight after Ctrl-C (default: 500)\n"
    "  --client-timeout MS  for a client that is silent or slow (default: 10000)\n"
    "  --check [--quick]    measure what is claimed, print a table, and end: 0 if all holds\n"
    "  --help, --version\n"
    "\n"
    "WEFT_LOG=info in the environment prints each request. SIGQUIT (Ctrl-\\) prints what each\n"
    "task waits for.\n";

static int listen_free(weft_listener **listener)
{
    int err = -EADDRINUSE;
    for (int port = PORT_FIRST; port <= PORT_LAST && err == -EADDRINUSE; port++) {
        char address[32];
        snprintf(address, sizeof address, "127.0.0.1:%d", port);
        err = weft_listen(listener, address);
    }
    return err;
}

static int complain(struct settings *settings, const char *what, int err)
{
    const char *detail = weft_error_detail();
    fprintf(stderr, "storefront: %s: %s\n", what, *detail ? detail : weft_error_text(err));
    settings->complained = true;
    return err;
}

static int listen_somewhere(struct settings *settings, weft_listener **listener)
{
    const char *address = settings->address;
    int err = address ? weft_listen(listener, address) : listen_free(listener);
    return err < 0 ? complain(settings, address ? address : "127.0.0.1:8080 to 8180", err) : 0;
}

static void print_processes(const struct stage *stage)
{
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        printf("%-8s process %d at %s\n", stage->services[i].name,
               (int)stage->services[i].child.process, stage->services[i].address);
    printf("break it: kill -9 PROCESS, kill -STOP PROCESS; the page brings them back\n");
}

static void print_start(const struct settings *settings, const char *address)
{
    printf("http://%s\ntry: curl http://%s/product/7\n", address, address);
    if (settings->split)
        print_processes(&settings->stage);
    else
        printf("break it: with the page's switches, or curl -X POST http://%s/switch/price/dead\n",
               address);
    if (settings->threads > 1)
        printf("%d loops, each in a thread of its own\n", settings->threads);
    fflush(stdout);
}

static int serve(const struct settings *settings, weft_listener *listener,
                 const weft_http_route *routes, struct storefront *shop)
{
    return weft_http_serve_on(
        listener, routes, .app = shop, .max_clients = STOREFRONT_CLIENTS_MAX,
        .drain = settings->drain > 0 ? settings->drain : -1,
        .header_timeout = settings->client_timeout, .body_timeout = settings->client_timeout,
        .idle_timeout = settings->client_timeout, .send_timeout = settings->client_timeout);
}

/* One more loop: the same port, a shop of its own. */
static int run_beside(struct settings *settings)
{
    struct storefront *shop = &settings->loops.each[weft_loop_index() - 1];
    weft_listener *listener = NULL;
    int err = loops_join(&settings->loops, shop);
    if (err >= 0)
        err = weft_listen(&listener, settings->stage.address);
    if (err >= 0)
        err = serve(settings, listener, loops_routes, shop);
    weft_listener_close(listener);
    loops_leave(shop);
    return err;
}

/* The whole program, as a task. Ctrl-C cancels it: the gateway drains, and when this has returned
 * the services are ended. */
static int run(void *arg)
{
    struct settings *settings = arg;
    weft_listener *listener;
    if (weft_loop_index() > 0)
        return run_beside(settings);
    weft_dump_on_signal(SIGQUIT, STDERR_FILENO);
    int err = stage_start(&settings->stage);
    if (err >= 0)
        err = listen_somewhere(settings, &listener);
    if (err < 0)
        return err;

    const char *address = weft_listener_address(listener);
    print_start(settings, address);
    err = stage_begin(&settings->stage, address, settings->rate);
    if (err >= 0)
        err = loops_go(&settings->loops);
    if (err >= 0)
        err = serve(settings, listener, stage_routes, &settings->shop);
    weft_listener_close(listener);
    return err;
}

/* Milliseconds, an hour at most. */
static bool read_duration(const char *text, int64_t *duration)
{
    int ms = read_number(text);
    *duration = ms * WEFT_MILLISECOND;
    return ms >= 0 && *duration <= WEFT_HOUR;
}

static bool read_latency(const char *text, struct dial *dial)
{
    int64_t latency;
    if (!read_duration(text, &latency))
        return false;
    atomic_store(&dial->latency, latency);
    return true;
}

/* "reviews=500" */
static bool read_slow(const char *text, struct storefront *shop)
{
    size_t length = strcspn(text, "=");
    for (int i = 0; i < STOREFRONT_PARTS; i++) {
        const char *name = part_names[i];
        if (strlen(name) == length && memcmp(name, text, length) == 0)
            return text[length] == '=' && read_latency(text + length + 1, &shop->board->dials[i]);
    }
    return false;
}

static bool read_latencies(const char *text, struct storefront *shop)
{
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        if (!read_latency(text, &shop->board->dials[i]))
            return false;
    return true;
}

static bool read_rate(const char *text, int *rate)
{
    *rate = read_number(text);
    return *rate >= 0 && *rate <= STAGE_RATE_MAX;
}

static bool read_threads(const char *text, int *threads)
{
    *threads = read_number(text);
    return *threads >= 1 && *threads <= STOREFRONT_LOOPS_MAX;
}

enum flag {
    LISTEN = 256,
    TCP,
    SPLIT,
    THREADS,
    DEADLINE,
    LATENCY,
    SLOW,
    STORE,
    SESSION,
    LOAD,
    DRAIN,
    CLIENT_TIMEOUT,
    CHECK,
    QUICK,
    HELP,
    VERSION,
};

static const struct option flags[] = {
    { "listen", required_argument, NULL, LISTEN },
    { "tcp", no_argument, NULL, TCP },
    { "split", no_argument, NULL, SPLIT },
    { "threads", required_argument, NULL, THREADS },
    { "deadline", required_argument, NULL, DEADLINE },
    { "latency", required_argument, NULL, LATENCY },
    { "slow", required_argument, NULL, SLOW },
    { "store", required_argument, NULL, STORE },
    { "session", required_argument, NULL, SESSION },
    { "load", required_argument, NULL, LOAD },
    { "drain", required_argument, NULL, DRAIN },
    { "client-timeout", required_argument, NULL, CLIENT_TIMEOUT },
    { "check", no_argument, NULL, CHECK },
    { "quick", no_argument, NULL, QUICK },
    { "help", no_argument, NULL, HELP },
    { "version", no_argument, NULL, VERSION },
    { NULL, 0, NULL, 0 },
};

static bool take_flag(struct settings *settings, int flag, const char *value)
{
    switch (flag) {
    case LISTEN:
        settings->address = value;
        return true;
    case TCP:
        storefront_use_tcp(&settings->shop);
        return true;
    case SPLIT:
        return settings->split = true;
    case THREADS:
        return read_threads(value, &settings->threads);
    case DEADLINE:
        return read_duration(value, &settings->shop.board->deadline);
    case LATENCY:
        return read_latencies(value, &settings->shop);
    case SLOW:
        return read_slow(value, &settings->shop);
    case STORE:
        return store_use(&settings->shop.store, value);
    case SESSION:
        return read_duration(value, &settings->shop.store.session_time) &&
               settings->shop.store.session_time > 0;
    case LOAD:
        return read_rate(value, &settings->rate);
    case DRAIN:
        return read_duration(value, &settings->drain);
    case CLIENT_TIMEOUT:
        return read_duration(value, &settings->client_timeout) && settings->client_timeout > 0;
    case CHECK:
        return settings->check = true;
    case QUICK:
        return settings->quick = true;
    default:
        return false;
    }
}

/* -1 to go on, else the exit status. */
static int read_flags(struct settings *settings, int argc, char **argv)
{
    int flag, index = 0;
    while ((flag = getopt_long(argc, argv, "", flags, &index)) != -1) {
        if (flag == HELP || flag == VERSION) {
            fputs(flag == HELP ? usage_text : "storefront " WEFT_VERSION "\n", stdout);
            return EXIT_SUCCESS;
        }
        if (take_flag(settings, flag, optarg))
            continue;
        if (flag != '?') /* getopt has named what it does not know */
            fprintf(stderr, "storefront: --%s %s makes no sense\n", flags[index].name, optarg);
        fputs(usage_text, stderr);
        return EXIT_USAGE;
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "storefront: '%s' is not a flag\n", argv[optind]);
    fputs(usage_text, stderr);
    return EXIT_USAGE;
}

static int run_all(struct settings *settings)
{
    signal(SIGPIPE, SIG_IGN); /* who reads our lines may leave */
    stage_init(&settings->stage, &settings->shop, settings->split);
    int err = loops_init(&settings->loops, &settings->stage, (unsigned)settings->threads);
    if (err >= 0)
        err = weft_run(run, settings, .threads = (uint16_t)settings->threads);
    loops_fini(&settings->loops);
    stage_fini(&settings->stage);
    bool orderly = err == 0 || err == -ECANCELED;
    if (!orderly && !settings->complained)
        complain(settings, "cannot run", err);
    return orderly ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int be_parent(struct settings *settings, int argc, char **argv)
{
    struct board *board = board_new();
    if (board == NULL || storefront_init(&settings->shop, board) < 0) {
        fprintf(stderr, "storefront: no memory\n");
        board_free(board);
        return EXIT_FAILURE;
    }
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        atomic_store(&board->dials[i].latency, LATENCY_DEFAULT);
    int status = read_flags(settings, argc, argv);
    if (status < 0)
        status = settings->check ? check_main(settings->quick) : run_all(settings);
    storefront_fini(&settings->shop);
    board_free(board);
    return status;
}

int main(int argc, char **argv)
{
    static struct settings settings = { .threads = 1,
                                        .drain = 500 * WEFT_MILLISECOND,
                                        .client_timeout = 10 * WEFT_SECOND };
    if (argc > 2 && strcmp(argv[1], "--as") == 0)
        return role_main(argc - 2, argv + 2);
    return be_parent(&settings, argc, argv);
}
