/* POST /buy/:id: one piece of a product, and a visitor who is remembered for it.
 *
 *     gateway -- POST /stock/7 --> stock -- WATCH, GET, MULTI, SET, EXEC --> store
 *        |                                                                     ^
 *        +-- session and cart -------------------------------------------------+
 *
 *     200   { "bought": 7, "left": 258, "remembered": true }: false when the store took the piece
 *           and not the cart
 *     409   sold out
 *     503   the store does not answer, and nothing was sold; or nobody knows whether it was
 *     504   likewise
 *
 * SameSite keeps the cookie from pages of other sites, and the Origin such pages themselves. */

#include "session.h"
#include "storefront.h"
#include "watch.h"

#include <errno.h>
#include <stdio.h>

static int ask_stock(weft_http *http, const struct storefront *shop, const char *id,
                     weft_http_call *call)
{
    weft_scope scope;
    *call = (weft_http_call){ .arena = http->arena, .method = "POST" };
    call->url = weft_arena_format(http->arena, "http://stock/stock/%s", id);
    weft_scope_begin(&scope, .deadline = weft_now() + shop->board->deadline, .name = "buy");
    int status = weft_http_fetch(call);
    int err = weft_scope_leave(&scope, status < 0 ? status : 0);
    pulse_note(shop->pulse, STOREFRONT_GATEWAY);
    return err < 0 ? err : status;
}

static int answer_sold(weft_http *http, struct storefront *shop, int product,
                       const weft_http_call *call)
{
    int left = 0;
    sscanf(call->body, "{\"pieces\":%d}", &left);
    bool is_remembered = session_bought(&shop->store, http, product) == 0;
    return weft_http_json(http, 200, "{\"bought\":%d,\"left\":%d,\"remembered\":%s}\n", product,
                          left, is_remembered ? "true" : "false");
}

static int answer_unsold(weft_http *http, const struct storefront *shop, int status,
                         const weft_http_call *call)
{
    if (status == 404)
        return weft_http_json(http, 404, "{\"error\":\"no such product\"}\n");
    if (status == 409)
        return weft_http_json(http, 409, "{\"error\":\"sold out\"}\n");
    if (status == -ETIMEDOUT)
        return answer_late(http, shop);
    if (status == -ECANCELED)
        return status;
    const char *detail = weft_json_string(http->arena, call_trouble(call));
    if (detail == NULL)
        return -ENOMEM;
    return weft_http_json(http, status == 503 ? 503 : 502,
                          "{\"error\":\"stock failed\",\"detail\":%s}\n", detail);
}

int gateway_buy(weft_http *http, void *app)
{
    struct storefront *shop = app;
    const char *id = weft_http_param(http, "id");
    int product = read_number(id);
    if (product < 0)
        return weft_http_json(http, 400, "{\"error\":\"an id has 1 to 9 digits\"}\n");
    if (request_is_foreign(http))
        return weft_http_json(http, 403, "{\"error\":\"from another page\"}\n");
    weft_http_call call;
    int status = ask_stock(http, shop, id, &call);
    return status == 200 ? answer_sold(http, shop, product, &call)
                         : answer_unsold(http, shop, status, &call);
}
