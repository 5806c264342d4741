/* GET /like/:id: what else there is of this kind: dear to find out, so it is kept for a while.
 *
 *     gateway -- like:7 --> cache --+-- in the store
 *                                   +-- else, once: catalog, GET /catalog/7/like, and into it
 *
 * Of many who ask for the same product at the same time one asks the catalog; see cache.h. Without
 * a store all of it works still, but that nothing is kept. */

#include "cache.h"
#include "storefront.h"
#include "watch.h"

#include <errno.h>
#include <string.h>

#define LIKE_MAX 3

/* The next ones in the list of the same category; from the end it goes on at the beginning. */
const char *like_text(weft_arena *arena, const struct products *products,
                      const struct product *product)
{
    const char *list = "";
    int found = 0;
    for (int i = 0; i < products->count - 1 && found < LIKE_MAX && list != NULL; i++) {
        const struct product *other = &products->list[(product->id + i) % products->count];
        if (strcmp(other->category, product->category) != 0)
            continue;
        const char *name = weft_json_string(arena, other->name);
        if (name == NULL)
            return NULL;
        list = weft_arena_format(arena, "%s%s{\"id\":%d,\"name\":%s}", list, found > 0 ? "," : "",
                                 other->id, name);
        found++;
    }
    return list != NULL ? weft_arena_format(arena, "{\"like\":[%s]}\n", list) : NULL;
}

/* What was asked of the catalog, and became of it. */
struct inquiry {
    int product;
    weft_http_call call;
};

static int ask_catalog(weft_arena *arena, void *arg, const char **text)
{
    struct inquiry *inquiry = arg;
    inquiry->call = (weft_http_call){ .arena = arena };
    inquiry->call.url =
        weft_arena_format(arena, "http://catalog/catalog/%d/like", inquiry->product);
    int status = weft_http_fetch(&inquiry->call);
    if (status == 200)
        *text = inquiry->call.body;
    return status == 200 ? 0 : status < 0 ? status : status == 404 ? -ENOENT : WEFT_EPROTOCOL;
}

static int refuse(weft_http *http, const struct storefront *shop, int err)
{
    if (err == -ENOENT)
        return weft_http_json(http, 404, "{\"error\":\"no such product\"}\n");
    if (err == -ETIMEDOUT)
        return answer_late(http, shop);
    if (err == -ECANCELED)
        return err;
    return weft_http_json(http, 502, "{\"error\":\"catalog failed\",\"detail\":\"%s\"}\n",
                          weft_error_text(err));
}

int gateway_like(weft_http *http, void *app)
{
    struct storefront *shop = app;
    const char *text = NULL;
    struct inquiry inquiry = { .product = read_number(weft_http_param(http, "id")) };
    if (inquiry.product < 0)
        return weft_http_json(http, 400, "{\"error\":\"an id has 1 to 9 digits\"}\n");
    const char *key = weft_arena_format(http->arena, "like:%d", inquiry.product);
    if (key == NULL)
        return -ENOMEM;

    weft_scope scope;
    weft_scope_begin(&scope, .deadline = weft_now() + shop->board->deadline, .name = "like");
    int err = weft_scope_leave(&scope, cache_get(&shop->store, http->arena, key, shop->keep_time,
                                                 ask_catalog, &inquiry, &text));
    pulse_note(shop->pulse, STOREFRONT_GATEWAY);
    return err < 0 ? refuse(http, shop, err) : answer_text(http, text);
}
