/* weft-kv beside redis-server, and for SET and GET beside an epoll loop that reads the lengths of
 * commands and answers a constant: what a command costs the server's process in CPU time, user and
 * system, one at a time and pipelined. Commands go over 50 connections to 4,096 keys in turn;
 * values have 64 bytes.
 *
 * Then what a key costs in memory (redis_memory.h), and what a command costs a client
 * (redis_client.h).
 *
 *     bench_redis [--help]
 *     bench_redis weft | floor | redis    serve until interrupted; prints process and port */

#include "bench.h"
#include "contest.h"
#include "floor/resp_epoll.h"
#include "peers/redis.h"
#include "peers/servers.h"
#include "redis_client.h"
#include "redis_memory.h"

#include <stdio.h>
#include <string.h>

#define COMMANDS    4000 /* in a run of one at a time: some 50 ms, and 200 ms at the rate */
#define RATE        20000
#define CONNECTIONS 50
#define KEYS        4096
#define VALUE       64

static const struct contestant all[] = {
    { "weft", "weft-kv", peer_weft_kv },
    { "floor", "a constant", resp_epoll },
    { "redis", "redis-server", redis_server },
    { NULL, NULL, NULL },
};

/* Where no constant is an answer. */
static const struct contestant without_floor[] = {
    { "weft", "weft-kv", peer_weft_kv },
    { "redis", "redis-server", redis_server },
    { NULL, NULL, NULL },
};

static void set_path(char path[BENCH_PATH_MAX], int index)
{
    snprintf(path, BENCH_PATH_MAX, "/SET/key:%012d", index);
}

static void get_path(char path[BENCH_PATH_MAX], int index)
{
    snprintf(path, BENCH_PATH_MAX, "/GET/key:%012d", index);
}

static void increment_path(char path[BENCH_PATH_MAX], int index)
{
    snprintf(path, BENCH_PATH_MAX, "/INCR/count:%012d", index);
}

static void push_path(char path[BENCH_PATH_MAX], int index)
{
    snprintf(path, BENCH_PATH_MAX, "/LPUSH/list:%012d", index);
}

/* Two scores for each member of one set, in turn: its place changes every time. */
static void rank_path(char path[BENCH_PATH_MAX], int index)
{
    snprintf(path, BENCH_PATH_MAX, "/ZADD/board/%d/member:%057d", index * 7919 % 10007,
             index % (KEYS / 2));
}

struct family {
    const char *name;
    void (*path_of)(char path[BENCH_PATH_MAX], int index);
    const struct contestant *contestants;
    bool has_body, wants_values;
};

static const struct family families[] = {
    { "set", set_path, all, .has_body = true },
    { "get", get_path, all, .wants_values = true },
    { "incr", increment_path, without_floor, .has_body = false },
    { "lpush", push_path, without_floor, .has_body = true },
    { "zadd", rank_path, without_floor, .has_body = false },
};

static struct bench_ask ask_of(const struct family *family, int pipelined)
{
    static char value[VALUE];
    memset(value, 'x', sizeof value);
    struct bench_ask ask = { .scheme = "redis",
                             .connections = CONNECTIONS,
                             .pipeline = pipelined,
                             .path_of = family->path_of,
                             .count = KEYS };
    if (family->has_body) {
        ask.request.body = value;
        ask.request.body_size = sizeof value;
    }
    return ask;
}

static void measure(const struct family *family, int pipelined)
{
    char name[32];
    struct bench_ask values = ask_of(&families[0], 1);
    snprintf(name, sizeof name, "redis/%s/%d", family->name, pipelined);
    contest_run(&(struct contest){ .name = name,
                                   .ask = ask_of(family, pipelined),
                                   .before = family->wants_values ? &values : NULL,
                                   .requests = pipelined == 1 ? COMMANDS : 15 * COMMANDS,
                                   .rate = pipelined == 1 ? RATE : 0,
                                   .contestants = family->contestants,
                                   .tells_nothing = true });
}

static int only_serve(const char *name)
{
    for (int i = 0; all[i].name; i++)
        if (strcmp(name, all[i].name) == 0)
            return contest_only_serve(all[i].body);
    return -1;
}

int main(int argc, char **argv)
{
    static const int depths[] = { 1, 16, 64 };
    if (argc == 2 && only_serve(argv[1]) == 0)
        return 0;
    bench_begin("redis", argc, argv);
    bench_pin(0);
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        for (size_t k = 0; k < sizeof depths / sizeof depths[0]; k++)
            measure(&families[i], depths[k]);
    redis_memory();
    redis_client();
    return bench_end();
}
