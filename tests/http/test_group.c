/* HTTP on several loops: one port, handed out in turn, and a client per loop. */

#include "../core/core_test.h"

#include "../core/group_test.h"

#include <weft.h>
#include <weft/http.h>

static char base[64];
static weft_listener *listeners[LOOPS];

static int say_where(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "%u", weft_loop_index());
}

static const weft_http_route where_routes[] = {
    { "GET", "/", say_where, NULL },
    { NULL, NULL, NULL, NULL },
};

/* On a connection of its own: which loop answers. */
static unsigned ask_where(void)
{
    weft_arena *arena;
    weft_http_client *client;
    assert_int_equal(weft_arena_new(&arena, 0), 0);
    assert_int_equal(weft_http_client_new(&client), 0);
    weft_http_call call = { .arena = arena, .client = client, .url = base };
    assert_int_equal(weft_http_fetch(&call), 200);
    unsigned where = (unsigned)atoi(call.body);
    weft_http_client_free(client);
    weft_arena_free(arena);
    return where;
}

static int ask_around(void *arg)
{
    (void)arg;
    unsigned seen = 0, last;
    while (seen != (1u << LOOPS) - 1)
        seen |= 1u << (last = ask_where());
    for (int i = 0; i < 3 * LOOPS; i++) {
        unsigned where = ask_where();
        assert_int_equal(where, (last + 1) % LOOPS);
        last = where;
    }
    weft_loop_shutdown(0, WEFT_FOREVER);
    return 0;
}

static int serve_where(void *arg)
{
    (void)arg;
    weft_listener **listener = &listeners[weft_loop_index()];
    assert_int_equal(weft_listen(listener, "127.0.0.1:0"), 0);
    if (weft_loop_index() == 0) {
        snprintf(base, sizeof base, "http://%s/", weft_listener_address(*listener));
        weft_spawn(weft_background(), ask_around, NULL);
    }
    int err =
        weft_http_serve_on(*listener, where_routes, .hand_out = WEFT_HAND_OUT_IN_TURN, .drain = -1);
    weft_listener_close(*listener);
    return err == -ECANCELED ? 0 : err;
}

static void test_http_group_connections_are_handed_out_in_turn(void **state)
{
    (void)state;
    assert_int_equal(run_loops(LOOPS, serve_where, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_http_group_connections_are_handed_out_in_turn),
    };
    return cmocka_run_group_tests_name("http group", tests, NULL, NULL);
}
