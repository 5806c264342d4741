/* The client against the distribution's redis-server, whose connections are killed at random.
 *
 * usage: client_real PEERS [OPERATIONS [PROTOCOL]]
 *
 * A server of its own, from PEERS/redis or the PATH, with a password, on a free port and a socket
 * in a new folder. 64 tasks ask over one client, some with deadlines of a millisecond or two;
 * another client kills one connection after the other. Afterwards:
 *
 *     INCR         what was acknowledged <= the counter <= what was sent, and each answer is above
 *                  the one before it
 *     ECHO, GET    no answer is another one's
 *     MULTI        two counters that are only counted together are equal
 *     WATCH        a counter that is read and set: as INCR, by all tasks
 *     BLPOP        nothing comes twice, and nothing that was not pushed
 *     SUBSCRIBE    numbers rise; what was acknowledged is missing only where a gap was told
 *
 * Exit status: 0; 1 with a sentence; 77 without a redis-server. */

#include <weft.h>
#include <weft/redis.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TASKS       64
#define KILL_EVERY  400 /* operations */
#define NUMBERS_MAX (1 << 20)
#define MS          WEFT_MILLISECOND

#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail(__LINE__, #condition);                                                            \
    } while (0)

_Noreturn static void fail(int line, const char *what)
{
    fprintf(stderr, "client_real.c:%d: not so: %s\n", line, what);
    exit(1);
}

/* --- the server --- */

static char folder[] = "/tmp/weft-redis-XXXXXX";
static char socket_path[64], tcp_address[64], unix_address[80];
static pid_t server;

static int free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(bind(fd, (struct sockaddr *)&address, size) == 0);
    check(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void become_server(const char *program, int port)
{
    char number[16];
    int nowhere = open("/dev/null", O_RDWR);
    snprintf(number, sizeof number, "%d", port);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(nowhere, 0);
    dup2(nowhere, 1);
    execl(program, "redis-server", "--port", number, "--bind", "127.0.0.1", "--unixsocket",
          socket_path, "--save", "", "--appendonly", "no", "--dir", folder, "--requirepass",
          "secret", (char *)NULL);
    _exit(127);
}

static const char *find_program(const char *peers, char *path, size_t size)
{
    static const char *const installed[] = { "/usr/bin/redis-server",
                                             "/usr/local/bin/redis-server" };
    char libraries[1024];
    snprintf(path, size, "%s/redis/usr/bin/redis-server", peers);
    if (access(path, X_OK) == 0) {
        snprintf(libraries, sizeof libraries, "%s/redis/usr/lib/x86_64-linux-gnu", peers);
        setenv("LD_LIBRARY_PATH", libraries, 1);
        return path;
    }
    for (size_t i = 0; i < 2; i++)
        if (access(installed[i], X_OK) == 0)
            return installed[i];
    return NULL;
}

static void stop_server(void)
{
    if (server <= 0)
        return;
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    server = 0;
    unlink(socket_path);
    rmdir(folder);
}

static bool start_server(const char *peers)
{
    char path[1024];
    const char *program = find_program(peers, path, sizeof path);
    if (!program)
        return false;
    check(mkdtemp(folder) != NULL);
    snprintf(socket_path, sizeof socket_path, "%s/s", folder);
    int port = free_port();
    snprintf(tcp_address, sizeof tcp_address, "redis://:secret@127.0.0.1:%d/3", port);
    snprintf(unix_address, sizeof unix_address, "unix:%s", socket_path);
    fflush(NULL);
    server = fork();
    if (server == 0)
        become_server(program, port);
    check(server > 0);
    atexit(stop_server);
    return true;
}

/* --- what is shared --- */

static uint64_t dice;
static size_t operations, left, kills;
static uint8_t protocol; /* 0: the newest */
static weft_redis *redis, *killer;
static weft_event time_to_kill;
static bool is_over;

static size_t below(size_t bound)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)((dice >> 33) % bound);
}

struct tally {
    int64_t acknowledged, sent, last;
};

struct caller {
    int index;
    weft_arena *arena;
    struct tally counter, pair;
    size_t echoes;
    size_t value, oldest_possible; /* of its key */
    size_t pushed;
    bool *popped;
};

static size_t answered, in_doubt, given_up, watched, watch_tries, watch_in_doubt;
static bool published[NUMBERS_MAX]; /* and somebody was there */
static size_t publish_next = 1, news_got, gaps;

