/* A leaderboard: a sorted set of Redis behind HTTP.
 *
 *     leaderboard [ADDRESS [REDIS]]      "127.0.0.1:8080" and redis://127.0.0.1:6379 unless given;
 *                                        `weft-kv --port 6379` is enough of a Redis
 *     curl -X POST 'http://127.0.0.1:8080/players/ada?points=250'     her best so far is kept
 *     curl http://127.0.0.1:8080/players/ada                          her rank and her points
 *     curl http://127.0.0.1:8080/top                                  the ten best
 *
 * Any number of these serve one board. What is asked in one turn of the loop is one write to Redis.
 * While Redis is away the client is told to come again, 503; where it does not answer within a
 * second, 504. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft.h>
#include <weft/http.h>
#include <weft/redis.h>

/* What went wrong with Redis, to a client. */
static int refuse(weft_http *http, int err)
{
    if (err == -ECANCELED)
        return err;
    if (err == WEFT_EREPLY) /* the key is something else, the server is full */
        return weft_http_text(http, 500, "the board is broken\n");
    int failed = weft_http_set_header(http, "Retry-After", "1");
    return failed < 0 ? failed : weft_http_text(http, 503, "%s\n", weft_error_text(err));
}

/* To add the same points twice would be as good as once, for GT keeps the best. */
static int add(weft_http *http, weft_redis *redis, double number)
{
    char points[32];
    snprintf(points, sizeof points, "%.17g", number);
    weft_slice args[] = { weft_redis_text("ZADD"), weft_redis_text("board"), weft_redis_text("GT"),
                          weft_redis_text(points), weft_redis_text(weft_http_param(http, "name")) };
    weft_redis_call call = {
        .redis = redis, .arena = http->arena, .args = args, .count = 5, .idempotent = true
    };
    return weft_redis_send(&call);
}

static int add_points(weft_http *http, void *redis)
{
    const char *points = weft_http_query(http, "points");
    char *end = NULL;
    double number = points ? strtod(points, &end) : 0;
    if (!points || end == points || *end != '\0' || !isfinite(number))
        return weft_http_text(http, 400, "points=NUMBER is missing\n");
    int err = add(http, redis, number);
    return err < 0 ? refuse(http, err) : weft_http_send(http, 204, NULL, "", 0);
}

/* Both are of the same moment, though nothing is watched: a transaction, in one write. */
static int find(weft_http *http, weft_redis *redis, const weft_redis_value **both)
{
    const char *name = weft_http_param(http, "name");
    weft_redis_transaction *transaction;
    int err = weft_redis_transaction_begin(&transaction, redis, http->arena);
    if (err < 0)
        return err;
    err = weft_redis_transaction_add(transaction, "ZREVRANK board %s", name);
    if (err == 0)
        err = weft_redis_transaction_add(transaction, "ZSCORE board %s", name);
    if (err == 0)
        err = weft_redis_transaction_execute(transaction, both);
    weft_redis_transaction_end(transaction);
    return err;
}

static int show_player(weft_http *http, void *redis)
{
    const weft_redis_value *both;
    int err = find(http, redis, &both);
    if (err < 0)
        return refuse(http, err);
    const weft_redis_value *rank = weft_redis_value_at(both, 0);
    const weft_redis_value *points = weft_redis_value_at(both, 1);
    if (!rank || rank->kind != WEFT_REDIS_INTEGER || points->kind != WEFT_REDIS_DOUBLE)
        return weft_http_text(http, 404, "nobody of that name has points\n");
    return weft_http_json(http, 200, "{\"rank\":%lld,\"points\":%.15g}\n",
                          (long long)rank->integer + 1, points->number);
}

/* Of version 3 of the protocol, which is what a client speaks unless told otherwise, the answer is
 * an array of pairs; of version 2 it would be names and numbers in turn, all of them texts. */
static int print_board(weft_http *http, const weft_redis_value *board)
{
    int err = weft_http_begin(http, 200, "application/json", WEFT_HTTP_LENGTH_UNKNOWN);
    for (size_t i = 0; err == 0 && i < board->count; i++) {
        const weft_redis_value *name = weft_redis_value_at(&board->elements[i], 0);
        const weft_redis_value *points = weft_redis_value_at(&board->elements[i], 1);
        const char *text = name && points ? weft_json_string(http->arena, name->text) : NULL;
        err = text ? weft_http_print(http, "%s{\"name\":%s,\"points\":%.15g}", i ? ",\n " : "[",
                                     text, points->number)
                   : WEFT_EPROTOCOL;
    }
    return err < 0 ? err : weft_http_print(http, board->count ? "]\n" : "[]\n");
}

static int show_top(weft_http *http, void *redis)
{
    const weft_redis_value *board;
    int err = weft_redis_ask(redis, http->arena, &board, "ZREVRANGE board 0 9 WITHSCORES");
    return err < 0 ? refuse(http, err) : print_board(http, board);
}

static const weft_http_route_options second = { .timeout = WEFT_SECOND };
static const weft_http_route routes[] = { { "POST", "/players/:name", add_points, &second },
                                          { "GET", "/players/:name", show_player, &second },
                                          { "GET", "/top", show_top, &second },
                                          { 0 } };

static int serve(void *arg)
{
    const char **addresses = arg;
    weft_redis *redis;
    weft_listener *listener;
    int err = weft_listen(&listener, addresses[0]);
    if (err < 0)
        return err;
    err = weft_redis_open(&redis, addresses[1], .protocol = 3, .offline = WEFT_REDIS_OFFLINE_FAIL);
    if (err == 0) {
        printf("http://%s\n", weft_listener_address(listener));
        fflush(stdout);
        err = weft_http_serve_on(listener, routes, .app = redis);
        weft_redis_close(redis);
    }
    weft_listener_close(listener);
    return err;
}

int main(int argc, char **argv)
{
    const char *addresses[] = { argc > 1 ? argv[1] : "127.0.0.1:8080",
                                argc > 2 ? argv[2] : "redis://127.0.0.1:6379" };
    int err = weft_run(serve, addresses);
    return err < 0 && err != -ECANCELED &&
           fprintf(stderr, "leaderboard: %s\n", weft_error_text(err));
}
