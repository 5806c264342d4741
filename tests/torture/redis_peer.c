/* See redis_peer.h. Each handler answers by heart; one client at a time is inside. */

#include "redis_peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/redis_server.h>

static struct {
    char value[64];
    int count; /* of INCR */
    bool is_taken;
    int done;
} store;

static int get(weft_redis_request *request, void *app)
{
    (void)app;
    return store.value[0] ? weft_redis_reply_string(request, store.value, strlen(store.value))
                          : weft_redis_reply_null(request);
}

static int set(weft_redis_request *request, void *app)
{
    (void)app;
    snprintf(store.value, sizeof store.value, "%.*s", (int)request->args[2].size,
             request->args[2].data);
    return weft_redis_reply_status(request, "OK");
}

static int incr(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_integer(request, ++store.count);
}

static int one(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_integer(request, 1);
}

static int nothing(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_null(request);
}

static int rank(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_integer(request, 0);
}

static int score(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_double(request, 7.5);
}

static int board(weft_redis_request *request, void *app)
{
    (void)app;
    weft_redis_reply_array(request, 1);
    weft_redis_reply_array(request, 2);
    weft_redis_reply_string(request, "ada", 3);
    return weft_redis_reply_double(request, 7.5);
}

static int workers(weft_redis_request *request, void *app)
{
    (void)app;
    weft_redis_reply_array(request, 2);
    weft_redis_reply_string(request, "0", 1);
    weft_redis_reply_array(request, 1);
    return weft_redis_reply_string(request, "1", 1);
}

static int take_job(weft_redis_request *request, void *app)
{
    (void)app;
    if (store.is_taken)
        return weft_redis_block(request, &request->args[1], 1, WEFT_FOREVER, nothing);
    store.is_taken = true;
    return weft_redis_reply_string(request, "1 job", 5);
}

static int finish_job(weft_redis_request *request, void *app)
{
    (void)app;
    store.done++;
    return weft_redis_reply_integer(request, 1);
}

static const weft_redis_command commands[] = {
    { "get", get, .arity = 2 },
    { "set", set, .arity = -3, .flags = WEFT_REDIS_WRITE },
    { "incr", incr, .arity = 2, .flags = WEFT_REDIS_WRITE },
    { "pttl", one, .arity = 2 },
    { "zadd", one, .arity = -4, .flags = WEFT_REDIS_WRITE },
    { "zrevrank", rank, .arity = 3 },
    { "zscore", score, .arity = 3 },
    { "zrevrange", board, .arity = -4 },
    { "sadd", one, .arity = -3, .flags = WEFT_REDIS_WRITE },
    { "sscan", workers, .arity = -3 },
    { "exists", one, .arity = -2 },
    { "lmove", nothing, .arity = 5, .flags = WEFT_REDIS_WRITE },
    { "blmove", take_job, .arity = 6, .flags = WEFT_REDIS_WRITE | WEFT_REDIS_BLOCKS },
    { "lrem", finish_job, .arity = 4, .flags = WEFT_REDIS_WRITE },
    { 0 },
};

int redis_peer_serve(void *arg)
{
    (void)arg;
    memset(&store, 0, sizeof store);
    int err = weft_redis_serve(REDIS_PEER_ADDRESS, commands, .drain = -1);
    return err == -ECANCELED ? 0 : err;
}

int redis_peer_done(void)
{
    return store.done;
}