/* true: it was answered. Whatever else may be, an answer of the server is never an error here. */
static bool judge(int err)
{
    answered += err == 0;
    in_doubt += err == WEFT_EINDOUBT;
    given_up += err == -ECANCELED;
    if (err != 0 && err != WEFT_EINDOUBT && err != -ECANCELED)
        fprintf(stderr, "client_real: %s\n", weft_error_name(err));
    check(err == 0 || err == WEFT_EINDOUBT || err == -ECANCELED);
    return err == 0;
}

/* --- what callers do --- */

static int count(struct caller *caller)
{
    const weft_redis_value *value;
    struct tally *tally = &caller->counter;
    tally->sent++;
    int err = weft_redis_ask(redis, caller->arena, &value, "INCR counter:%d", caller->index);
    if (judge(err)) {
        check(value->integer > tally->last && value->integer <= tally->sent);
        tally->last = value->integer;
        tally->acknowledged++;
    }
    return err;
}

static int count_pair(struct caller *caller)
{
    const weft_redis_value *value;
    weft_redis_transaction *t;
    struct tally *tally = &caller->pair;
    tally->sent++;
    check(weft_redis_transaction_begin(&t, redis, caller->arena) == 0);
    check(weft_redis_transaction_add(t, "INCR left:%d", caller->index) == 0);
    check(weft_redis_transaction_add(t, "INCR right:%d", caller->index) == 0);
    int err = weft_redis_transaction_execute(t, &value);
    weft_redis_transaction_end(t);
    if (judge(err)) {
        int64_t now = value->elements[0].integer;
        check(value->count == 2 && now == value->elements[1].integer);
        check(now > tally->last && now <= tally->sent);
        tally->last = now;
        tally->acknowledged++;
    }
    return err;
}

static int try_watched(struct caller *caller, weft_redis_transaction *t)
{
    const weft_redis_value *value;
    int err = weft_redis_transaction_ask(t, &value, "GET watched");
    if (err < 0)
        return err == WEFT_EINDOUBT ? -EAGAIN : err;
    long long now = value->kind == WEFT_REDIS_NULL ? 0 : atoll(value->text);
    check(weft_redis_transaction_add(t, "SET watched %lld", now + 1) == 0);
    err = weft_redis_transaction_execute(t, NULL);
    watched += err == 0;
    watch_in_doubt += err == WEFT_EINDOUBT || err == -ECANCELED;
    (void)caller;
    return err;
}

static int count_watched(struct caller *caller)
{
    int err = -EAGAIN;
    weft_slice key = weft_redis_text("watched");
    for (int tries = 0; err == -EAGAIN && tries < 100; tries++) {
        weft_redis_transaction *t;
        err =
            weft_redis_transaction_begin(&t, redis, caller->arena, .watch = &key, .watch_count = 1);
        if (err == 0) {
            err = try_watched(caller, t);
            weft_redis_transaction_end(t);
        } else if (err == WEFT_EINDOUBT) {
            err = -EAGAIN; /* of WATCH alone */
        }
        watch_tries++;
    }
    return err == -EAGAIN ? 0 : judge(err) ? 0 : err;
}

static int echo(struct caller *caller)
{
    const weft_redis_value *value;
    char text[64];
    size_t size = (size_t)snprintf(text, sizeof text, "%d/%zu", caller->index, caller->echoes++);
    int err = weft_redis_ask(redis, caller->arena, &value, "ECHO %s", text);
    if (judge(err))
        check(value->size == size && memcmp(value->text, text, size) == 0);
    return err;
}

static int set(struct caller *caller)
{
    caller->value++;
    int err =
        weft_redis_ask(redis, caller->arena, NULL, "SET key:%d %zu", caller->index, caller->value);
    if (judge(err))
        caller->oldest_possible = caller->value;
    return err;
}

static int get(struct caller *caller)
{
    const weft_redis_value *value;
    int err = weft_redis_ask(redis, caller->arena, &value, "GET key:%d", caller->index);
    if (judge(err)) {
        size_t now = value->kind == WEFT_REDIS_NULL ? 0 : strtoul(value->text, NULL, 10);
        check(now >= caller->oldest_possible && now <= caller->value);
    }
    return err;
}

static int push_and_pop(struct caller *caller)
{
    const weft_redis_value *value;
    if (caller->pushed == NUMBERS_MAX / TASKS)
        return echo(caller);
    int err = weft_redis_ask(redis, caller->arena, NULL, "RPUSH list:%d %zu", caller->index,
                             caller->pushed++);
    if (!judge(err))
        return err;
    err = weft_redis_ask(redis, caller->arena, &value, "BLPOP list:%d 0.05", caller->index);
    if (judge(err) && value->kind != WEFT_REDIS_NULL) {
        size_t number = strtoul(value->elements[1].text, NULL, 10);
        check(number < caller->pushed && !caller->popped[number]);
        caller->popped[number] = true;
    }
    return err;
}

