/* GET /catalog/:id: what a product is. GET /catalog/:id/like: what else there is of its kind. */

#include "storefront.h"

const char *catalog_text(weft_arena *arena, const struct product *product)
{
    const char *name = weft_json_string(arena, product->name);
    const char *category = weft_json_string(arena, product->category);
    const char *description = weft_json_string(arena, product->description);
    if (name == NULL || category == NULL || description == NULL)
        return NULL;
    return weft_arena_format(arena, "{\"id\":%d,\"name\":%s,\"category\":%s,\"description\":%s}",
                             product->id, name, category, description);
}

static int describe(weft_http *http, void *app)
{
    const struct service *service = app;
    int err = service_work(service);
    if (err < 0)
        return err;

    const struct product *product = products_find(service->products, weft_http_param(http, "id"));
    if (product == NULL)
        return weft_http_json(http, 404, "{\"error\":\"no such product\"}");
    return answer_text(http, catalog_text(http->arena, product));
}

static int describe_like(weft_http *http, void *app)
{
    const struct service *service = app;
    int err = service_work(service);
    if (err < 0)
        return err;

    const struct product *product = products_find(service->products, weft_http_param(http, "id"));
    if (product == NULL)
        return weft_http_json(http, 404, "{\"error\":\"no such product\"}");
    return answer_text(http, like_text(http->arena, service->products, product));
}

const weft_http_route catalog_routes[] = {
    { "GET", "/catalog/:id", describe, NULL },
    { "GET", "/catalog/:id/like", describe_like, NULL },
    { NULL, NULL, NULL, NULL },
};
