/* GET /stock/:id: how many pieces of a product there are. */

#include "storefront.h"

static int stock(weft_http *http, void *app)
{
    const struct service *service = app;
    int err = service_work(service);
    if (err < 0)
        return err;

    const struct product *product = products_find(service->products, weft_http_param(http, "id"));
    if (product == NULL)
        return weft_http_json(http, 404, "{\"error\":\"no such product\"}");
    return weft_http_json(http, 200, "{\"pieces\":%d}", product->stock);
}

const weft_http_route stock_routes[] = {
    { "GET", "/stock/:id", stock, NULL },
    { NULL, NULL, NULL, NULL },
};
