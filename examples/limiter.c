/* A rate limiter before HTTP handlers, for any number of servers together: Redis counts.
 *
 *     limiter [ADDRESS [REDIS [COUNT [SECONDS]]]]
 *                                      "127.0.0.1:8080", redis://127.0.0.1:6379, 10 in 60 s unless
 *                                      given; `weft-kv --port 6379` is enough of a Redis
 *     curl -i http://127.0.0.1:8080/hello/you                           X-RateLimit-Remaining: 9
 *     curl -i http://127.0.0.1:8080/hello/you -H 'X-Api-Key: mine'      another one's: 9
 *
 * Who comes too often is answered 429 with Retry-After. A client's window begins with its first
 * request and ends by itself, in Redis, so no clocks are compared. (Around its end a client may
 * come twice as often, for a moment. Who cannot have that counts by the sub-window.)
 *
 * Redis that does not answer within 250 ms, or is away, limits nobody: a limiter protects a site
 * from too much, and should not be what takes it down. X-RateLimit says "off" then. Where a
 * request costs money it should be the other way round: that is one line, in limiter_pass(). */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>
#include <weft/http.h>
#include <weft/redis.h>

#define REDIS_TIMEOUT (250 * WEFT_MILLISECOND)

struct limiter {
    weft_redis *redis;
    long long count; /* requests of one client … */
    int seconds;     /* … in so many */
};

/* The key's first SET gives it its end, later ones do nothing; then it counts. All three at once:
 * between an INCR and an EXPIRE that are sent alone a server could die, and a count without an end
 * would shut its client out for ever. */
static int count(struct limiter *limiter, weft_arena *arena, const char *who,
                 const weft_redis_value **answers)
{
    weft_redis_transaction *t;
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = REDIS_TIMEOUT);
    int err = weft_redis_transaction_begin(&t, limiter->redis, arena);
    if (err == 0) {
        err = weft_redis_transaction_add(t, "SET limit:%s 0 EX %d NX", who, limiter->seconds);
        if (err == 0)
            err = weft_redis_transaction_add(t, "INCR limit:%s", who);
        if (err == 0)
            err = weft_redis_transaction_add(t, "PTTL limit:%s", who);
        if (err == 0)
            err = weft_redis_transaction_execute(t, answers);
        weft_redis_transaction_end(t);
    }
    return weft_scope_leave(&scope, err);
}

static int set_number(weft_http *http, const char *name, long long number)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", number);
    return weft_http_set_header(http, name, text);
}

/* Whether `who` may: 1; 0: it was answered; negative: an error for the handler to return. */
static int limiter_pass(struct limiter *limiter, weft_http *http, const char *who)
{
    const weft_redis_value *answers = NULL;
    int err = count(limiter, http->arena, who, &answers);
    const weft_redis_value *used = weft_redis_value_at(answers, 1);
    const weft_redis_value *left_ms = weft_redis_value_at(answers, 2);
    if (err == -ECANCELED)
        return err;
    if (err < 0 || !used || used->kind != WEFT_REDIS_INTEGER || !left_ms)
        return (err = weft_http_set_header(http, "X-RateLimit", "off")) < 0 ? err : 1;
    if (used->integer <= limiter->count) {
        err = set_number(http, "X-RateLimit-Remaining", limiter->count - used->integer);
        return err < 0 ? err : 1;
    }
    err = set_number(http, "Retry-After", (left_ms->integer + 999) / 1000);
    return err < 0 ? err : weft_http_text(http, 429, "too many requests\n");
}

/* Only keys that were given to somebody: whoever could make one up, and the next, would be limited
 * by nothing, and each would be a count in Redis. */
static bool is_given(const char *key)
{
    static const char *const given[] = { "mine", "yours" };
    return strcmp(key, given[0]) == 0 || strcmp(key, given[1]) == 0;
}

/* A key that was given to the client, else its address. Copied, so that it has no port. */
static const char *who_asks(weft_http *http)
{
    const char *key = weft_http_header(http, "X-Api-Key"), *peer = weft_http_peer(http);
    const char *port = strrchr(peer, ':');
    if (key && is_given(key))
        return weft_arena_format(http->arena, "key:%s", key);
    return port ? weft_arena_copy(http->arena, peer, (size_t)(port - peer)) : peer;
}

static int hello(weft_http *http, void *limiter)
{
    const char *who = who_asks(http);
    int err = who ? limiter_pass(limiter, http, who) : -ENOMEM;
    return err <= 0 ? err : weft_http_text(http, 200, "hello, %s\n", weft_http_param(http, "name"));
}

static const weft_http_route routes[] = { { "GET", "/hello/:name", hello, NULL }, { 0 } };

static int serve(void *arg)
{
    char **words = arg;
    struct limiter limiter = { NULL, atoi(words[2]), atoi(words[3]) };
    weft_listener *listener;
    if (limiter.count <= 0 || limiter.seconds <= 0)
        return -EINVAL;
    int err = weft_listen(&listener, words[0]);
    if (err < 0)
        return err;
    err = weft_redis_open(&limiter.redis, words[1], .offline = WEFT_REDIS_OFFLINE_FAIL);
    if (err == 0) {
        printf("http://%s\n", weft_listener_address(listener));
        fflush(stdout);
        err = weft_http_serve_on(listener, routes, .app = &limiter);
        weft_redis_close(limiter.redis);
    }
    weft_listener_close(listener);
    return err;
}

int main(int argc, char **argv)
{
    const char *words[] = { "127.0.0.1:8080", "redis://127.0.0.1:6379", "10", "60" };
    for (int i = 1; i < argc && i <= 4; i++)
        words[i - 1] = argv[i];
    int err = weft_run(serve, words);
    return err < 0 && err != -ECANCELED && fprintf(stderr, "limiter: %s\n", weft_error_text(err));
}
