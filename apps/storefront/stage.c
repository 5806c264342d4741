#include "stage.h"

#include "load.h"
#include "loops.h"
#include "say.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STORE                STOREFRONT_PARTS /* the switch behind the services' */
#define STORE_COUNT_INTERVAL (500 * WEFT_MILLISECOND)

const char *const stage_state_names[STATES] = { "ok", "slow", "dead", "block", "pool" };

void stage_init(struct stage *stage, struct storefront *shop, bool split)
{
    static const char *const load_names[SIDES] = { "the load on weft", "the load on threads" };
    struct board *board = shop->board;
    *stage = (struct stage){ .shop = shop, .split = split, .store_keys = -1 };
    shop->stage = stage;
    for (int i = 0; i < STOREFRONT_PARTS; i++) {
        stage->latency[i] = atomic_load(&board->dials[i].latency);
        stage->ports[i] = -1;
        stage->services[i].name = part_names[i];
        stage->services[i].process = &board->sides[SIDE_WEFT].processes[i];
        stage->services[i].pulse = &board->pulses[i];
    }
    stage->threads.name = "the shop of threads";
    stage->threads.process = &board->sides[SIDE_THREADS].processes[STOREFRONT_GATEWAY];
    for (int i = 0; i < SIDES; i++)
        stage->loads[i].name = load_names[i];
    atomic_store(&board->sides[SIDE_WEFT].processes[STOREFRONT_GATEWAY], getpid());
}

void stage_fini(struct stage *stage)
{
    observer_stop(stage->observer);
    for (int i = 0; i < SIDES; i++)
        actor_fini(&stage->loads[i]);
    actor_fini(&stage->threads);
    for (int i = 0; i < STOREFRONT_PARTS; i++) {
        actor_fini(&stage->services[i]);
        if (stage->ports[i] >= 0)
            close(stage->ports[i]);
    }
}

/* --- A service: as a process, or inside. --- */

static bool lives(const struct stage *stage, int part)
{
    return stage->split ? actor_lives(&stage->services[part])
                        : stage->shop->services[part].task != NULL;
}

/* Its port stays its own, also while it is dead: a socket that does not listen is bound there, and
 * whoever sets SO_REUSEADDR may listen all the same. */
static int keep_port(struct stage *stage, int part)
{
    struct sockaddr_in place = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof place;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    stage->ports[part] = fd;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&place, size) < 0 ||
        getsockname(fd, (struct sockaddr *)&place, &size) < 0)
        return -errno;
    snprintf(stage->shop->services[part].address, STOREFRONT_ADDRESS_MAX, "127.0.0.1:%d",
             ntohs(place.sin_port));
    return 0;
}

static int start_process(struct stage *stage, int part)
{
    struct service *service = &stage->shop->services[part];
    struct actor *actor = &stage->services[part];
    char threads[16];
    snprintf(threads, sizeof threads, "%u", stage->loops->count);
    const char *words[] = {
        "service", service->name, service->address, threads, stage->shop->store.address, NULL
    };
    int err = actor_start(actor, stage->shop->board, words, true);
    if (err < 0)
        return err;
    return weft_http_client_map(NULL, service->name, service->address);
}

static int revive(struct stage *stage, int part)
{
    if (stage->split && lives(stage, part))
        kill(stage->services[part].child.process, SIGCONT);
    if (lives(stage, part))
        return 0;
    return stage->split ? start_process(stage, part) : service_start(&stage->shop->services[part]);
}

static void end(struct stage *stage, int part)
{
    if (!lives(stage, part))
        return;
    if (stage->split)
        actor_stop(&stage->services[part]);
    else
        service_stop(&stage->shop->services[part]);
}

