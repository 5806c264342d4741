#include "store.h"

#include "base/random.h"
#include "weft-kv/kv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SESSION_TIME (30 * WEFT_MINUTE)
#define BACKOFF_MOST (500 * WEFT_MILLISECOND)
#define FILL_AT_ONCE 50 /* products in one transaction */
#define FILL_TRIES   10 /* a client finds a server that has come back within BACKOFF_MOST */

void store_init(struct store *store, struct board *board, const struct products *products)
{
    *store = (struct store){ .address = "mem:store",
                             .is_embedded = true,
                             .board = board,
                             .session_time = SESSION_TIME,
                             .products = products };
}

void store_fini(struct store *store)
{
    weft_task_release(store->server);
    store->server = NULL;
}

bool store_use(struct store *store, const char *address)
{
    store->is_embedded = false;
    return (size_t)snprintf(store->address, sizeof store->address, "%s", address) <
           sizeof store->address;
}

void store_use_tcp(struct store *store)
{
    if (store->is_embedded)
        snprintf(store->address, sizeof store->address, "127.0.0.1:0");
}

void store_copy(struct store *store, const struct store *from)
{
    *store = (struct store){ .board = from->board,
                             .session_time = from->session_time,
                             .products = from->products };
    memcpy(store->address, from->address, sizeof store->address);
}

/* --- The embedded server. --- */

static int serve_on(weft_listener *listener)
{
    struct kv kv;
    int err = kv_init(&kv, wf_random_entropy());
    if (err < 0)
        return err;
    err = kv_serve(&kv, listener);
    kv_fini(&kv);
    return err;
}

static int serve(void *arg)
{
    struct store *store = arg;
    weft_listener *listener;
    int err = weft_redis_listen(&listener, store->address);
    if (err < 0)
        return err;
    snprintf(store->address, sizeof store->address, "%s", weft_listener_address(listener));
    err = serve_on(listener);
    weft_listener_close(listener);
    return err;
}

/* Eager: when spawn returns, it listens, or has failed. */
static int start_server(struct store *store)
{
    int err = weft_spawn(weft_background(), serve, store, .name = "store", .task = &store->server,
                         .eager = true);
    if (err < 0 || !weft_task_is_done(store->server))
        return err;
    err = weft_task_result(store->server, NULL);
    store_fini(store);
    return err;
}

void store_kill(struct store *store)
{
    weft_task *task = store->server;
    store->server = NULL;
    weft_task_cancel(task, "killed");
    weft_await(task);
    weft_task_release(task);
}

/* --- What there is of each product, where nothing says so yet. --- */

static int fill_some(struct store *store, weft_arena *arena, void *arg)
{
    weft_redis_transaction *transaction = NULL;
    int first = *(int *)arg;
    int err = weft_redis_transaction_begin(&transaction, store->redis, arena);
    for (int i = first; i < first + FILL_AT_ONCE && i < store->products->count && err == 0; i++) {
        const struct product *product = &store->products->list[i];
        err = weft_redis_transaction_add(transaction, "SETNX stock:%d %d", product->id,
                                         product->stock);
    }
    if (err == 0)
        err = weft_redis_transaction_execute(transaction, NULL);
    weft_redis_transaction_end(transaction);
    return err;
}

static int fill_all(struct store *store, weft_arena *arena)
{
    int err = 0;
    for (int first = 0; first < store->products->count && err >= 0; first += FILL_AT_ONCE) {
        err = store_do(store, arena, fill_some, &first);
        weft_arena_reset(arena);
    }
    return err;
}

/* A key that is missing all the same is no fault: stock.c knows what it would be. So a store that
 * cannot be had for a while is left alone. */
static int fill(void *arg)
{
    weft_arena *arena;
    int err = weft_arena_new(&arena, 0);
    if (err < 0)
        return 0;
    for (int i = 0; i < FILL_TRIES && fill_all(arg, arena) < 0; i++)
        if (weft_sleep(BACKOFF_MOST) < 0)
            break;
    weft_arena_free(arena);
    return 0;
}

/* --- The client. --- */

/* Until the loop ends: then the client has to be closed. */
static int keep_client(void *arg)
{
    struct store *store = arg;
    weft_event never;
    weft_event_init(&never);
    int err = weft_redis_open(&store->redis, store->address, .name = "storefront", .protocol = 2,
                              .offline = WEFT_REDIS_OFFLINE_FAIL, .backoff_most = BACKOFF_MOST);
    if (err >= 0)
        err = weft_event_wait(&never);
    weft_redis_close(store->redis);
    store->redis = NULL;
    weft_event_fini(&never);
    return err;
}

static int start_client(struct store *store)
{
    weft_task *task;
    int err = weft_spawn(weft_background(), keep_client, store, .name = "store's client",
                         .task = &task, .eager = true);
    if (err < 0)
        return err;
    if (weft_task_is_done(task))
        err = weft_task_result(task, NULL);
    weft_task_release(task);
    return err;
}

static int start(struct store *store, bool serves)
{
    int err = store->is_embedded && serves ? start_server(store) : 0;
    if (err >= 0)
        err = start_client(store);
    if (err >= 0 && serves)
        err = weft_spawn(weft_background(), fill, store, .name = "fill the store");
    return err;
}

int store_start(struct store *store, bool serves)
{
    int err = start(store, serves);
    if (err < 0)
        weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_ERROR, "the store does not start: %s",
                 weft_error_text(err));
    return err;
}

bool store_lives(const struct store *store)
{
    return store->server != NULL && !weft_task_is_done(store->server);
}

int store_revive(struct store *store)
{
    store_fini(store);
    int err = start_server(store);
    if (err >= 0)
        err = weft_spawn(weft_background(), fill, store, .name = "fill the store");
    return err;
}

/* --- Asking. --- */

static int note(struct store *store, int64_t start_time, int err)
{
    struct store_figures *figures = &store->board->store;
    atomic_fetch_add_explicit(&figures->asked, 1, memory_order_relaxed);
    if (err < 0 && err != -ECANCELED) /* who asked may have left */
        atomic_fetch_add_explicit(&figures->failed, 1, memory_order_relaxed);
    histogram_add(&figures->latency, weft_now() - start_time);
    return err;
}

int store_do(struct store *store, weft_arena *arena, store_fn *fn, void *arg)
{
    if (store->redis == NULL)
        return -ESHUTDOWN;
    weft_scope scope;
    int64_t start_time = weft_now();
    weft_scope_begin(&scope, .deadline = start_time + store->board->deadline / 3 * 2,
                     .name = "store");
    return note(store, start_time, weft_scope_leave(&scope, fn(store, arena, arg)));
}

struct question {
    const weft_redis_value **value;
    const char *format;
    va_list list;
};

static int ask(struct store *store, weft_arena *arena, void *arg)
{
    struct question *question = arg;
    return weft_redis_ask_list(store->redis, arena, question->value, question->format,
                               question->list);
}

int store_ask(struct store *store, weft_arena *arena, const weft_redis_value **value,
              const char *format, ...)
{
    struct question question = { .value = value, .format = format };
    va_start(question.list, format);
    int err = store_do(store, arena, ask, &question);
    va_end(question.list);
    return err;
}

const char *store_trouble(int err)
{
    switch (err) {
    case -ETIMEDOUT:
        return "it does not answer in time";
    case WEFT_EINDOUBT:
        return "it went away, and nobody knows what it has done";
    default:
        return weft_error_text(err);
    }
}
