#include "redis_memory.h"

#include "bench.h"
#include "peers/redis.h"
#include "peers/servers.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST  131072 /* keys; then a quarter of them more, … */
#define STAGES 4      /* … until there are almost twice as many */
#define BATCH  512    /* commands that are sent before their answers are read */
#define VALUE  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct side {
    void (*body)(struct server_ends ends);
    const char *command; /* with a place for the key's number */
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Each answer is one line. */
static void read_lines(int fd, int count)
{
    char answers[16384];
    while (count > 0) {
        ssize_t n = read(fd, answers, sizeof answers);
        if (n <= 0)
            die("answers");
        for (ssize_t i = 0; i < n; i++)
            count -= answers[i] == '\n';
    }
}

/* Make the keys from this number up to that. */
static void fill(int fd, const char *command, int key, int end)
{
    static char commands[BATCH * 512];
    while (key < end) {
        size_t size = 0;
        for (int i = 0; i < BATCH; i++, key++)
            size += (size_t)snprintf(commands + size, sizeof commands - size, command, key);
        if (write(fd, commands, size) != (ssize_t)size)
            die("commands");
        read_lines(fd, BATCH);
    }
}

/* The mean over a doubling: somewhere in it each server's table is too large, and elsewhere full.
 * The first command is not a key's cost. */
static double bytes_of_a_key(void *arg)
{
    const struct side *side = arg;
    struct server server;
    server_start(&server, "server", side->body);
    int fd = server_dial(server.port);
    if (write(fd, "PING\r\n", 6) != 6)
        die("ping");
    read_lines(fd, 1);
    double before = server_resident(&server), sum = 0;
    for (int stage = 0, keys = 0; stage < STAGES; stage++) {
        int end = FIRST + FIRST / STAGES * stage;
        fill(fd, side->command, keys, end);
        keys = end;
        sum += (server_resident(&server) - before) / keys;
    }
    close(fd);
    server_stop(&server);
    return sum / STAGES;
}

static bool is_here(void (*body)(struct server_ends ends))
{
    struct server server;
    server_start(&server, "server", body);
    server_stop(&server);
    return server.port != SERVER_NOT_HERE;
}

static void measure(const char *row, const char *command)
{
    struct side ours = { peer_weft_kv, command }, theirs = { redis_server, command };
    if (!bench_wants(row))
        return;
    bench_row(row, "B",
              (struct bench_side[]){ { "weft", "weft-kv", bytes_of_a_key, &ours },
                                     { "redis", "redis-server",
                                       is_here(redis_server) ? bytes_of_a_key : NULL, &theirs },
                                     { .name = NULL } });
}

void redis_memory(void)
{
    measure("redis/memory/string", "SET key:%012d " VALUE "\r\n");
    measure("redis/memory/hash", "HSET user:%012d name somebody mail somebody@example.org seen "
                                 "1764374400 plan free\r\n");
    measure("redis/memory/list", "RPUSH jobs:%012d first-job-id second-job-id third-job-id "
                                 "fourth-job-id\r\n");
}
