/* A cache in Redis before something that is dear, and of all who ask for the same at once one pays.
 *
 *     cache [ADDRESS [REDIS]]      "127.0.0.1:8080" and redis://127.0.0.1:6379 unless given;
 *                                  `weft-kv --port 6379` is enough of a Redis
 *     curl -i http://127.0.0.1:8080/weather/berlin             X-Cache: miss, after 300 ms
 *     curl -i http://127.0.0.1:8080/weather/berlin             X-Cache: hit
 *     curl -i http://127.0.0.1:8080/weather/oslo?within=100    504: it was not asked to wait longer
 *
 * Whoever comes first for a key leads a flight, and the others wait for it to land:
 *
 *     ask ──> somebody leads ── wait ──> it has an answer: mine too           X-Cache: shared
 *        └─> nobody does: lead           it has failed: one of us tries once more, then all are
 * told └─> find or compute    its client lost patience: one of us leads; that costs nobody a try
 *
 * An error is never kept. Without Redis everything is computed, still once for all who wait. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>
#include <weft/http.h>
#include <weft/redis.h>

#define REDIS_TIMEOUT (100 * WEFT_MILLISECOND) /* a cache that is slower than that is none */
#define FRESH         60                       /* seconds */

struct answer {
    int err; /* -ECANCELED: its leader left */
    const char *how;
    char text[200];
};

struct flight {
    struct flight *next;
    const char *key;
    weft_future *landed; /* its value is an answer */
};

struct cache {
    weft_redis *redis;
    struct flight *flights; /* each in its leader's frame */
};

/* What is dear: somebody else's service, a long query, a large sum. */
static int compute(const char *city, struct answer *answer)
{
    int err = weft_sleep(300 * WEFT_MILLISECOND);
    if (err < 0 || strcmp(city, "atlantis") == 0)
        return err < 0 ? err : -ENOENT;
    snprintf(answer->text, sizeof answer->text, "it rains in %s", city);
    answer->how = "miss";
    return 0;
}

/* Whether there is a kept one. All that can go wrong here is that there is not. */
static bool find(struct cache *cache, weft_arena *arena, const char *city, struct answer *answer)
{
    const weft_redis_value *value = NULL;
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = REDIS_TIMEOUT);
    weft_scope_leave(&scope, weft_redis_ask(cache->redis, arena, &value, "GET weather:%s", city));
    if (!value || value->kind != WEFT_REDIS_STRING)
        return false;
    snprintf(answer->text, sizeof answer->text, "%s", value->text);
    answer->how = "hit";
    return true;
}

static void keep(struct cache *cache, weft_arena *arena, const char *city,
                 const struct answer *answer)
{
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = REDIS_TIMEOUT);
    weft_scope_leave(&scope, weft_redis_ask(cache->redis, arena, NULL, "SET weather:%s %s EX %d",
                                            city, answer->text, FRESH));
}

static void end_flight(struct cache *cache, struct flight *flight)
{
    struct flight **link = &cache->flights;
    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
    weft_future_release(flight->landed);
}

/* The flight covers the look into the cache too, so who comes after it finds what it has kept. */
static int lead(struct cache *cache, weft_arena *arena, const char *city, struct answer *out)
{
    struct answer *answer = calloc(1, sizeof *answer);
    struct flight flight = { cache->flights, city, answer ? weft_future_new() : NULL };
    if (!flight.landed) {
        free(answer);
        return -ENOMEM;
    }
    cache->flights = &flight;
    if (!find(cache, arena, city, answer))
        answer->err = compute(city, answer);
    *out = *answer;
    weft_future_set_owned(flight.landed, answer, free); /* nobody waits while it is kept */
    if (out->err == 0 && strcmp(out->how, "miss") == 0)
        keep(cache, arena, city, out);
    end_flight(cache, &flight);
    return out->err;
}

static int wait_for(const struct flight *flight, struct answer *out)
{
    weft_future *landed = weft_future_retain(flight->landed);
    void *answer;
    int err = weft_await_value(landed, &answer); /* my own cancel ends my waiting alone */
    if (err == 0) {
        *out = *(struct answer *)answer;
        out->how = "shared";
    }
    weft_future_release(landed);
    return err;
}

static int ask(struct cache *cache, weft_arena *arena, const char *city, struct answer *answer)
{
    for (int failures = 0;;) {
        struct flight *flight = cache->flights;
        while (flight && strcmp(flight->key, city) != 0)
            flight = flight->next;
        if (!flight)
            return lead(cache, arena, city, answer);
        int err = wait_for(flight, answer);
        if (err < 0 || answer->err == 0)
            return err;
        if (answer->err != -ECANCELED && ++failures == 2)
            return answer->err;
    }
}

static int weather(weft_http *http, void *cache)
{
    struct answer answer = { 0 };
    const char *within = weft_http_query(http, "within"); /* ms */
    int patience = within ? atoi(within) : 0;
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = patience > 0 ? patience * WEFT_MILLISECOND : WEFT_SECOND);
    int err = ask(cache, http->arena, weft_http_param(http, "city"), &answer);
    if (weft_scope_leave(&scope, err) == -ETIMEDOUT)
        return weft_http_text(http, 504, "it takes longer\n");
    if (err == -ENOENT)
        return weft_http_text(http, 404, "there is no such city\n");
    if (err == 0)
        err = weft_http_set_header(http, "X-Cache", answer.how);
    return err < 0 ? err : weft_http_text(http, 200, "%s\n", answer.text);
}

static const weft_http_route routes[] = { { "GET", "/weather/:city", weather, NULL }, { 0 } };

static int serve(void *arg)
{
    const char **addresses = arg;
    struct cache cache = { NULL, NULL };
    weft_listener *listener;
    int err = weft_listen(&listener, addresses[0]);
    if (err < 0)
        return err;
    /* While there is no Redis a call fails at once. */
    err = weft_redis_open(&cache.redis, addresses[1], .offline = WEFT_REDIS_OFFLINE_FAIL);
    if (err == 0) {
        printf("http://%s\n", weft_listener_address(listener));
        fflush(stdout);
        err = weft_http_serve_on(listener, routes, .app = &cache);
        weft_redis_close(cache.redis);
    }
    weft_listener_close(listener);
    return err;
}

int main(int argc, char **argv)
{
    const char *addresses[] = { argc > 1 ? argv[1] : "127.0.0.1:8080",
                                argc > 2 ? argv[2] : "redis://127.0.0.1:6379" };
    int err = weft_run(serve, addresses);
    return err < 0 && err != -ECANCELED && fprintf(stderr, "cache: %s\n", weft_error_text(err));
}