static int publish(struct caller *caller)
{
    const weft_redis_value *value;
    if (publish_next == NUMBERS_MAX)
        return echo(caller);
    size_t number = publish_next++;
    int err = weft_redis_ask(redis, caller->arena, &value, "PUBLISH news %zu", number);
    if (judge(err))
        published[number] = value->integer > 0;
    return err;
}

static int do_something(struct caller *caller)
{
    size_t what = below(100);
    if (caller->index == 0 && what % 2 == 0)
        return publish(caller);
    if (what < 30)
        return count(caller);
    if (what < 45)
        return echo(caller);
    if (what < 60)
        return set(caller);
    if (what < 80)
        return get(caller);
    if (what < 92)
        return count_pair(caller);
    if (what < 95)
        return count_watched(caller);
    return push_and_pop(caller);
}

static int call_on(void *arg)
{
    struct caller *caller = arg;
    while (left > 0) {
        weft_scope scope;
        if (--left % KILL_EVERY == 0)
            weft_event_set(&time_to_kill);
        int64_t limit = below(50) == 0 ? (int64_t)below(2000) * WEFT_MICROSECOND + 1 : 0;
        weft_scope_begin(&scope, .timeout = limit);
        int err = do_something(caller);
        err = weft_scope_leave(&scope, err);
        check(err == 0 || err == -ETIMEDOUT || err == WEFT_EINDOUBT);
        weft_arena_reset(caller->arena);
    }
    return 0;
}

/* --- killing --- */

/* The ids of the connections that have the callers' name. */
static size_t find_victims(const char *list, long long *ids, size_t max)
{
    size_t found = 0;
    for (const char *line = list; line && found < max; line = strchr(line + 1, '\n')) {
        const char *id = strstr(line, "id="), *name = strstr(line, " name=storm ");
        const char *end = strchr(line + 1, '\n');
        if (id && name && (!end || name < end))
            ids[found++] = atoll(id + 3);
    }
    return found;
}

static int kill_on(void *arg)
{
    weft_arena *arena = arg;
    while (!is_over && weft_event_wait(&time_to_kill) == 0) {
        const weft_redis_value *value;
        long long ids[64];
        weft_event_clear(&time_to_kill);
        check(weft_redis_ask(killer, arena, &value, "CLIENT LIST") == 0);
        size_t found = find_victims(value->text, ids, 64);
        if (found > 0) {
            int err =
                weft_redis_ask(killer, arena, &value, "CLIENT KILL ID %lld", ids[below(found)]);
            check(err == 0);
            kills += (size_t)value->integer;
        }
        weft_arena_reset(arena);
    }
    return 0;
}

/* --- news --- */

static int hear_news(void *arg)
{
    static const char *const channels[] = { "news", NULL };
    weft_redis_subscription *news;
    weft_redis_message message;
    weft_arena *arena = arg;
    size_t last = 0;
    bool is_gap = true;
    int err = weft_redis_subscribe(&news, redis, .channels = channels);
    check(err == 0);
    while ((err = weft_redis_subscription_next(news, arena, &message)) == 0) {
        if (!message.channel) {
            gaps++;
            is_gap = true;
            continue;
        }
        size_t number = strtoul(message.data, NULL, 10);
        check(number > last && number < publish_next);
        for (size_t missing = last + 1; !is_gap && missing < number; missing++)
            check(!published[missing]);
        last = number;
        is_gap = false;
        news_got++;
        weft_arena_reset(arena);
    }
    check(err == -ECANCELED);
    weft_redis_subscription_close(news);
    return 0;
}

/* --- the verdict --- */

static long long number_at(weft_arena *arena, const char *name, int index)
{
    const weft_redis_value *value;
    check(weft_redis_ask(killer, arena, &value, "GET %s:%d", name, index) == 0);
    return value->kind == WEFT_REDIS_NULL ? 0 : atoll(value->text);
}

static void compare(const struct tally *tally, long long value)
{
    check(value >= tally->acknowledged && value >= tally->last && value <= tally->sent);
}

static void look(struct caller *callers, weft_arena *arena)
{
    const weft_redis_value *value;
    for (int i = 0; i < TASKS; i++) {
        compare(&callers[i].counter, number_at(arena, "counter", i));
        long long together = number_at(arena, "left", i);
        check(together == number_at(arena, "right", i));
        compare(&callers[i].pair, together);
    }
    check(weft_redis_ask(killer, arena, &value, "GET watched") == 0);
    size_t now = value->kind == WEFT_REDIS_NULL ? 0 : strtoul(value->text, NULL, 10);
    check(now >= watched && now <= watched + watch_in_doubt);
}

