#include "redis_client.h"

#include "bench.h"
#include "peers/redis.h"
#include "peers/servers.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>
#include <weft/redis.h>
#ifdef BENCH_HIREDIS
#    include <hiredis/hiredis.h>
#endif

#define COMMANDS 20000 /* in a run … */
#define ALONE    1000  /* … of one after the other */
#define KEYS     1024
#define VALUE    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TASKS    64

static void die(const char *what)
{
    fprintf(stderr, "redis_client: %s\n", what);
    exit(1);
}

/* --- ours --- */

struct ours {
    char address[64];
    int tasks, commands; /* in all */
    weft_redis *redis;
    double cost;
};

static void check(int err, const weft_redis_value *value)
{
    if (err < 0 || value->size != sizeof VALUE - 1)
        die(err < 0 ? weft_error_text(err) : "a value is wrong");
}

static int ask_some(void *arg)
{
    struct ours *ours = arg;
    weft_arena *arena;
    const weft_redis_value *value;
    if (weft_arena_new(&arena, SIZE_MAX) < 0)
        die("no memory");
    for (int i = 0; i < ours->commands / ours->tasks; i++) {
        int err = weft_redis_ask(ours->redis, arena, &value, "GET key:%d", i % KEYS);
        check(err, value);
        weft_arena_reset(arena);
    }
    weft_arena_free(arena);
    return 0;
}

static int ask_from_tasks(void *arg)
{
    struct ours *ours = arg;
    weft_scope scope;
    if (weft_redis_open(&ours->redis, ours->address) < 0)
        die("open");
    double before = bench_cpu_ns();
    weft_scope_begin(&scope);
    for (int i = 0; i < ours->tasks; i++)
        weft_spawn(&scope, ask_some, ours);
    int err = weft_scope_end(&scope);
    ours->cost = (bench_cpu_ns() - before) / (ours->commands / ours->tasks * ours->tasks);
    weft_redis_close(ours->redis);
    return err;
}

static double run_ours(void *arg)
{
    struct ours *ours = arg;
    if (weft_run(ask_from_tasks, ours) < 0)
        die("run");
    return ours->cost / 1e3;
}

/* --- hiredis --- */

#ifdef BENCH_HIREDIS
static void check_reply(redisContext *context, redisReply *reply)
{
    if (!reply || reply->type != REDIS_REPLY_STRING || reply->len != sizeof VALUE - 1)
        die(context->err ? context->errstr : "an answer is wrong");
    freeReplyObject(reply);
}

static double run_blocking(void *arg)
{
    redisContext *context = arg;
    double before = bench_cpu_ns();
    for (int i = 0; i < ALONE; i++)
        check_reply(context, redisCommand(context, "GET key:%d", i % KEYS));
    return (bench_cpu_ns() - before) / (1e3 * ALONE);
}

static double run_appended(void *arg)
{
    redisContext *context = arg;
    double before = bench_cpu_ns();
    for (int i = 0; i < COMMANDS / TASKS; i++) {
        void *reply;
        for (int k = 0; k < TASKS; k++)
            redisAppendCommand(context, "GET key:%d", (i + k) % KEYS);
        for (int k = 0; k < TASKS; k++) {
            if (redisGetReply(context, &reply) != REDIS_OK)
                die(context->errstr);
            check_reply(context, reply);
        }
    }
    return (bench_cpu_ns() - before) / (1e3 * (COMMANDS / TASKS * TASKS));
}

static void *hiredis_begin(int port)
{
    redisContext *context = redisConnect("127.0.0.1", port);
    if (!context || context->err)
        die("connect");
    return context;
}

static void hiredis_end(void *context)
{
    redisFree(context);
}
#else
#    define run_blocking NULL
#    define run_appended NULL
static void *hiredis_begin(int port)
{
    return port > 0 ? NULL : NULL;
}

static void hiredis_end(void *context)
{
    (void)context;
}
#endif

/* --- */

static int fill(void *arg)
{
    struct ours *ours = arg;
    weft_arena *arena;
    if (weft_redis_open(&ours->redis, ours->address) < 0 || weft_arena_new(&arena, SIZE_MAX) < 0)
        die("open");
    for (int i = 0; i < KEYS; i++)
        if (weft_redis_ask(ours->redis, arena, NULL, "SET key:%d %s", i, VALUE) < 0)
            die("fill");
    weft_arena_free(arena);
    weft_redis_close(ours->redis);
    return 0;
}

static void start_server(struct server *server)
{
    server_start(server, "redis-server", redis_server);
    if (server->port != SERVER_NOT_HERE)
        return;
    server_stop(server);
    server_start(server, "weft-kv", peer_weft_kv);
}

static void measure(const char *row, struct ours *ours, void *context)
{
    bench_row(row, "us",
              (struct bench_side[]){ { "weft", NULL, run_ours, ours },
                                     { "hiredis", "blocking", run_blocking, context },
                                     { "appended", "hiredis, 64 by hand", run_appended, context },
                                     { .name = NULL } });
}

void redis_client(void)
{
    struct server server;
    if (!bench_wants("redis/client/1") && !bench_wants("redis/client/64"))
        return;
    start_server(&server);
    struct ours one = { .tasks = 1, .commands = ALONE };
    struct ours many = { .tasks = TASKS, .commands = COMMANDS };
    snprintf(one.address, sizeof one.address, "127.0.0.1:%d", server.port);
    memcpy(many.address, one.address, sizeof one.address);
    if (weft_run(fill, &one) < 0)
        die("fill");
    void *context = hiredis_begin(server.port);
    measure("redis/client/1", &one, context);
    measure("redis/client/64", &many, context);
    bench_note("asked: %s", server.name);
    hiredis_end(context);
    server_stop(&server);
}
