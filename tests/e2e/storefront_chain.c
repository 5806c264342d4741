/* Statement W3: no call of the whole chain blocks the loop's thread.
 *
 *     this thread, watched: a step of more than 10 ms is reported
 *      +- gateway  <── TCP ── a thread with a loop of its own, and 32 clients in it
 *      |    +─ HTTP client ─> four services on TCP ports, each with a timer
 *      |                        +─ stock ─ Redis client ─> redis://localhost: a name to look up
 *      +- the store, which is behind it
 *      +- a reader of a file, between timers
 *
 * Nothing is reported; and when the stock service is made to really sleep on the loop, by what the
 * page's switch does, that is. Time that others had the processors for is not a step's
 * (core/watchdog.c), so a busy machine makes no difference. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "storefront.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/file.h>

#define CLIENTS   32
#define SLOW_STEP ((WF_ASAN ? 50 : 10) * WEFT_MILLISECOND) /* sanitized code is slower */

static struct storefront shop;
static struct store server; /* behind the shop's */
static weft_loop *loop;     /* the shop's */
static weft_event done;
static int port, pages;
static bool until_reported; /* the load goes on so long, else for so many pages */
static atomic_int answered, wrong, reports;
static char report[512];

static void watch_log(void *context, enum weft_logger logger, enum weft_log_level level,
                      const char *text, size_t size)
{
    (void)context, (void)logger, (void)level, (void)size;
    if (strstr(text, "has held the loop up") != NULL && atomic_fetch_add(&reports, 1) == 0)
        snprintf(report, sizeof report, "%s", text);
}

/* --- The clients. --- */

static bool is_over(void)
{
    return until_reported ? atomic_load(&reports) > 0 : atomic_load(&answered) >= pages;
}

static int client(void *arg)
{
    weft_arena *arena;
    int id = (int)(intptr_t)arg;
    assert_int_equal(weft_arena_new(&arena, 0), 0);
    while (!is_over()) {
        weft_http_call call = { .arena = arena };
        id = id % 1000 + 1;
        call.url = weft_arena_format(arena, "http://localhost:%d/%s/%d", port,
                                     id % 8 == 0 ? "like" : "product", id);
        int status = weft_http_fetch(&call);
        atomic_fetch_add(&answered, 1);
        atomic_fetch_add(&wrong, status != 200);
        weft_arena_reset(arena);
    }
    weft_arena_free(arena);
    return 0;
}

static int ask_all(void *arg)
{
    weft_scope all;
    (void)arg;
    weft_scope_begin(&all);
    for (intptr_t i = 0; i < CLIENTS; i++)
        weft_spawn(&all, client, (void *)(i * 29));
    return weft_scope_end(&all);
}

static void set_done(void *arg)
{
    (void)arg;
    weft_event_set(&done);
}

static void *run_clients(void *arg)
{
    (void)arg;
    int err = weft_run(ask_all, NULL, .no_signals = true);
    atomic_fetch_add(&wrong, err != 0);
    weft_post(loop, set_done, NULL);
    return NULL;
}

/* --- The shop. --- */

static int read_file(void *arg)
{
    char block[4096];
    int fd = weft_file_open("/proc/self/exe", O_RDONLY);
    (void)arg;
    for (int64_t i = 0; fd >= 0; i++) {
        ssize_t n = weft_file_read_at(fd, block, sizeof block, i % 64 * 4096);
        atomic_fetch_add(&wrong, n <= 0 && n != -ECANCELED);
        if (n <= 0 || weft_sleep(WEFT_MILLISECOND) < 0)
            break;
    }
    if (fd >= 0)
        weft_file_close(fd);
    return 0;
}

static int serve(void *listener)
{
    return weft_http_serve_on(listener, gateway_routes, .app = &shop, .drain = -1);
}

/* The store is found by a name. */
static int start_store(void)
{
    char address[64];
    store_use_tcp(&server);
    int err = store_start(&server, true);
    if (err < 0)
        return err;
    snprintf(address, sizeof address, "redis://localhost%s", strrchr(server.address, ':'));
    store_use(&shop.store, address);
    return 0;
}

static int start_shop(weft_listener **listener)
{
    storefront_use_tcp(&shop);
    int err = start_store();
    if (err >= 0)
        err = storefront_start(&shop);
    if (err >= 0)
        err = weft_listen(listener, "127.0.0.1:0");
    if (err < 0)
        return err;
    port = atoi(strrchr(weft_listener_address(*listener), ':') + 1);
    err = weft_spawn(weft_background(), serve, *listener);
    return err < 0 ? err : weft_spawn(weft_background(), read_file, NULL);
}

static int chain_main(void *arg)
{
    pthread_t *clients = arg;
    weft_listener *listener;
    loop = weft_loop_current();
    weft_event_init(&done);
    assert_int_equal(start_shop(&listener), 0);
    assert_int_equal(pthread_create(clients, NULL, run_clients, NULL), 0);
    int err = weft_event_wait(&done);
    weft_event_fini(&done);
    return err;
}

/* The shop under load, whose stock really sleeps for so long in one step. */
static void run_chain(int64_t block)
{
    pthread_t clients;
    struct board *board = board_new();
    assert_non_null(board);
    board->deadline = 20 * WEFT_SECOND;
    atomic_store(&answered, 0);
    atomic_store(&wrong, 0);
    atomic_store(&reports, 0);
    assert_int_equal(storefront_init(&shop, board), 0);
    store_init(&server, board, &shop.products);
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        atomic_store(&board->dials[i].latency, WEFT_MILLISECOND);
    atomic_store(&board->dials[STOREFRONT_STOCK].block, block);
    weft_log_set_sink(watch_log, NULL);
    assert_int_equal(
        weft_run(chain_main, &clients, .no_signals = true, .debug = true, .slow_step = SLOW_STEP),
        0);
    pthread_join(clients, NULL);
    weft_log_set_sink(NULL, NULL);
    store_fini(&server);
    storefront_fini(&shop);
    if (atomic_load(&wrong) > 0)
        fail_msg("%d of %d answers were wrong", atomic_load(&wrong), atomic_load(&answered));
    assert_true(atomic_load(&board->store.asked) > 0);
    assert_true(atomic_load(&board->store.misses) > 0 || until_reported);
    board_free(board);
}

static void test_W3_nothing_of_the_chain_holds_the_loop_up(void **state)
{
    (void)state;
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    pages = text ? atoi(text) : 2000;
    until_reported = false;
    run_chain(0);
    if (atomic_load(&reports) > 0)
        fail_msg("%d reports; the first: %s", atomic_load(&reports), report);
}

/* Four times the limit: found however the watchdog's looks fall. */
static void test_W3_a_handler_that_really_sleeps_is_reported(void **state)
{
    (void)state;
    until_reported = true;
    run_chain(4 * SLOW_STEP);
    assert_true(atomic_load(&reports) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_W3_nothing_of_the_chain_holds_the_loop_up),
        cmocka_unit_test(test_W3_a_handler_that_really_sleeps_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
