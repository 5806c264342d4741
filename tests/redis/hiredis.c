/* weft-kv as programs with hiredis meet it: replies of every kind, pipelines, its asynchronous
 * interface with subscriptions, commands that wait, connections that are killed.
 *
 * usage: hiredis WEFT_KV
 *
 * Exit status: 0; 1 with a sentence. What hiredis has from version 1 on (RESP3, pushes) is tested
 * where it is. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#pragma GCC diagnostic pop

#define COMMANDS 10000
#define MESSAGES 1000

static pid_t server;

static void stop_server(void)
{
    if (server > 0)
        kill(server, SIGKILL);
}

#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "hiredis.c:%d: not so: %s\n", __LINE__, #condition);                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* --- the server --- */

static int start_server(const char *program)
{
    int ends[2], port;
    check(pipe(ends) == 0);
    server = fork();
    check(server >= 0);
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        execl(program, program, "--port", "0", (char *)NULL);
        _exit(127);
    }
    atexit(stop_server);
    close(ends[1]);
    FILE *said = fdopen(ends[0], "r");
    check(said && fscanf(said, "redis://127.0.0.1:%d", &port) == 1);
    fclose(said);
    return port;
}

static void end_server(void)
{
    int status;
    kill(server, SIGTERM);
    check(waitpid(server, &status, 0) == server);
    server = 0;
    check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static redisContext *dial(int port)
{
    redisContext *c = redisConnect("127.0.0.1", port);
    check(c && c->err == 0);
    return c;
}

/* --- replies --- */

/* The last reply lives until the next is asked for. */
static redisReply *last;

static redisReply *keep(void *reply)
{
    if (last)
        freeReplyObject(last);
    last = reply;
    check(last);
    return last;
}

#define ask(c, ...) keep(redisCommand((c), __VA_ARGS__))

static void check_kinds(redisContext *c)
{
    redisReply *r = ask(c, "SET a %b", "x\0y", (size_t)3);
    check(r->type == REDIS_REPLY_STATUS && strcmp(r->str, "OK") == 0);
    r = ask(c, "GET a");
    check(r->type == REDIS_REPLY_STRING && r->len == 3 && memcmp(r->str, "x\0y", 3) == 0);
    check(ask(c, "SET empty %s", "")->type == REDIS_REPLY_STATUS);
    r = ask(c, "GET empty");
    check(r->type == REDIS_REPLY_STRING && r->len == 0);
    check(ask(c, "GET none")->type == REDIS_REPLY_NIL);
    r = ask(c, "DECRBY n %lld", 9000000000LL);
    check(r->type == REDIS_REPLY_INTEGER && r->integer == -9000000000LL);
    r = ask(c, "INCR a");
    check(r->type == REDIS_REPLY_ERROR && strncmp(r->str, "ERR ", 4) == 0);
    r = ask(c, "NOSUCH %s", "a\r\nb");
    check(r->type == REDIS_REPLY_ERROR && !strchr(r->str, '\n'));
    r = ask(c, "MGET a none empty");
    check(r->type == REDIS_REPLY_ARRAY && r->elements == 3);
    check(r->element[1]->type == REDIS_REPLY_NIL && r->element[2]->len == 0);
    r = ask(c, "SMEMBERS none");
    check(r->type == REDIS_REPLY_ARRAY && r->elements == 0);
}

static void check_nested(redisContext *c)
{
    ask(c, "MULTI");
    ask(c, "ZADD z 1 a 2.5 b");
    check(strcmp(ask(c, "ZRANGE z 0 -1 WITHSCORES")->str, "QUEUED") == 0);
    ask(c, "INCR a");
    redisReply *r = ask(c, "EXEC");
    check(r->type == REDIS_REPLY_ARRAY && r->elements == 3);
    check(r->element[1]->elements == 4 && strcmp(r->element[1]->element[3]->str, "2.5") == 0);
    check(r->element[2]->type == REDIS_REPLY_ERROR);
    ask(c, "WATCH z");
    ask(c, "ZREM z a");
    ask(c, "MULTI");
    check(ask(c, "EXEC")->type == REDIS_REPLY_NIL);
}

static void check_large(redisContext *c)
{
    static char text[5 << 20];
    memset(text, 'x', sizeof text);
    check(ask(c, "SET large %b", text, sizeof text)->type == REDIS_REPLY_STATUS);
    redisReply *r = ask(c, "GET large");
    check(r->len == sizeof text && memcmp(r->str, text, sizeof text) == 0);
    ask(c, "DEL large");
}

static void check_pipeline(redisContext *c)
{
    for (int i = 0; i < COMMANDS; i++)
        check(redisAppendCommand(c, "INCRBY count %d", 1) == REDIS_OK);
    for (int i = 1; i <= COMMANDS; i++) {
        void *reply;
        check(redisGetReply(c, &reply) == REDIS_OK);
        check(keep(reply)->integer == i);
    }
}

#if HIREDIS_MAJOR >= 1
static int pushed;

static void take_push(void *arg, void *reply)
{
    const redisReply *r = reply;
    (void)arg;
    check(r->type == REDIS_REPLY_PUSH && r->elements == 3);
    pushed++;
    freeReplyObject(reply);
}

static void check_version_3(int port)
{
    redisContext *c = dial(port);
    check(ask(c, "HELLO 3")->type == REDIS_REPLY_MAP);
    redisSetPushCallback(c, take_push);
    ask(c, "ZADD d 1.5 a");
    redisReply *r = ask(c, "ZSCORE d a");
    check(r->type == REDIS_REPLY_DOUBLE && r->dval == 1.5);
    check(ask(c, "CONFIG GET maxclients")->type == REDIS_REPLY_MAP);
    check(ask(c, "GET none")->type == REDIS_REPLY_NIL);
    check(redisAppendCommand(c, "SUBSCRIBE news") == REDIS_OK);
    check(ask(c, "PING")->type == REDIS_REPLY_STATUS);
    ask(c, "PUBLISH news one");
    check(ask(c, "PING")->type == REDIS_REPLY_STATUS);
    check(pushed == 2);
    redisFree(c);
}
#endif

/* --- connections that wait, and that end --- */

static void check_waiting(redisContext *c)
{
    struct timeval short_time = { 0, 50000 }, long_time = { 30, 0 };
    check(ask(c, "BZPOPMIN queue 0.02")->type == REDIS_REPLY_NIL);
    ask(c, "ZADD queue 3 job");
    redisReply *r = ask(c, "BZPOPMIN other queue 0");
    check(r->elements == 3 && strcmp(r->element[1]->str, "job") == 0);
    check(redisSetTimeout(c, short_time) == REDIS_OK);
    check(!redisCommand(c, "BZPOPMIN queue 0") && c->err == REDIS_ERR_IO);
    check(redisReconnect(c) == REDIS_OK && redisSetTimeout(c, long_time) == REDIS_OK);
    check(strcmp(ask(c, "PING")->str, "PONG") == 0);
}

static void check_killed(redisContext *c, int port)
{
    redisContext *other = dial(port);
    long long id = ask(other, "CLIENT ID")->integer;
    check(redisAppendCommand(other, "BZPOPMIN queue 0") == REDIS_OK);
    int done = 0;
    while (!done)
        check(redisBufferWrite(other, &done) == REDIS_OK);
    check(ask(c, "CLIENT KILL ID %lld", id)->integer == 1);
    void *reply;
    check(redisGetReply(other, &reply) == REDIS_ERR);
    check(other->err == REDIS_ERR_EOF || (other->err == REDIS_ERR_IO && errno == ECONNRESET));
    check(redisReconnect(other) == REDIS_OK);
    check(ask(other, "CLIENT ID")->integer > id);
    redisFree(other);
    other = dial(port);
    check(redisAppendCommand(other, "SET %s", "half of a command") == REDIS_OK);
    redisFree(other); /* with what was never sent */
}

/* --- the asynchronous interface, over poll() --- */

struct loop {
    redisAsyncContext *context;
    bool reads, writes;
};

static void add_read(void *arg)
{
    ((struct loop *)arg)->reads = true;
}

static void end_read(void *arg)
{
    ((struct loop *)arg)->reads = false;
}

static void add_write(void *arg)
{
    ((struct loop *)arg)->writes = true;
}

static void end_write(void *arg)
{
    ((struct loop *)arg)->writes = false;
}

static void forget(void *arg)
{
    ((struct loop *)arg)->context = NULL;
}

static void attach(struct loop *loop, int port)
{
    redisAsyncContext *context = redisAsyncConnect("127.0.0.1", port);
    check(context && context->err == 0);
    *loop = (struct loop){ .context = context };
    context->data = loop;
    context->ev.data = loop;
    context->ev.addRead = add_read;
    context->ev.delRead = end_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = end_write;
    context->ev.cleanup = forget;
    add_write(loop);
}

/* One of the loops has something to do. */
static void turn(struct loop *loops, nfds_t count)
{
    struct pollfd fds[2] = { { .fd = -1 }, { .fd = -1 } };
    for (nfds_t i = 0; i < count; i++)
        if (loops[i].context)
            fds[i] = (struct pollfd){ .fd = loops[i].context->c.fd,
                                      .events = (short)((loops[i].reads ? POLLIN : 0) |
                                                        (loops[i].writes ? POLLOUT : 0)) };
    check(poll(fds, count, 30000) > 0);
    for (nfds_t i = 0; i < count; i++) {
        if (loops[i].context && fds[i].revents & (POLLOUT | POLLERR | POLLHUP) && loops[i].writes)
            redisAsyncHandleWrite(loops[i].context);
        if (loops[i].context && fds[i].revents & (POLLIN | POLLERR | POLLHUP) && loops[i].reads)
            redisAsyncHandleRead(loops[i].context);
    }
}

static int answered, heard, confirmed;

static void take_answer(redisAsyncContext *context, void *reply, void *arg)
{
    const redisReply *r = reply;
    (void)context, (void)arg;
    check(r && r->type == REDIS_REPLY_INTEGER && r->integer == ++answered);
}

static void take_message(redisAsyncContext *context, void *reply, void *arg)
{
    char expected[32];
    const redisReply *r = reply;
    (void)context, (void)arg;
    check(r && r->type == REDIS_REPLY_ARRAY && r->elements == 3);
    if (strcmp(r->element[0]->str, "message") != 0) {
        confirmed++;
        return;
    }
    snprintf(expected, sizeof expected, "message:%d", heard++);
    check(strcmp(r->element[2]->str, expected) == 0);
}

static void check_subscription(redisContext *c, int port)
{
    struct loop loops[2];
    attach(&loops[0], port);
    attach(&loops[1], port);
    check(redisAsyncCommand(loops[0].context, take_message, NULL, "SUBSCRIBE a b") == REDIS_OK);
    while (confirmed < 2)
        turn(loops, 2);
    for (int i = 0; i < MESSAGES; i++) {
        check(redisAppendCommand(c, "PUBLISH %s message:%d", i % 2 ? "a" : "b", i) == REDIS_OK);
        check(redisAsyncCommand(loops[1].context, take_answer, NULL, "INCR steps") == REDIS_OK);
    }
    for (int i = 0; i < MESSAGES; i++) {
        void *reply;
        check(redisGetReply(c, &reply) == REDIS_OK);
        check(keep(reply)->integer == 1);
    }
    while (heard < MESSAGES || answered < MESSAGES)
        turn(loops, 2);
    check(redisAsyncCommand(loops[0].context, NULL, NULL, "UNSUBSCRIBE") == REDIS_OK);
    while (confirmed < 4)
        turn(loops, 2);
    redisAsyncDisconnect(loops[1].context);
    redisAsyncFree(loops[0].context);
    while (loops[1].context)
        turn(loops, 2);
}

static int lost;

static void take_loss(redisAsyncContext *context, void *reply, void *arg)
{
    (void)context, (void)arg;
    lost += reply == NULL;
}

static void note_end(const redisAsyncContext *context, int status)
{
    (void)context;
    check(status == REDIS_ERR);
    lost += 100;
}

/* In the middle of commands: each of them is told. */
static void check_loss(redisContext *c, int port)
{
    struct loop loop;
    attach(&loop, port);
    check(redisAsyncSetDisconnectCallback(loop.context, note_end) == REDIS_OK);
    for (int i = 0; i < 3; i++)
        check(redisAsyncCommand(loop.context, take_loss, NULL, "BZPOPMIN queue 0") == REDIS_OK);
    while (loop.writes)
        turn(&loop, 1);
    while (ask(c, "CLIENT KILL TYPE normal SKIPME yes")->integer == 0)
        ;
    while (loop.context)
        turn(&loop, 1);
    check(lost == 103);
}

int main(int argc, char **argv)
{
    check(argc == 2);
    signal(SIGPIPE, SIG_IGN);
    int port = start_server(argv[1]);
    redisContext *c = dial(port);
    check_kinds(c);
    check_nested(c);
    check_large(c);
    check_pipeline(c);
    check_waiting(c);
    check_killed(c, port);
    check_subscription(c, port);
    check_loss(c, port);
#if HIREDIS_MAJOR >= 1
    check_version_3(port);
#endif
    freeReplyObject(last);
    redisFree(c);
    end_server();
    return 0;
}
