/* GET /stock/:id: how many pieces of a product there are.
 *
 * One of the page's switches makes this service count the shelves by hand, now and then. That is a
 * call that blocks: the thread sleeps in the kernel, and with it everybody on its loop. Compare the
 * two lines that make it: what must never be in a handler, and what is right. */

#include "storefront.h"

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

const char *stock_text(weft_arena *arena, const struct product *product)
{
    return weft_arena_format(arena, "{\"pieces\":%d}", product->stock);
}

static int stock(weft_http *http, void *app)
{
    struct service *service = app;
    int err = service_work(service);
    if (err >= 0)
        err = count(service);
    if (err < 0)
        return err;

    const struct product *product = products_find(service->products, weft_http_param(http, "id"));
    if (product == NULL)
        return weft_http_json(http, 404, "{\"error\":\"no such product\"}");
    return answer_text(http, stock_text(http->arena, product));
}

const weft_http_route stock_routes[] = {
    { "GET", "/stock/:id", stock, NULL },
    { NULL, NULL, NULL, NULL },
};
