/* Servers of Redis's commands under the torture driver, over memory and TCP.
 *
 * Whatever fails: a handler that was entered was left, a client that is told anything else than
 * what is right was told of an error, and everybody ends. */

#include "torture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/error.h>
#include <weft/redis_server.h>
#include <weft/scope.h>
#include <weft/task.h>

static int entered, left; /* handlers */
static int things;        /* that BPOP can have */

static void begin(void)
{
    entered = left = things = 0;
}

static void check(int result)
{
    torture_require(entered == left);
    if (torture_is_calm())
        torture_require(result == 0);
}

/* --- the server --- */

static const weft_slice key = { "k", 1 };

static int push(weft_redis_request *request, void *app)
{
    (void)app;
    entered++;
    things++;
    weft_redis_touch(request->server, key);
    int err = weft_redis_reply_integer(request, things);
    left++;
    return err;
}

static int nothing(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_null_array(request);
}

static int bpop(weft_redis_request *request, void *app)
{
    (void)app;
    if (things == 0)
        return weft_redis_block(request, &key, 1, 2 * WEFT_SECOND, nothing);
    things--;
    return weft_redis_reply_status(request, "got one");
}

static int slow(weft_redis_request *request, void *app)
{
    (void)app;
    entered++;
    int err = weft_sleep(2 * WEFT_SECOND);
    if (err == 0)
        err = weft_redis_reply_status(request, "slept");
    left++;
    return err;
}

static int list(weft_redis_request *request, void *app)
{
    (void)app;
    entered++;
    weft_redis_mark mark = weft_redis_reply_defer(request);
    for (int i = 0; i < 3; i++)
        weft_redis_reply_string(request, "word", 4);
    int err = weft_redis_reply_array_deferred(request, mark, 3);
    left++;
    return err;
}

static const weft_redis_command commands[] = {
    { "push", push, .arity = 1, .flags = WEFT_REDIS_WRITE },
    { "bpop", bpop, .arity = 1, .flags = WEFT_REDIS_WRITE | WEFT_REDIS_BLOCKS },
    { "slow", slow, .arity = 1, .flags = WEFT_REDIS_SUSPENDS },
    { "list", list, .arity = 1 },
    { 0 },
};

static int check_password(const char *user, const char *password, void *app)
{
    (void)user, (void)app;
    int err = weft_sleep(WEFT_MILLISECOND);
    return err < 0 ? err : strcmp(password, "secret") == 0 ? 0 : -EACCES;
}

static int serve(void *listener)
{
    int err = weft_redis_serve_on(listener, commands, .authenticate = check_password,
                                  .idle_timeout = WEFT_HOUR);
    return err == -ECANCELED ? 0 : err;
}

/* --- a client of bytes --- */

/* Say all, and hear all until the server closes; what is heard is right where nothing fails. */
static int talk(weft_stream *stream, const char *text, const char *expected)
{
    char heard[4096];
    size_t size = 0;
    ssize_t n = weft_write(stream, text, strlen(text));
    while (n >= 0 && size < sizeof heard) {
        n = weft_read(stream, heard + size, sizeof heard - size);
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    if (torture_is_calm() && expected)
        torture_require(size == strlen(expected) && memcmp(heard, expected, size) == 0);
    return (int)n;
}

/* A server that ran out of something, or was told to kill its client, closes in the middle, and the
 * client hears a reset: that is no failure of this run's main. */
static int say(const char *address, const char *text, const char *expected)
{
    weft_stream *stream;
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    int err = weft_connect(&stream, address);
    if (err == 0) {
        err = talk(stream, text, expected);
        weft_close(stream);
    }
    err = weft_scope_leave(&s, err);
    return err == -ECONNRESET || err == -EPIPE ? 0 : err;
}

typedef int client_fn(const char *address);

static int with_server(const char *address, client_fn *client)
{
    weft_listener *listener;
    weft_scope s;
    int err = weft_redis_listen(&listener, address);
    if (err < 0)
        return err;
    weft_scope_begin(&s);
    err = weft_spawn(&s, serve, listener);
    if (err == 0)
        err = client(weft_listener_address(listener));
    if (err < 0) {
        err = weft_scope_leave(&s, err);
    } else {
        weft_scope_cancel(&s, "the client is done");
        err = weft_scope_end(&s);
    }
    weft_listener_close(listener);
    return err;
}

/* --- one client --- */

#define KNOWN "AUTH secret\r\n"

static int say_all(const char *address)
{
    static const char *const texts[][2] = {
        { "LIST\r\n" KNOWN "LIST\r\nNOSUCH\r\nPUSH\r\nBPOP\r\nQUIT\r\n",
          "-NOAUTH Authentication required.\r\n+OK\r\n*3\r\n$4\r\nword\r\n$4\r\nword\r\n$4\r\nword\r\n"
          "-ERR unknown command 'NOSUCH', with args beginning with: \r\n:1\r\n+got one\r\n+OK\r\n" },
        { KNOWN
          "WATCH a b\r\nMULTI\r\nLIST\r\nBPOP\r\nPUSH\r\nBPOP\r\nEXEC\r\nMULTI\r\nPUSH\r\nDISCARD"
          "\r\nQUIT\r\n",
          "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*4\r\n*3\r\n$4\r\nword\r\n$4"
          "\r\nword\r\n$4\r\nword\r\n*-1\r\n:1\r\n+got one\r\n+OK\r\n+QUEUED\r\n+OK\r\n+OK\r\n" },
        { KNOWN "BPOP\r\nSLOW\r\n*1\r\n:", /* waits in vain; the time is over; refused */
          "+OK\r\n*-1\r\n+slept\r\n-ERR Protocol error: expected '$'\r\n" },
        { KNOWN
          "HELLO 3 SETNAME me\r\nCLIENT LIST\r\nINFO everything\r\nCONFIG SET "
          "slowlog-log-slower-than 0\r\nLIST\r\nSLOWLOG GET\r\nLATENCY HISTOGRAM\r\nCOMMAND DOCS"
          "\r\nCONFIG GET *\r\nMONITOR\r\nLIST\r\nRESET\r\nQUIT\r\n",
          NULL },
        { KNOWN
          "SUBSCRIBE c d\r\nPSUBSCRIBE e*\r\nUNSUBSCRIBE\r\nPUNSUBSCRIBE e*\r\nPUBLISH c m\r\n"
          "CLIENT KILL TYPE normal SKIPME no\r\n",
          "+OK\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nd\r\n:2\r\n"
          "*3\r\n$10\r\npsubscribe\r\n$2\r\ne*\r\n:3\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:2\r\n"
          "*3\r\n$11\r\nunsubscribe\r\n$1\r\nd\r\n:1\r\n*3\r\n$12\r\npunsubscribe\r\n$2\r\ne*\r\n:0\r\n"
          ":0\r\n:1\r\n" },
    };
    int err = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && err == 0; i++)
        err = say(address, texts[i][0], texts[i][1]);
    return err;
}

