#include "role.h"

#include "child.h"
#include "load.h"
#include "storefront.h"
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static void say_address(weft_listener *listener)
{
    printf("%s\n", weft_listener_address(listener));
    fflush(stdout);
}

/* A shop that is measured until it fails would fill the terminal with its complaints: the first one
 * says it all, and goes to the board. */
static void keep_first_line(void *context, enum weft_logger logger, enum weft_log_level level,
                            const char *text, size_t size)
{
    struct side *side = context;
    (void)logger, (void)level;
    if (atomic_load(&side->trouble_size) > 0)
        return;
    size = size < TROUBLE_MAX ? size : TROUBLE_MAX;
    memcpy(side->trouble, text, size);
    atomic_store(&side->trouble_size, (int)size);
}

/* A shop in one thread. */
static int run_shop(void *arg)
{
    struct storefront *shop = arg;
    struct pulse_loop pulse = { shop->board, STOREFRONT_GATEWAY };
    weft_listener *listener;
    int err =
        weft_spawn(weft_background(), pulse_beat, &pulse, .copy = sizeof pulse, .eager = true);
    if (err >= 0)
        err = storefront_start(shop);
    if (err >= 0)
        err = weft_listen(&listener, "127.0.0.1:0", .backlog = 4096);
    if (err < 0)
        return err;
    say_address(listener);
    err = weft_http_serve_on(listener, gateway_routes, .app = shop, .drain = -1,
                             .max_clients = STOREFRONT_CLIENTS_MAX);
    weft_listener_close(listener);
    return err;
}

/* One service in a process of its own: its pulse too, on the first of its loops. Each loop has its
 * client of the store. */
struct alone {
    struct service *service;
    struct pulse_loop pulse;
    struct store stores[STOREFRONT_LOOPS_MAX];
};

static int run_service(void *arg)
{
    struct alone *alone = arg;
    struct service service;
    struct store *store = &alone->stores[weft_loop_index()];
    weft_listener *listener;
    store_copy(store, alone->service->store);
    service_copy(&service, alone->service, alone->service->pulse, store);
    bool is_first = weft_loop_index() == 0;
    int err =
        is_first ? weft_spawn(weft_background(), pulse_beat, &alone->pulse, .eager = true) : 0;
    if (err >= 0)
        err = service.part == STOREFRONT_STOCK ? store_start(store, false) : 0;
    if (err >= 0)
        err = weft_listen(&listener, service.address);
    if (err < 0)
        return err;
    if (is_first)
        say_address(listener);
    err = service_serve(&service, listener);
    weft_listener_close(listener);
    return err;
}

static int be_weft(struct storefront *shop, char **words)
{
    weft_log_set_sink(keep_first_line, &shop->board->sides[SIDE_WEFT]);
    if (words[0] != NULL && strcmp(words[0], "tcp") == 0)
        storefront_use_tcp(shop);
    return weft_run(run_shop, shop);
}

static int be_service(struct storefront *shop, char **words)
{
    for (int i = 0; i < STOREFRONT_PARTS && words[0] != NULL && words[1] != NULL; i++) {
        struct service *service = &shop->services[i];
        if (strcmp(words[0], service->name) != 0)
            continue;
        service->pulse = &shop->board->pulses[i];
        snprintf(service->address, sizeof service->address, "%s", words[1]);
        static struct alone alone;
        alone.service = service;
        alone.pulse = (struct pulse_loop){ shop->board, i };
        int threads = words[2] != NULL ? read_number(words[2]) : 1;
        snprintf(shop->store.address, sizeof shop->store.address, "%s",
                 words[2] != NULL && words[3] != NULL ? words[3] : "");
        return weft_run(run_service, &alone, .threads = (uint16_t)threads);
    }
    return -EINVAL;
}

static int be(const char *role, struct storefront *shop, char **words)
{
    if (strcmp(role, "weft") == 0)
        return be_weft(shop, words);
    if (strcmp(role, "service") == 0)
        return be_service(shop, words);
    if (strcmp(role, "threads") == 0)
        return threads_main(shop);
    if (strcmp(role, "load") == 0)
        return load_main(shop->board, &shop->products, words);
    return -EINVAL;
}

/* As many descriptors as there may be: crowds need them. */
static void raise_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int role_main(int count, char **words)
{
    if (count < 2)
        return EXIT_FAILURE;
    child_follow(read_number(words[1]));
    signal(SIGQUIT, SIG_IGN); /* from the keyboard: it asks the gateway's process for its tasks */
    raise_files();
    struct board *board = board_attach();
    if (board == NULL) {
        perror("storefront: the board");
        return EXIT_FAILURE;
    }
    struct storefront shop;
    int err = storefront_init(&shop, board);
    if (err >= 0) {
        err = be(words[0], &shop, words + 2);
        storefront_fini(&shop);
    }
    if (err < 0 && err != -ECANCELED)
        fprintf(stderr, "storefront %s: %s\n", words[0], weft_error_text(err));
    return err < 0 && err != -ECANCELED ? EXIT_FAILURE : EXIT_SUCCESS;
}