int stage_start(struct stage *stage)
{
    if (!stage->split)
        return storefront_start(stage->shop);
    store_use_tcp(&stage->shop->store); /* for other processes */
    int err = store_start(&stage->shop->store, true);
    for (int i = 0; i < STOREFRONT_PARTS && err >= 0; i++) {
        err = keep_port(stage, i);
        if (err >= 0)
            err = start_process(stage, i);
    }
    return err;
}

/* --- The switches. --- */

static int throw_switch(struct stage *stage, int part, enum stage_state state)
{
    struct dial *dial = &stage->shop->board->dials[part];
    atomic_store(&dial->latency, state == STATE_SLOW ? STAGE_SLOW : stage->latency[part]);
    atomic_store(&dial->pooled, state == STATE_POOL);
    atomic_store(&dial->block, state == STATE_BLOCK || state == STATE_POOL ? STAGE_BLOCK : 0);
    atomic_store(&dial->dead, state == STATE_DEAD);
    stage->states[part] = state;
    int err = 0;
    if (state != STATE_DEAD)
        err = revive(stage, part);
    else
        end(stage, part);
    if (err >= 0 && !stage->split)
        err = loops_set(stage->loops, part, state != STATE_DEAD);
    return err;
}

static int throw_store_switch(struct stage *stage, enum stage_state state)
{
    struct store *store = &stage->shop->store;
    stage->store_counted = 0;
    if (state != STATE_DEAD)
        return store_lives(store) ? 0 : store_revive(store);
    if (store->server != NULL)
        store_kill(store);
    return 0;
}

/* The load of one side, from nothing. What the last one had in flight died with it. */
static int start_load(struct stage *stage, int side, const char *address)
{
    struct flow *asked = &stage->shop->board->sides[side].asked;
    char rate[16];
    snprintf(rate, sizeof rate, "%d", stage->rate);
    const char *words[] = {
        "load", side == SIDE_WEFT ? "weft" : "threads", address, "rate", rate, "probe", "100", NULL
    };
    atomic_store(&asked->in_flight, 0);
    return actor_start(&stage->loads[side], stage->shop->board, words, false);
}

static int set_load(struct stage *stage, int rate)
{
    static const char *const threads_words[] = { "threads", NULL };
    for (int i = 0; i < SIDES; i++) {
        actor_stop(&stage->loads[i]);
        atomic_store(&stage->shop->board->sides[i].asked.begun_at, 0);
    }
    stage->rate = rate;
    int err = 0;
    if (rate > 0 && !actor_lives(&stage->threads))
        err = actor_start(&stage->threads, stage->shop->board, threads_words, true);
    if (rate > 0 && err >= 0)
        err = start_load(stage, SIDE_WEFT, stage->address);
    if (rate > 0 && err >= 0)
        err = start_load(stage, SIDE_THREADS, stage->threads.address);
    return err;
}

int stage_begin(struct stage *stage, const char *address, int rate)
{
    snprintf(stage->address, sizeof stage->address, "%s", address);
    struct pulse_loop pulse = { stage->shop->board, STOREFRONT_GATEWAY };
    int err =
        weft_spawn(weft_background(), pulse_beat, &pulse, .copy = sizeof pulse, .eager = true);
    if (err >= 0)
        err = observer_start(&stage->observer, stage->shop->board, true);
    if (err >= 0 && rate > 0)
        err = set_load(stage, rate);
    return err;
}

/* --- The store, for the page. --- */

static int count_keys(void *arg)
{
    struct stage *stage = arg;
    const weft_redis_value *value;
    weft_arena *arena;
    int err = weft_arena_new(&arena, 0);
    if (err >= 0) {
        err = store_ask(&stage->shop->store, arena, &value, "DBSIZE");
        stage->store_keys = err >= 0 ? (long long)value->integer : -1;
        weft_arena_free(arena);
    }
    stage->store_counted = weft_now();
    stage->store_counts = false;
    return 0;
}

