/* GET /reviews/:id: what buyers say of a product, a list that may be empty. */

#include "storefront.h"

static const char *review_text(weft_arena *arena, const struct review *review)
{
    const char *text = weft_json_string(arena, review->text);
    return text == NULL
               ? NULL
               : weft_arena_format(arena, "{\"stars\":%d,\"text\":%s}", review->stars, text);
}

const char *reviews_text(weft_arena *arena, const struct product *product)
{
    const char *list = "";
    for (int i = 0; i < product->review_count && list != NULL; i++) {
        const char *text = review_text(arena, &product->reviews[i]);
        if (text == NULL)
            return NULL;
        list = weft_arena_format(arena, "%s%s%s", list, i > 0 ? "," : "", text);
    }
    return list != NULL ? weft_arena_format(arena, "[%s]", list) : NULL;
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
    return answer_text(http, reviews_text(http->arena, product));
}

const weft_http_route reviews_routes[] = {
    { "GET", "/reviews/:id", reviews, NULL },
    { NULL, NULL, NULL, NULL },
};
