#ifndef STOREFRONT_H
#define STOREFRONT_H

/* A shop's product pages, put together from four services, all in one thread.
 *
 *     client -- http --> gateway -+- catalog    name, category, description
 *                                 +- price      cents
 *                                 +- stock      pieces ----> store, which keeps them; see store.h
 *                                 +- reviews    the page can do without
 *
 * The gateway asks the four at once and gives them one deadline. Each is an HTTP server of its own,
 * found by its name, and knows nothing of the others: inside the process (mem:price), on a TCP port
 * or in a process of its own, which no handler can tell.
 *
 * Beside its pages it sells (buy.c), remembers who has bought (session.h), and knows what is like a
 * product (like.c, cache.h), all of it by the store.
 *
 * Each handler gets its state as `app`: the gateway this struct, a service its own line of it. What
 * is counted, and what the switches change, is on the board.
 *
 * Read catalog.c first, then gateway.c. The rest is the demonstration around them. */

#include "board.h"
#include "products.h"
#include "store.h"

#include <weft.h>
#include <weft/http.h>

#define STOREFRONT_CLIENTS_MAX 20000 /* connections, of the gateway and of each service */
#define STOREFRONT_ADDRESS_MAX 64

struct service {
    enum storefront_part part;
    const char *name;                     /* and the host in the URLs that are for it */
    char address[STOREFRONT_ADDRESS_MAX]; /* where it listens; once it did, with its port */
    const weft_http_route *routes;        /* its handlers get this struct */
    const struct products *products;
    struct store *store;        /* of the loop it runs on; stock asks it */
    const struct dial *dial;    /* what it is made to do */
    struct pulse *pulse;        /* of the loop it runs on */
    _Atomic int64_t block_next; /* when it may really sleep again */
    weft_task *task;            /* that serves it here; NULL: not here, or not any more */
};

struct stage;

struct storefront {
    struct board *board;
    struct pulse *pulse; /* of the gateway's loop */
    struct products products;
    struct store store;
    int64_t keep_time; /* of what is cached */
    struct service services[STOREFRONT_PARTS];
    struct stage *stage; /* the demonstration; NULL: there is none */
};

/* Load the products and name the services; 0, or negative. After a failure nothing is held.
 * Borrows the board. */
int storefront_init(struct storefront *shop, struct board *board);
void storefront_fini(struct storefront *shop);

/* Let the services listen on TCP ports of their own, and the store if it is inside. Before
 * storefront_start(). */
void storefront_use_tcp(struct storefront *shop);

/* Start the store and the services in the background, where they outlive the task that starts them:
 * a gateway that drains can still ask. 0 when all of them listen; negative, with the reason logged.
 */
WEFT_SUSPENDS
int storefront_start(struct storefront *shop);

/* The same service for another loop, with its pulse and its store. */
void service_copy(struct service *service, const struct service *from, struct pulse *pulse,
                  struct store *store);

/* Start or end one service. Ending cuts off whoever is being answered. */
WEFT_SUSPENDS
int service_start(struct service *service);
WEFT_SUSPENDS
void service_stop(struct service *service);

/* Serve it on a listener, in the calling task, until cancelled. */
WEFT_SUSPENDS
int service_serve(struct service *service, weft_listener *listener);

/* Wait as long as this service pretends to work. */
WEFT_SUSPENDS
int service_work(const struct service *service);

/* What each service says of a product, and the page made of it: JSON in the arena; NULL without
 * memory. The services' handlers send these, and so does the shop of threads. `reviews` NULL: the
 * page does without. */
const char *catalog_text(weft_arena *arena, const struct product *product);
const char *price_text(weft_arena *arena, const struct product *product);
const char *stock_text(weft_arena *arena, const struct product *product);
const char *reviews_text(weft_arena *arena, const struct product *product);
const char *pieces_text(weft_arena *arena, int pieces);
const char *like_text(weft_arena *arena, const struct products *products,
                      const struct product *product);
const char *page_text(weft_arena *arena, const char *catalog, const char *price, const char *stock,
                      const char *reviews);

/* Send such a text, with 200. */
WEFT_SUSPENDS
int answer_text(weft_http *http, const char *text);

/* 503: it is the store that fails. What a service has said of its failure, or the client. */
WEFT_SUSPENDS
int store_refuse(weft_http *http, int err);
const char *call_trouble(const weft_http_call *call);

/* 504. */
WEFT_SUSPENDS
int answer_late(weft_http *http, const struct storefront *shop);

/* Browsers name the page that a POST comes from: others than ours have no business here. */
bool request_is_foreign(weft_http *http);

int gateway_product(weft_http *http, void *app);
int gateway_buy(weft_http *http, void *app);
int gateway_visitor(weft_http *http, void *app);
int gateway_like(weft_http *http, void *app);
int gateway_health(weft_http *http, void *app);

extern const weft_http_route gateway_routes[]; /* their `app` is the struct storefront */
extern const weft_http_route catalog_routes[];
extern const weft_http_route price_routes[];
extern const weft_http_route stock_routes[];
extern const weft_http_route reviews_routes[];

#endif
