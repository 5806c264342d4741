/* GET /stock/:id: how many pieces of a product there are. POST: one of them is sold.
 *
 * The number is the store's, under stock:ID; where it says nothing, the product was never sold, and
 * there are as many as the catalog began with. Selling reads and writes what it has read, in a
 * transaction that watches the key: who was overtaken begins anew, so one of two who want the last
 * piece gets it, and the number is never below zero, not even for a moment. (DECR, and INCR where
 * that went below zero, would be one connection less; but what lies between them can be lost, and
 * with it a piece, and where the answer to DECR was lost nobody could say whether to put one back.)
 *
 * One of the page's switches makes this service count the shelves by hand, now and then. That is a
 * call that blocks: the thread sleeps in the kernel, and with it everybody on its loop. Compare the
 * two lines that make it: what must never be in a handler, and what is right. */

#include "store.h"
#include "storefront.h"
#include "watch.h"

#include <errno.h>
#include <time.h>

static int count_shelves(void *arg)
{
    const struct service *service = arg;
    int64_t ns = atomic_load(&service->dial->block);
    struct timespec time = { .tv_sec = ns / WEFT_SECOND, .tv_nsec = ns % WEFT_SECOND };
    nanosleep(&time, NULL);
    return 0;
}

static int count(struct service *service)
{
    if (!block_is_due(service->dial, &service->block_next))
        return 0;
    if (atomic_load(&service->dial->pooled))
        return weft_blocking(count_shelves, service); /* a thread of the pool waits, we suspend */
    return count_shelves(service);                    /* the loop waits, and everybody on it */
}

/* --- In the store. --- */

static int pieces_of(const weft_redis_value *value, const struct product *product)
{
    if (value->kind != WEFT_REDIS_STRING)
        return product->stock;
    int pieces = read_number(value->text);
    return pieces > 0 ? pieces : 0; /* somebody else may have written anything */
}

static int look(struct store *store, weft_arena *arena, const struct product *product, int *pieces)
{
    const weft_redis_value *value;
    int err = store_ask(store, arena, &value, "GET stock:%d", product->id);
    if (err >= 0)
        *pieces = pieces_of(value, product);
    return err;
}

struct sale {
    const struct product *product;
    bool is_sold;
    int left;
};

/* -EAGAIN: somebody else was faster. */
static int try_to_sell(weft_redis_transaction *transaction, struct sale *sale)
{
    const weft_redis_value *value;
    int err = weft_redis_transaction_ask(transaction, &value, "GET stock:%d", sale->product->id);
    if (err < 0)
        return err;
    int pieces = pieces_of(value, sale->product);
    if (pieces == 0)
        return 0;
    sale->left = pieces - 1;
    err = weft_redis_transaction_add(transaction, "SET stock:%d %d", sale->product->id, sale->left);
    if (err == 0)
        err = weft_redis_transaction_execute(transaction, NULL);
    sale->is_sold = err == 0;
    return err;
}

static int sell(struct store *store, weft_arena *arena, void *arg)
{
    struct sale *sale = arg;
    const char *key = weft_arena_format(arena, "stock:%d", sale->product->id);
    int err = key != NULL ? -EAGAIN : -ENOMEM;
    while (err == -EAGAIN) { /* as long as the store's time lasts; somebody sells in each round */
        weft_redis_transaction *transaction = NULL;
        weft_slice watched = weft_redis_text(key);
        err = weft_redis_transaction_begin(&transaction, store->redis, arena, .watch = &watched,
                                           .watch_count = 1);
        if (err == 0)
            err = try_to_sell(transaction, sale);
        weft_redis_transaction_end(transaction);
    }
    return err;
}

/* --- Handlers. --- */

const char *pieces_text(weft_arena *arena, int pieces)
{
    return weft_arena_format(arena, "{\"pieces\":%d}", pieces);
}

const char *stock_text(weft_arena *arena, const struct product *product)
{
    return pieces_text(arena, product->stock);
}

static int answer_absent(weft_http *http)
{
    return weft_http_json(http, 404, "{\"error\":\"no such product\"}");
}

static int stock(weft_http *http, void *app)
{
    struct service *service = app;
    int pieces = 0, err = service_work(service);
    if (err >= 0)
        err = count(service);
    if (err < 0)
        return err;

    const struct product *product = products_find(service->products, weft_http_param(http, "id"));
    if (product == NULL)
        return answer_absent(http);
    err = look(service->store, http->arena, product, &pieces);
    pulse_note(service->pulse, STOREFRONT_STOCK);
    return err < 0 ? store_refuse(http, err) : answer_text(http, pieces_text(http->arena, pieces));
}

static int take(weft_http *http, void *app)
{
    const struct service *service = app;
    struct sale sale = { .product = products_find(service->products, weft_http_param(http, "id")) };
    if (sale.product == NULL)
        return answer_absent(http);
    int err = store_do(service->store, http->arena, sell, &sale);
    pulse_note(service->pulse, STOREFRONT_STOCK);
    if (err < 0)
        return store_refuse(http, err);
    return sale.is_sold ? answer_text(http, pieces_text(http->arena, sale.left))
                        : weft_http_json(http, 409, "{\"error\":\"sold out\"}\n");
}

const weft_http_route stock_routes[] = {
    { "GET", "/stock/:id", stock, NULL },
    { "POST", "/stock/:id", take, NULL },
    { NULL, NULL, NULL, NULL },
};
