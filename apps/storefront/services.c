/* The four services: where they are, what starts and ends them. What they answer is in a file
 * each. */

#include "storefront.h"
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEEP_TIME (10 * WEFT_SECOND)

static const weft_http_route *const routes[STOREFRONT_PARTS] = {
    [STOREFRONT_CATALOG] = catalog_routes,
    [STOREFRONT_PRICE] = price_routes,
    [STOREFRONT_STOCK] = stock_routes,
    [STOREFRONT_REVIEWS] = reviews_routes,
};

int storefront_init(struct storefront *shop, struct board *board)
{
    *shop = (struct storefront){ .board = board,
                                 .pulse = &board->pulses[STOREFRONT_GATEWAY],
                                 .keep_time = KEEP_TIME };
    store_init(&shop->store, board, &shop->products);
    for (int i = 0; i < STOREFRONT_PARTS; i++) {
        struct service *service = &shop->services[i];
        *service = (struct service){ .part = (enum storefront_part)i,
                                     .name = part_names[i],
                                     .routes = routes[i],
                                     .products = &shop->products,
                                     .store = &shop->store,
                                     .dial = &board->dials[i],
                                     .pulse = shop->pulse };
        snprintf(service->address, sizeof service->address, "mem:%s", service->name);
    }
    return products_load(&shop->products, products_text);
}

void storefront_fini(struct storefront *shop)
{
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        weft_task_release(shop->services[i].task);
    store_fini(&shop->store);
    products_free(&shop->products);
}

void storefront_use_tcp(struct storefront *shop)
{
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        snprintf(shop->services[i].address, STOREFRONT_ADDRESS_MAX, "127.0.0.1:0");
    store_use_tcp(&shop->store);
}

void service_copy(struct service *service, const struct service *from, struct pulse *pulse,
                  struct store *store)
{
    *service = (struct service){ .part = from->part,
                                 .name = from->name,
                                 .routes = from->routes,
                                 .products = from->products,
                                 .store = store,
                                 .dial = from->dial,
                                 .pulse = pulse };
    memcpy(service->address, from->address, STOREFRONT_ADDRESS_MAX);
}

int service_work(const struct service *service)
{
    int64_t latency = atomic_load(&service->dial->latency);
    int err = latency > 0 ? weft_sleep(latency) : 0;
    pulse_note(service->pulse, (int)service->part);
    return err;
}

int answer_text(weft_http *http, const char *text)
{
    if (text == NULL)
        return -ENOMEM;
    return weft_http_send(http, 200, "application/json", text, strlen(text));
}

int store_refuse(weft_http *http, int err)
{
    if (err == -ECANCELED || err == -ENOMEM)
        return err;
    return weft_http_text(http, 503, "the store does not answer: %s", store_trouble(err));
}

/* Whoever could still ask is gone when this is cancelled: no drain. */
int service_serve(struct service *service, weft_listener *listener)
{
    return weft_http_serve_on(listener, service->routes, .app = service, .drain = -1,
                              .max_clients = STOREFRONT_CLIENTS_MAX);
}

/* One service as a task: listens, says where it is to be found, serves. */
static int serve(void *arg)
{
    struct service *service = arg;
    weft_listener *listener;
    int err = weft_listen(&listener, service->address);
    if (err < 0)
        return err;

    const char *address = weft_listener_address(listener);
    snprintf(service->address, sizeof service->address, "%s", address);
    err = weft_http_client_map(NULL, service->name, address);
    if (err >= 0)
        err = service_serve(service, listener);
    weft_listener_close(listener);
    return err;
}

/* Eager: when spawn returns, the service listens, or has failed. */
int service_start(struct service *service)
{
    int err = weft_spawn(weft_background(), serve, service, .name = service->name,
                         .task = &service->task, .eager = true);
    if (err < 0 || !weft_task_is_done(service->task))
        return err;
    err = weft_task_result(service->task, NULL);
    weft_task_release(service->task);
    service->task = NULL;
    return err;
}

void service_stop(struct service *service)
{
    weft_task *task = service->task;
    service->task = NULL;
    weft_task_cancel(task, "killed");
    weft_await(task);
    weft_task_release(task);
}

int storefront_start(struct storefront *shop)
{
    int err = store_start(&shop->store, weft_loop_index() == 0);
    if (err < 0)
        return err;
    for (int i = 0; i < STOREFRONT_PARTS; i++) {
        err = service_start(&shop->services[i]);
        if (err < 0) {
            weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_ERROR, "service %s does not start: %s",
                     shop->services[i].name, weft_error_text(err));
            return err;
        }
    }
    return 0;
}
