/* An HTTP gateway and the two services behind it, all in one thread.
 *
 *     gateway [ADDRESS]                            "127.0.0.1:8080" unless given
 *     curl http://127.0.0.1:8080/basket/7          asks users and carts, 300 ms for both
 *     curl http://127.0.0.1:8080/basket/slow       the deadline passes: 502 */

#include <stdio.h>
#include <string.h>
#include <weft.h>
#include <weft/http.h>

static int basket(weft_http *http, void *app)
{
    (void)app;
    const char *id = weft_http_escape(http->arena, weft_http_param(http, "id"));
    weft_http_call user = { .arena = http->arena }, cart = user;
    user.url = weft_arena_format(http->arena, "http://users/%s", id);
    cart.url = weft_arena_format(http->arena, "http://carts/%s", id);
    weft_scope both;
    weft_scope_begin(&both, .timeout = 300 * WEFT_MILLISECOND);
    weft_spawn(&both, weft_http_fetch, &user); /* a spawn that fails fails the scope */
    weft_spawn(&both, weft_http_fetch, &cart);
    if (weft_scope_end(&both) < 0 || user.status != 200 || cart.status != 200)
        return weft_http_text(http, 502, "upstream failed\n");
    return weft_http_json(http, 200, "{\"user\":%s,\"cart\":%s}\n", user.body, cart.body);
}

static int user(weft_http *http, void *app)
{
    (void)app;
    const char *id = weft_json_string(http->arena, weft_http_param(http, "id"));
    return weft_http_json(http, 200, "{\"id\":%s,\"name\":\"Ada\"}", id);
}

static int cart(weft_http *http, void *app)
{
    (void)app;
    bool is_slow = strcmp(weft_http_param(http, "id"), "slow") == 0;
    int err = weft_sleep(is_slow ? 500 * WEFT_MILLISECOND : 0);
    return err < 0 ? err : weft_http_json(http, 200, "[\"tea\",\"bread\"]");
}

static const weft_http_route baskets[] = { { "GET", "/basket/:id", basket, NULL }, { 0 } };
static const weft_http_route users[] = { { "GET", "/:id", user, NULL }, { 0 } };
static const weft_http_route carts[] = { { "GET", "/:id", cart, NULL }, { 0 } };

static int serve_users(void *address)
{
    return weft_http_serve(address, users);
}

static int serve_carts(void *address)
{
    return weft_http_serve(address, carts);
}

static int serve(void *address)
{
    weft_listener *listener;
    int err = weft_http_client_map(NULL, "users", "mem:users");
    if (err == 0) /* for a gateway they could be anywhere */
        err = weft_http_client_map(NULL, "carts", "mem:carts");
    if (err == 0)
        err = weft_listen(&listener, address);
    if (err < 0)
        return err;
    printf("http://%s\n", weft_listener_address(listener));
    fflush(stdout);
    weft_scope services;
    weft_scope_begin(&services);
    weft_spawn(&services, serve_users, "mem:users");
    weft_spawn(&services, serve_carts, "mem:carts");
    err = weft_scope_leave(&services, weft_http_serve_on(listener, baskets));
    weft_listener_close(listener);
    return err;
}

int main(int argc, char **argv)
{
    int err = weft_run(serve, argc > 1 ? argv[1] : "127.0.0.1:8080"); /* Ctrl-C cancels it */
    return err != -ECANCELED && fprintf(stderr, "gateway: %s\n", weft_error_text(err));
}
