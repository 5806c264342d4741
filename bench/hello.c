#include "hello.h"

#include <weft.h>
#include <weft/http.h>

static int hello(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, HELLO_TEXT);
}

static int product(weft_http *http, void *app)
{
    (void)app;
    return weft_http_json(http, 200, HELLO_PRODUCT "\n");
}

static const weft_http_route routes[] = {
    { "GET", "/hello", hello, NULL },
    { "GET", "/json", product, NULL },
    { "POST", "/post", hello, NULL },
    { NULL, NULL, NULL, NULL },
};

static int serve(void *listener)
{
    return weft_http_serve_on(listener, routes, .max_clients = 1000000, .header_timeout = WEFT_HOUR,
                              .idle_timeout = WEFT_HOUR);
}

void http_weft(struct server_ends ends)
{
    server_on_weft(ends, serve);
}