static int say_mem(void *arg)
{
    (void)arg;
    return with_server("mem:torture", say_all);
}

static int say_tcp(void *arg)
{
    (void)arg;
    return with_server("127.0.0.1:0", say_all);
}

/* --- several that have to do with each other --- */

static const char *known_address;

static int wait_for_one(void *arg)
{
    (void)arg;
    return say(known_address, KNOWN "BPOP\r\nQUIT\r\n", "+OK\r\n+got one\r\n+OK\r\n");
}

/* It has more to say while it waits, so it has a task. */
static int wait_and_talk(void *arg)
{
    (void)arg;
    return say(known_address, KNOWN "BPOP\r\nLIST\r\nQUIT\r\n",
               "+OK\r\n+got one\r\n*3\r\n$4\r\nword\r\n$4\r\nword\r\n$4\r\nword\r\n+OK\r\n");
}

static int listen_to_one(void *arg)
{
    (void)arg;
    return say(known_address, KNOWN "SUBSCRIBE c\r\n", NULL);
}

static int together(const char *address)
{
    weft_scope s;
    known_address = address;
    weft_scope_begin(&s);
    int err = weft_spawn(&s, wait_for_one, NULL);
    if (err == 0)
        err = weft_spawn(&s, wait_and_talk, NULL);
    if (err == 0)
        err = weft_spawn(&s, listen_to_one, NULL);
    if (err == 0)
        err = weft_sleep(WEFT_SECOND);
    if (err == 0)
        err = say(address, KNOWN "PUSH\r\nMULTI\r\nPUSH\r\nPUBLISH c m\r\nEXEC\r\nQUIT\r\n", NULL);
    if (err == 0)
        err = say(address,
                  KNOWN "CLIENT PAUSE 100 WRITE\r\nPUSH\r\nCLIENT KILL TYPE pubsub\r\nQUIT\r\n",
                  "+OK\r\n+OK\r\n:1\r\n:1\r\n+OK\r\n");
    return weft_scope_leave(&s, err);
}

static int together_mem(void *arg)
{
    (void)arg;
    return with_server("mem:torture", together);
}

static int together_tcp(void *arg)
{
    (void)arg;
    return with_server("127.0.0.1:0", together);
}

/* --- the end, among clients in every state --- */

static int shut_down(const char *address)
{
    weft_scope s;
    known_address = address;
    weft_scope_begin(&s);
    int err = weft_spawn(&s, wait_and_talk, NULL);
    if (err == 0)
        err = weft_spawn(&s, listen_to_one, NULL);
    if (err == 0)
        err = weft_sleep(WEFT_MILLISECOND);
    if (err == 0)
        err = say(address, KNOWN "PUSH\r\nPUSH\r\nSHUTDOWN\r\n", NULL);
    return weft_scope_leave(&s, err);
}

static int shut_down_mem(void *arg)
{
    (void)arg;
    return with_server("mem:torture", shut_down);
}

static const struct torture_scenario scenarios[] = {
    { .name = "memory", .main = say_mem, .begin = begin, .check = check },
    { .name = "tcp", .main = say_tcp, .begin = begin, .check = check },
    { .name = "together", .main = together_mem, .begin = begin, .check = check },
    { .name = "together-tcp", .main = together_tcp, .begin = begin, .check = check },
    { .name = "shutdown", .main = shut_down_mem, .begin = begin, .check = check },
};

int main(void)
{
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