static void scan_all(weft_arena *arena)
{
    weft_redis_scan *scan;
    weft_redis_item item;
    size_t found = 0;
    (void)arena;
    check(weft_redis_scan_open(&scan, killer, .match = "counter:*", .count = 7) == 0);
    while (weft_redis_scan_next(scan, &item) > 0)
        found++;
    weft_redis_scan_close(scan);
    check(found >= TASKS);
}

static void run_callers(struct caller *callers)
{
    weft_scope scope;
    weft_scope_begin(&scope, .name = "callers");
    for (int i = 0; i < TASKS; i++)
        check(weft_spawn(&scope, call_on, &callers[i]) == 0);
    check(weft_scope_end(&scope) == 0);
}

static void storm(struct caller *callers, weft_arena *arena, weft_arena *kills_arena)
{
    weft_scope scope;
    weft_task *listener;
    weft_scope_begin(&scope, .name = "storm");
    check(weft_spawn(&scope, kill_on, kills_arena) == 0);
    check(weft_spawn(&scope, hear_news, arena, .task = &listener) == 0);
    run_callers(callers);
    is_over = true;
    weft_event_set(&time_to_kill);
    weft_task_cancel(listener, "it is over");
    check(weft_scope_end(&scope) == 0);
    weft_task_release(listener);
}

static void report(int64_t time)
{
    weft_redis_stats stats;
    weft_redis_get_stats(redis, &stats);
    printf(
        "%zu operations in %lld ms: %zu answered, %zu in doubt, %zu given up; %zu kills, %" PRIu64
        " connections, %" PRIu64 " repeated; watched %zu of %zu; news %zu, gaps %zu\n",
        operations, (long long)(time / MS), answered, in_doubt, given_up, kills, stats.connects,
        stats.repeated, watched, watch_tries, news_got, gaps);
    check(stats.waiting == 0 && kills > 0 && stats.losses > 0);
}

/* Without the password, and with a wrong one: an error at once, and no loop. */
static void expect_closed_door(weft_arena *arena)
{
    static const char *const passwords[] = { NULL, "guess" };
    for (int i = 0; i < 4; i++) {
        weft_redis *stranger;
        weft_redis_stats stats;
        check(weft_redis_open(&stranger, unix_address, .password = passwords[i % 2],
                              .protocol = i < 2 ? 2 : 3) == 0);
        int err = weft_redis_ask(stranger, arena, NULL, "GET key:1");
        check(err == (i == 0 ? WEFT_EREPLY : -EACCES)); /* version 2 is not asked before */
        weft_redis_get_stats(stranger, &stats);
        check(stats.connects + stats.failures < 30); /* the server may not listen yet */
        weft_redis_close(stranger);
    }
}

static int real_main(void *arg)
{
    static struct caller callers[TASKS];
    weft_arena *arena, *kills_arena;
    (void)arg;
    check(weft_arena_new(&arena, SIZE_MAX) == 0 && weft_arena_new(&kills_arena, SIZE_MAX) == 0);
    check(weft_redis_open(&redis, tcp_address, .name = "storm", .blocking_connections_max = 8,
                          .protocol = protocol) == 0);
    check(weft_redis_open(&killer, unix_address, .password = "secret", .database = 3) == 0);
    expect_closed_door(arena);
    for (int i = 0; i < TASKS; i++) {
        callers[i].index = i;
        callers[i].popped = calloc(NUMBERS_MAX / TASKS, sizeof(bool));
        check(callers[i].popped && weft_arena_new(&callers[i].arena, SIZE_MAX) == 0);
    }
    int64_t start = weft_now();
    storm(callers, arena, kills_arena);
    report(weft_now() - start);
    look(callers, arena);
    scan_all(arena);
    weft_redis_close(redis);
    weft_redis_close(killer);
    for (int i = 0; i < TASKS; i++) {
        free(callers[i].popped);
        weft_arena_free(callers[i].arena);
    }
    weft_arena_free(arena);
    weft_arena_free(kills_arena);
    return 0;
}

static uint64_t seed(void)
{
    const char *text = getenv("WEFT_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return text ? strtoull(text, NULL, 10) : (uint64_t)now.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc < 2 || !start_server(argv[1])) {
        printf("no redis-server: tools/peers redis fetches it\n");
        return 77;
    }
    operations = left = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000;
    protocol = argc > 3 ? (uint8_t)strtoul(argv[3], NULL, 10) : 0;
    dice = seed();
    printf("repeat with WEFT_SEED=%" PRIu64 "\n", dice);
    fflush(stdout);
    int err = weft_run(real_main, NULL);
    stop_server();
    return err == 0 ? 0 : 1;
}
