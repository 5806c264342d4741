/* The gateway: GET /product/:id asks all services at once and makes one answer of theirs.
 *
 *     scope with the deadline
 *      +- catalog   \
 *      +- price      > required: the first that fails cancels the others and ends the request
 *      +- stock     /
 *      +- reviews      optional: whatever happens to it, the page is answered without
 *
 *     all required answered 200                 200, "degraded" when reviews are missing
 *     one of them answered 404                  404
 *     the deadline came before they had         504
 *     anything else                             502
 *
 * The verdict is read from the answers, not from the scope's result: a deadline that cut off only
 * the reviews is a success. */

#include "storefront.h"

#include <errno.h>

/* What one service was asked, and what came of it. */
struct part {
    weft_http_call call;
    int result; /* of the fetch: a status, or negative; 0 when it never began */
};

static int fetch_required(void *arg)
{
    struct part *part = arg;
    part->result = weft_http_fetch(&part->call);
    return part->result == 200 || part->result < 0 ? part->result : WEFT_EPROTOCOL;
}

static int fetch_optional(void *arg)
{
    struct part *part = arg;
    part->result = weft_http_fetch(&part->call);
    return 0;
}

/* Ask all services about product `id` (digits). Returns when all have answered, or a required one
 * has failed, or the time is over: the scope's verdict, and its cause in *cause. */
static int ask(weft_http *http, const struct storefront *shop, const char *id, struct part *parts,
               enum weft_scope_cause *cause)
{
    weft_scope scope;
    weft_scope_begin(&scope, .deadline = weft_now() + shop->deadline, .name = "product");
    for (int i = 0; i < STOREFRONT_PARTS; i++) {
        const char *name = shop->services[i].name;
        parts[i] = (struct part){ .call.arena = http->arena };
        parts[i].call.url = weft_arena_format(http->arena, "http://%s/%s/%s", name, name, id);
        weft_spawn(&scope, i == STOREFRONT_REVIEWS ? fetch_optional : fetch_required, &parts[i],
                   .name = name); /* a spawn that fails fails the scope */
    }
    int err = weft_scope_end(&scope);
    *cause = weft_scope_cause(&scope);
    return err;
}

/* How many of the required parts were answered with `status`. */
static int count_required(const struct part *parts, int status)
{
    return (parts[STOREFRONT_CATALOG].result == status) +
           (parts[STOREFRONT_PRICE].result == status) + (parts[STOREFRONT_STOCK].result == status);
}

static int answer_page(weft_http *http, const struct part *parts)
{
    bool degraded = parts[STOREFRONT_REVIEWS].result != 200;
    return weft_http_json(http, 200,
                          "{\"product\":%s,\"price\":%s,\"stock\":%s,\"reviews\":%s,"
                          "\"degraded\":%s}\n",
                          parts[STOREFRONT_CATALOG].call.body, parts[STOREFRONT_PRICE].call.body,
                          parts[STOREFRONT_STOCK].call.body,
                          degraded ? "null" : parts[STOREFRONT_REVIEWS].call.body,
                          degraded ? "true" : "false");
}

/* 502 in the name of the part that failed; the others were cancelled for it. `err` is answered when
 * no part failed, so that the fault is the gateway's own. */
static int answer_failure(weft_http *http, const struct storefront *shop, const struct part *parts,
                          int err)
{
    for (int i = 0; i < STOREFRONT_REVIEWS; i++) {
        const struct part *part = &parts[i];
        if (part->result == 0 || part->result == 200 || part->result == -ECANCELED)
            continue;
        const char *detail = weft_json_string(http->arena, part->call.detail);
        if (detail == NULL)
            return -ENOMEM;
        return weft_http_json(http, 502, "{\"error\":\"%s failed\",\"status\":%d,\"detail\":%s}\n",
                              shop->services[i].name, part->call.status, detail);
    }
    return err;
}

static int product(weft_http *http, void *app)
{
    const struct storefront *shop = app;
    const char *id = weft_http_param(http, "id");
    if (read_number(id) < 0) /* nothing but digits goes into URLs */
        return weft_http_json(http, 400, "{\"error\":\"an id has 1 to 9 digits\"}\n");

    struct part parts[STOREFRONT_PARTS];
    enum weft_scope_cause cause;
    int err = ask(http, shop, id, parts, &cause);

    if (cause == WEFT_CAUSE_ENCLOSING)
        return err;
    if (count_required(parts, 200) == STOREFRONT_REQUIRED)
        return answer_page(http, parts);
    if (count_required(parts, 404) > 0)
        return weft_http_json(http, 404, "{\"error\":\"no such product\"}\n");
    if (cause == WEFT_CAUSE_DEADLINE)
        return weft_http_json(http, 504, "{\"error\":\"no answer within %lld ms\"}\n",
                              (long long)(shop->deadline / WEFT_MILLISECOND));
    return answer_failure(http, shop, parts, err);
}

static int contents(weft_http *http, void *app)
{
    const struct storefront *shop = app;
    return weft_http_text(http, 200,
                          "A storefront: one page from four services, in one thread.\n\n"
                          "  GET /product/7   a product, 1 to %d\n"
                          "  GET /health      whether this process answers\n",
                          shop->products.count);
}

static int health(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "ok\n");
}

const weft_http_route gateway_routes[] = {
    { "GET", "/", contents, NULL },
    { "GET", "/health", health, NULL },
    { "GET", "/product/:id", product, NULL },
    { NULL, NULL, NULL, NULL },
};
