/* The program: flags, the address, the end. */

#include "storefront.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_FIRST 8080
#define PORT_LAST  8180
#define EXIT_USAGE 2

struct settings {
    struct storefront shop;
    const char *address; /* NULL: the first free port */
    int64_t drain;
    int64_t client_timeout;
    bool complained; /* what went wrong has been said */
};

static const char usage_text[] =
    "usage: storefront [FLAG...]\n"
    "\n"
    "A shop's product pages, put together from four services: catalog, price, stock and\n"
    "reviews. All of it runs in one thread, and ends with Ctrl-C.\n"
    "\n"
    "  --listen ADDRESS     listen there and nowhere else, e.g. 0.0.0.0:80, [::1]:0;\n"
    "                       else 127.0.0.1:8080, or the next free port up to 8180\n"
    "  --tcp                reach the services by TCP on loopback ports, not in memory\n"
    "  --deadline MS        for all services together (default: 300)\n"
    "  --latency MS         what each service takes to answer (default: 0)\n"
    "  --slow NAME=MS       what one service takes: catalog, price, stock or reviews\n"
    "  --drain MS           for requests in flight after Ctrl-C (default: 500)\n"
    "  --client-timeout MS  for a client that is silent or slow (default: 10000)\n"
    "  --help, --version\n"
    "\n"
    "WEFT_LOG=info in the environment prints each request.\n";

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

/* The whole program, as a task. Ctrl-C cancels it: the gateway drains, and when this has returned
 * the services in the background are ended. */
static int run(void *arg)
{
    struct settings *settings = arg;
    int err = storefront_start(&settings->shop);
    if (err < 0)
        return err;

    weft_listener *listener;
    err = settings->address ? weft_listen(&listener, settings->address) : listen_free(&listener);
    if (err < 0)
        return complain(settings, settings->address ? settings->address : "127.0.0.1:8080 to 8180",
                        err);

    const char *address = weft_listener_address(listener);
    printf("http://%s\ntry: curl http://%s/product/7\n", address, address);
    fflush(stdout);
    err = weft_http_serve_on(
        listener, gateway_routes, .app = &settings->shop,
        .drain = settings->drain > 0 ? settings->drain : -1,
        .header_timeout = settings->client_timeout, .body_timeout = settings->client_timeout,
        .idle_timeout = settings->client_timeout, .send_timeout = settings->client_timeout);
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

/* "reviews=500" */
static bool read_slow(const char *text, struct storefront *shop)
{
    size_t length = strcspn(text, "=");
    for (int i = 0; i < STOREFRONT_PARTS; i++) {
        struct service *service = &shop->services[i];
        if (strlen(service->name) == length && memcmp(service->name, text, length) == 0)
            return text[length] == '=' && read_duration(text + length + 1, &service->latency);
    }
    return false;
}

static bool read_latency(const char *text, struct storefront *shop)
{
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        if (!read_duration(text, &shop->services[i].latency))
            return false;
    return true;
}

enum flag { LISTEN = 256, TCP, DEADLINE, LATENCY, SLOW, DRAIN, CLIENT_TIMEOUT, HELP, VERSION };

static const struct option flags[] = {
    { "listen", required_argument, NULL, LISTEN },
    { "tcp", no_argument, NULL, TCP },
    { "deadline", required_argument, NULL, DEADLINE },
    { "latency", required_argument, NULL, LATENCY },
    { "slow", required_argument, NULL, SLOW },
    { "drain", required_argument, NULL, DRAIN },
    { "client-timeout", required_argument, NULL, CLIENT_TIMEOUT },
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
    case DEADLINE:
        return read_duration(value, &settings->shop.deadline);
    case LATENCY:
        return read_latency(value, &settings->shop);
    case SLOW:
        return read_slow(value, &settings->shop);
    case DRAIN:
        return read_duration(value, &settings->drain);
    case CLIENT_TIMEOUT:
        return read_duration(value, &settings->client_timeout) && settings->client_timeout > 0;
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

int main(int argc, char **argv)
{
    struct settings settings = { .drain = 500 * WEFT_MILLISECOND,
                                 .client_timeout = 10 * WEFT_SECOND };
    int err = storefront_init(&settings.shop);
    int status = err < 0 ? -1 : read_flags(&settings, argc, argv);
    if (status < 0) {
        err = err < 0 ? err : weft_run(run, &settings);
        bool orderly = err == 0 || err == -ECANCELED;
        status = orderly ? EXIT_SUCCESS : EXIT_FAILURE;
        if (!orderly && !settings.complained)
            fprintf(stderr, "storefront: %s\n", weft_error_text(err));
    }
    storefront_fini(&settings.shop);
    return status;
}
