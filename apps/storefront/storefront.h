#ifndef STOREFRONT_H
#define STOREFRONT_H

/* A shop's product pages, put together from four services, all in one thread.
 *
 *     client -- http --> gateway -+- catalog    name, category, description
 *                                 +- price      cents
 *                                 +- stock      pieces
 *                                 +- reviews    the page can do without
 *
 * The gateway asks the four at once and gives them one deadline. Each is an HTTP server of its own,
 * found by its name, and knows nothing of the others: inside the process (mem:price) or on a TCP
 * port, which no handler can tell.
 *
 * Each handler gets its state as `app`: the gateway this struct, a service its own line of it.
 * There is no other state. */

#include "products.h"

#include <weft.h>
#include <weft/http.h>

enum storefront_part {
    STOREFRONT_CATALOG,
    STOREFRONT_PRICE,
    STOREFRONT_STOCK,
    STOREFRONT_REVIEWS, /* the parts before it are required */
    STOREFRONT_PARTS,
    STOREFRONT_REQUIRED = STOREFRONT_REVIEWS,
};

struct service {
    const char *name;              /* and the host in the URLs that are for it */
    const char *address;           /* where it listens */
    const weft_http_route *routes; /* its handlers get this struct */
    const struct products *products;
    int64_t latency; /* slept before each answer, to be like a service with work to do */
};

struct storefront {
    struct products products;
    struct service services[STOREFRONT_PARTS];
    int64_t deadline; /* for all four together */
};

/* Load the products and name the services; 0, or negative. After a failure nothing is held. */
int storefront_init(struct storefront *shop);
void storefront_fini(struct storefront *shop);

/* Let the services listen on TCP ports of their own. Before storefront_start(). */
void storefront_use_tcp(struct storefront *shop);

/* Start the services in the background, where they outlive the task that starts them: a gateway
 * that drains can still ask. 0 when all of them listen; negative, with the reason logged. */
WEFT_SUSPENDS
int storefront_start(struct storefront *shop);

/* Wait as long as this service pretends to work. */
WEFT_SUSPENDS
int service_work(const struct service *service);

extern const weft_http_route gateway_routes[]; /* their `app` is the struct storefront */
extern const weft_http_route catalog_routes[];
extern const weft_http_route price_routes[];
extern const weft_http_route stock_routes[];
extern const weft_http_route reviews_routes[];

#endif
