/* GET /price/:id: what a product costs. */

#include "storefront.h"

const char *price_text(weft_arena *arena, const struct product *product)
{
    return weft_arena_format(arena, "{\"currency\":\"EUR\",\"cents\":%d}", product->cents);
}

static int price(weft_http *http, void *app)
{
    const struct service *service = app;
    int err = service_work(service);
    if (err < 0)
        return err;

    const struct product *product = products_find(service->products, weft_http_param(http, "id"));
    if (product == NULL)
        return weft_http_json(http, 404, "{\"error\":\"no such product\"}");
    return answer_text(http, price_text(http->arena, product));
}

const weft_http_route price_routes[] = {
    { "GET", "/price/:id", price, NULL },
    { NULL, NULL, NULL, NULL },
};
