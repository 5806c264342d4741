/* The four services: where they are, what starts them. What they answer is in a file each. */

#include "storefront.h"

int storefront_init(struct storefront *shop)
{
    *shop = (struct storefront){
        .services = {
            [STOREFRONT_CATALOG] = { "catalog", "mem:catalog", catalog_routes, NULL, 0 },
            [STOREFRONT_PRICE] = { "price", "mem:price", price_routes, NULL, 0 },
            [STOREFRONT_STOCK] = { "stock", "mem:stock", stock_routes, NULL, 0 },
            [STOREFRONT_REVIEWS] = { "reviews", "mem:reviews", reviews_routes, NULL, 0 },
        },
        .deadline = 300 * WEFT_MILLISECOND,
    };
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        shop->services[i].products = &shop->products;
    return products_load(&shop->products, products_text);
}

void storefront_fini(struct storefront *shop)
{
    products_free(&shop->products);
}

void storefront_use_tcp(struct storefront *shop)
{
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        shop->services[i].address = "127.0.0.1:0";
}

int service_work(const struct service *service)
{
    return service->latency > 0 ? weft_sleep(service->latency) : 0;
}

/* One service: listens, says where it is to be found, serves. */
static int serve(void *arg)
{
    struct service *service = arg;
    weft_listener *listener;
    int err = weft_listen(&listener, service->address);
    if (err < 0)
        return err;

    err = weft_http_client_map(NULL, service->name, weft_listener_address(listener));
    if (err >= 0) /* whoever could still ask is gone when this is cancelled: no drain */
        err = weft_http_serve_on(listener, service->routes, .app = service, .drain = -1);
    weft_listener_close(listener);
    return err;
}

/* Eager: when spawn returns, the service listens, or has failed. */
static int start(struct service *service)
{
    weft_task *task;
    int err = weft_spawn(weft_background(), serve, service, .name = service->name, .task = &task,
                         .eager = true);
    if (err < 0)
        return err;
    if (weft_task_is_done(task))
        err = weft_task_result(task, NULL);
    weft_task_release(task);
    return err;
}

int storefront_start(struct storefront *shop)
{
    for (int i = 0; i < STOREFRONT_PARTS; i++) {
        int err = start(&shop->services[i]);
        if (err < 0) {
            weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_ERROR, "service %s does not start: %s",
                     shop->services[i].name, weft_error_text(err));
            return err;
        }
    }
    return 0;
}
