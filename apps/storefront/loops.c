#include "loops.h"

#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int loops_init(struct loops *loops, struct stage *stage, unsigned count)
{
    *loops = (struct loops){ .stage = stage, .count = count };
    stage->loops = loops;
    if (count <= 1)
        return 0;
    loops->each = calloc(count - 1, sizeof *loops->each);
    loops->doors = calloc(count - 1, sizeof *loops->doors);
    return loops->each != NULL && loops->doors != NULL ? 0 : -ENOMEM;
}

void loops_fini(struct loops *loops)
{
    weft_future_release(loops->complete);
    free(loops->each);
    free(loops->doors);
}

/* --- Loop 0 and the others begin. --- */

static void open_door(void *arg)
{
    struct door *door = arg;
    door->is_open = true;
    if (door->opened != NULL)
        weft_future_set(door->opened, 0);
}

static int wait_at(struct door *door)
{
    if (door->is_open)
        return 0;
    door->opened = weft_future_new();
    int err = weft_await(door->opened);
    weft_future_release(door->opened);
    door->opened = NULL;
    return err;
}

static int serve_stage(void *arg)
{
    return weft_http_serve("mem:stage", stage_routes, .app = arg, .drain = -1);
}

static int map_loops(const struct loops *loops)
{
    int err = 0;
    for (unsigned i = 1; i < loops->count && err >= 0; i++) {
        char host[32], address[32];
        snprintf(host, sizeof host, "loop-%u", i);
        snprintf(address, sizeof address, "mem:loop-%u", i);
        err = weft_http_client_map(NULL, host, address);
    }
    return err;
}

static void count_joined(void *arg)
{
    struct loops *loops = arg;
    if (++loops->joined == loops->count - 1)
        weft_future_set(loops->complete, 0);
}

int loops_go(struct loops *loops)
{
    if (loops->count <= 1)
        return 0;
    loops->complete = weft_future_new();
    int err = loops->complete != NULL ? map_loops(loops) : -ENOMEM;
    if (err >= 0)
        err = weft_spawn(weft_background(), serve_stage, loops->stage->shop, .eager = true);
    for (unsigned i = 1; i < loops->count && err >= 0; i++)
        err = weft_post(weft_loop_at(i), open_door, &loops->doors[i - 1]);
    return err;
}

/* --- A service of each loop. --- */

static int handle_service(weft_http *http, void *app)
{
    struct storefront *shop = app;
    int part = read_number(weft_http_param(http, "part")), err = 0;
    bool is_to_live = strcmp(weft_http_param(http, "state"), "lives") == 0;
    struct service *service = &shop->services[part];
    if (shop->stage == NULL)
        return -ECANCELED;
    if (is_to_live && service->task == NULL)
        err = service_start(service);
    else if (!is_to_live && service->task != NULL)
        service_stop(service);
    return weft_http_text(http, err < 0 ? 500 : 200, "%s\n",
                          err < 0 ? weft_error_text(err) : "done");
}

static const weft_http_route own_routes[] = {
    { "POST", "/service/:part/:state", handle_service, NULL },
    { NULL, NULL, NULL, NULL },
};

/* One that still begins would start its services whatever the switches say: it is waited for. */
int loops_set(const struct loops *loops, int part, bool lives)
{
    int err = loops->count > 1 ? weft_await(loops->complete) : 0;
    for (unsigned i = 1; i < loops->count && err >= 0; i++) {
        weft_arena *arena;
        err = weft_arena_new(&arena, 0);
        if (err < 0)
            break;
        weft_http_call call = { .arena = arena, .method = "POST" };
        call.url = weft_arena_format(arena, "http://loop-%u/service/%d/%s", i, part,
                                     lives ? "lives" : "dies");
        int status = weft_http_fetch(&call);
        err = status < 0 ? status : status == 200 ? 0 : -EIO;
        weft_arena_free(arena);
    }
    return err;
}

/* --- A loop that is not loop 0. --- */

static int serve_own(void *arg)
{
    char address[32];
    snprintf(address, sizeof address, "mem:loop-%u", weft_loop_index());
    return weft_http_serve(address, own_routes, .app = arg, .drain = -1);
}

/* Loop 0's shop is whole: its addresses will not change. */
static void copy_shop(struct storefront *shop, const struct storefront *from)
{
    shop->board = from->board;
    shop->stage = from->stage;
    shop->pulse = &from->board->pulses[STOREFRONT_PROCESSES + weft_loop_index() - 1];
    shop->keep_time = from->keep_time;
    store_copy(&shop->store, &from->store);
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        service_copy(&shop->services[i], &from->services[i], shop->pulse, &shop->store);
}

static int find_services(struct storefront *shop)
{
    int err = store_start(&shop->store, false);
    for (int i = 0; i < STOREFRONT_PARTS && err >= 0; i++)
        err = weft_http_client_map(NULL, shop->services[i].name, shop->services[i].address);
    return err;
}

int loops_join(struct loops *loops, struct storefront *shop)
{
    unsigned index = weft_loop_index() - 1;
    int err = wait_at(&loops->doors[index]);
    if (err < 0)
        return err;
    copy_shop(shop, loops->stage->shop);
    struct pulse_loop pulse = { shop->board, STOREFRONT_PROCESSES + (int)index };
    err = weft_spawn(weft_background(), pulse_beat, &pulse, .copy = sizeof pulse, .eager = true);
    if (err >= 0)
        err = weft_spawn(weft_background(), serve_own, shop, .eager = true);
    if (err >= 0)
        err = weft_http_client_map(NULL, "stage", "mem:stage");
    if (err >= 0)
        err = loops->stage->split ? find_services(shop) : storefront_start(shop);
    if (err >= 0)
        err = weft_post(weft_loop_at(0), count_joined, loops);
    return err;
}

/* Handles belong to the thread; the services live on. */
void loops_leave(struct storefront *shop)
{
    shop->stage = NULL;
    for (int i = 0; i < STOREFRONT_PARTS; i++) {
        weft_task_release(shop->services[i].task);
        shop->services[i].task = NULL;
    }
}

/* --- What loop 0 has to answer. --- */

static int pass_on(weft_http *http, void *app)
{
    const char *query = weft_http_query_text(http);
    bool has_query = query != NULL && *query != '\0';
    (void)app;
    if (request_is_foreign(http)) /* loop 0 does not see whose page it was */
        return weft_http_json(http, 403, "{\"error\":\"from another page\"}\n");
    weft_http_call call = { .arena = http->arena, .method = weft_http_method(http) };
    call.url = weft_arena_format(http->arena, "http://stage%s%s%s", weft_http_path(http),
                                 has_query ? "?" : "", has_query ? query : "");
    int status = weft_http_fetch(&call);
    if (status < 0)
        return weft_http_json(http, 502, "{\"error\":\"loop 0 does not answer\"}\n");
    weft_http_set_header(http, "Cache-Control", "no-store");
    return weft_http_send(http, status, "application/json", call.body, call.body_size);
}

const weft_http_route loops_routes[] = {
    { "GET", "/", stage_page, NULL },
    { "GET", "/stats", pass_on, NULL },
    { "GET", "/tasks", stage_tasks, NULL },
    { "POST", "/switch/:name/:state", pass_on, NULL },
    { "POST", "/load/:rate", pass_on, NULL },
    { "GET", "/health", gateway_health, NULL },
    { "GET", "/product/:id", gateway_product, NULL },
    { "GET", "/like/:id", gateway_like, NULL },
    { "GET", "/visitor", gateway_visitor, NULL },
    { "POST", "/buy/:id", gateway_buy, NULL },
    { NULL, NULL, NULL, NULL },
};
