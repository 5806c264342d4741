/* GET /reviews/:id: what buyers say of a product, a list that may be empty. */

#include "storefront.h"

#include <errno.h>

/* The reviews as JSON, in the arena; NULL without memory. */
static const char *reviews_json(weft_arena *arena, const struct product *product)
{
    const char *list = "";
    for (int i = 0; i < product->review_count && list != NULL; i++) {
        const struct review *review = &product->reviews[i];
        const char *text = weft_json_string(arena, review->text);
        if (text == NULL)
            return NULL;
        list = weft_arena_format(arena, "%s%s{\"stars\":%d,\"text\":%s}", list, i > 0 ? "," : "",
                                 review->stars, text);
    }
    return list;
}

static int reviews(weft_http *http, void *app)
{
    const struct service *service = app;
    int err = service_work(service);
    if (err < 0)
        return err;

    const struct product *product = products_find(service->products, weft_http_param(http, "id"));
    if (product == NULL)
        return weft_http_json(http, 404, "{\"error\":\"no such product\"}");

    const char *list = reviews_json(http->arena, product);
    if (list == NULL)
        return -ENOMEM;
    return weft_http_json(http, 200, "[%s]", list);
}

const weft_http_route reviews_routes[] = {
    { "GET", "/reviews/:id", reviews, NULL },
    { NULL, NULL, NULL, NULL },
};
