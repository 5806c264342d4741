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

#include "session.h"
#include "storefront.h"
#include "watch.h"

#include <errno.h>
#include <string.h>

/* What one service was asked, and what came of it. */
struct part {
    weft_http_call call;
    struct histogram *latency; /* of its service */
    int result;                /* of the fetch: a status, or negative; 0 when it never began */
};

static int fetch(struct part *part)
{
    int64_t start = weft_now();
    part->result = weft_http_fetch(&part->call);
    histogram_add(part->latency, weft_now() - start);
    return part->result;
}

static int fetch_required(void *arg)
{
    int result = fetch(arg);
    return result == 200 || result < 0 ? result : WEFT_EPROTOCOL;
}

static int fetch_optional(void *arg)
{
    fetch(arg);
    return 0;
}

/* Ask all services about product `id` (digits). Returns when all have answered, or a required one
 * has failed, or the time is over: the scope's verdict, and its cause in *cause. */
static int ask(weft_http *http, const struct storefront *shop, const char *id, struct part *parts,
               enum weft_scope_cause *cause)
{
    struct side *side = &shop->board->sides[SIDE_WEFT];
    weft_scope scope;
    weft_scope_begin(&scope, .deadline = weft_now() + shop->board->deadline, .name = "product");
    for (int i = 0; i < STOREFRONT_PARTS; i++) {
        const char *name = shop->services[i].name;
        parts[i] = (struct part){ .call.arena = http->arena, .latency = &side->parts[i] };
        parts[i].call.url = weft_arena_format(http->arena, "http://%s/%s/%s", name, name, id);
        weft_spawn(&scope, i == STOREFRONT_REVIEWS ? fetch_optional : fetch_required, &parts[i],
                   .name = name); /* a spawn that fails fails the scope */
    }
    int err = weft_scope_end(&scope);
    *cause = weft_scope_cause(&scope);
    pulse_note(shop->pulse, STOREFRONT_GATEWAY);
    return err;
}

/* How many of the required parts were answered with `status`. */
static int count_required(const struct part *parts, int status)
{
    return (parts[STOREFRONT_CATALOG].result == status) +
           (parts[STOREFRONT_PRICE].result == status) + (parts[STOREFRONT_STOCK].result == status);
}

static enum outcome judge(const struct part *parts, enum weft_scope_cause cause)
{
    if (cause == WEFT_CAUSE_ENCLOSING) /* the gateway itself was told to end */
        return OUTCOME_LOST;
    if (count_required(parts, 200) == STOREFRONT_REQUIRED)
        return parts[STOREFRONT_REVIEWS].result == 200 ? OUTCOME_WHOLE : OUTCOME_DEGRADED;
    if (count_required(parts, 404) > 0)
        return OUTCOME_ABSENT;
    return cause == WEFT_CAUSE_DEADLINE ? OUTCOME_LATE : OUTCOME_FAILED;
}

const char *page_text(weft_arena *arena, const char *catalog, const char *price, const char *stock,
                      const char *reviews)
{
    return weft_arena_format(
        arena, "{\"product\":%s,\"price\":%s,\"stock\":%s,\"reviews\":%s,\"degraded\":%s}\n",
        catalog, price, stock, reviews != NULL ? reviews : "null",
        reviews != NULL ? "false" : "true");
}

static int answer_page(weft_http *http, const struct part *parts)
{
    const struct part *reviews = &parts[STOREFRONT_REVIEWS];
    return answer_text(http, page_text(http->arena, parts[STOREFRONT_CATALOG].call.body,
                                       parts[STOREFRONT_PRICE].call.body,
                                       parts[STOREFRONT_STOCK].call.body,
                                       reviews->result == 200 ? reviews->call.body : NULL));
}

/* A service that fails because the store does says so itself. */
const char *call_trouble(const weft_http_call *call)
{
    return call->status == 503 && call->body_size > 0 ? call->body : call->detail;
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
        const char *detail = weft_json_string(http->arena, call_trouble(&part->call));
        if (detail == NULL)
            return -ENOMEM;
        return weft_http_json(http, 502, "{\"error\":\"%s failed\",\"status\":%d,\"detail\":%s}\n",
                              shop->services[i].name, part->call.status, detail);
    }
    return err;
}

int answer_late(weft_http *http, const struct storefront *shop)
{
    return weft_http_json(http, 504, "{\"error\":\"no answer within %lld ms\"}\n",
                          (long long)(shop->board->deadline / WEFT_MILLISECOND));
}

/* Once the page is there: the store has answered already, for the stock. */
static int answer_visitor(weft_http *http, struct storefront *shop, const char *id,
                          const struct part *parts)
{
    const char *visitor = session_of(http);
    if (visitor != NULL)
        session_saw(&shop->store, http, visitor, read_number(id));
    return answer_page(http, parts);
}

int gateway_product(weft_http *http, void *app)
{
    struct storefront *shop = app;
    const char *id = weft_http_param(http, "id");
    if (read_number(id) < 0) /* nothing but digits goes into URLs */
        return weft_http_json(http, 400, "{\"error\":\"an id has 1 to 9 digits\"}\n");

    struct flow *flow = &shop->board->sides[SIDE_WEFT].served;
    int64_t start = flow_begin(flow);
    struct part parts[STOREFRONT_PARTS];
    enum weft_scope_cause cause;
    int err = ask(http, shop, id, parts, &cause);
    enum outcome outcome = judge(parts, cause);
    flow_end(flow, start, outcome);

    switch (outcome) {
    case OUTCOME_WHOLE:
    case OUTCOME_DEGRADED:
        return answer_visitor(http, shop, id, parts);
    case OUTCOME_ABSENT:
        return weft_http_json(http, 404, "{\"error\":\"no such product\"}\n");
    case OUTCOME_LATE:
        return answer_late(http, shop);
    case OUTCOME_FAILED:
        return answer_failure(http, shop, parts, err);
    default:
        return err;
    }
}

bool request_is_foreign(weft_http *http)
{
    const char *origin = weft_http_header(http, "Origin");
    return origin != NULL &&
           (strncmp(origin, "http://", 7) != 0 || strcmp(origin + 7, weft_http_host(http)) != 0);
}

int gateway_health(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "ok\n");
}

const weft_http_route gateway_routes[] = {
    { "GET", "/health", gateway_health, NULL }, { "GET", "/product/:id", gateway_product, NULL },
    { "GET", "/like/:id", gateway_like, NULL }, { "GET", "/visitor", gateway_visitor, NULL },
    { "POST", "/buy/:id", gateway_buy, NULL },  { NULL, NULL, NULL, NULL },
};