long long stage_count_keys(struct stage *stage)
{
    if (!stage->store_counts && weft_now() - stage->store_counted > STORE_COUNT_INTERVAL)
        stage->store_counts =
            weft_spawn(weft_background(), count_keys, stage, .name = "count keys") == 0;
    return stage->store_keys;
}

/* --- Handlers. --- */

int stage_page(weft_http *http, void *app)
{
    (void)app;
    weft_http_set_header(http, "Content-Security-Policy",
                         "default-src 'none'; script-src 'unsafe-inline'; "
                         "style-src 'unsafe-inline'; connect-src 'self'; img-src data:");
    weft_http_set_header(http, "Cache-Control", "no-store");
    return weft_http_send(http, 200, "text/html; charset=utf-8", page_html, strlen(page_html));
}

static int refuse(weft_http *http, int status, const char *why)
{
    return weft_http_json(http, status, "{\"error\":\"%s\"}\n", why);
}

static int conclude(weft_http *http, struct stage *stage, int err)
{
    stage->is_busy = false;
    if (err < 0)
        return weft_http_json(http, 500, "{\"error\":%s}\n",
                              weft_json_string(http->arena, weft_error_text(err)));
    return weft_http_json(http, 200, "{\"done\":true}\n");
}

/* The index of a name in a list; -1: it is not there. */
static int find(const char *name, const char *const *names, int count)
{
    while (count-- > 0)
        if (strcmp(name, names[count]) == 0)
            return count;
    return -1;
}

static bool is_switch(const struct stage *stage, int part, int state)
{
    if (part == STORE)
        return stage->shop->store.is_embedded && (state == STATE_OK || state == STATE_DEAD);
    return part >= 0 && state >= 0 && (state < STATE_BLOCK || part == STOREFRONT_STOCK);
}

static int handle_switch(weft_http *http, void *app)
{
    struct stage *stage = ((struct storefront *)app)->stage;
    const char *name = weft_http_param(http, "name");
    int part = strcmp(name, "store") == 0 ? STORE : find(name, part_names, STOREFRONT_PARTS);
    int state = find(weft_http_param(http, "state"), stage_state_names, STATES);
    if (!is_switch(stage, part, state))
        return refuse(http, 404, "no such switch");
    if (request_is_foreign(http))
        return refuse(http, 403, "from another page");
    if (stage->is_busy)
        return refuse(http, 409, "another switch is moving");
    stage->is_busy = true;
    int err = part == STORE ? throw_store_switch(stage, (enum stage_state)state)
                            : throw_switch(stage, part, (enum stage_state)state);
    return conclude(http, stage, err);
}

static int handle_load(weft_http *http, void *app)
{
    struct stage *stage = ((struct storefront *)app)->stage;
    int rate = read_number(weft_http_param(http, "rate"));
    if (rate < 0 || rate > STAGE_RATE_MAX)
        return refuse(http, 404, "a load is 0 to " WEFT_STRING(STAGE_RATE_MAX) " pages a second");
    if (request_is_foreign(http))
        return refuse(http, 403, "from another page");
    if (!load_reaches(stage->address))
        return refuse(http, 409, "the load needs a TCP port");
    if (stage->is_busy)
        return refuse(http, 409, "another switch is moving");
    stage->is_busy = true;
    return conclude(http, stage, set_load(stage, rate));
}

const weft_http_route stage_routes[] = {
    { "GET", "/", stage_page, NULL },
    { "GET", "/stats", stage_stats, NULL },
    { "GET", "/tasks", stage_tasks, NULL },
    { "POST", "/switch/:name/:state", handle_switch, NULL },
    { "POST", "/load/:rate", handle_load, NULL },
    { "GET", "/health", gateway_health, NULL },
    { "GET", "/product/:id", gateway_product, NULL },
    { "GET", "/like/:id", gateway_like, NULL },
    { "GET", "/visitor", gateway_visitor, NULL },
    { "POST", "/buy/:id", gateway_buy, NULL },
    { NULL, NULL, NULL, NULL },
};
