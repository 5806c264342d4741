/* Clients of Redis under the torture driver, against a server of the kit over memory and TCP.
 *
 * Whatever fails: a reply is the one to the command that was asked; what was acknowledged was
 * executed, and nothing twice that says no `.idempotent`; a transaction is executed as a whole or
 * not at all; a message comes once, and one that is missing has a gap in its place; a call that
 * fails says one of the errors that it may say; and everybody ends. */

#include "torture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/error.h>
#include <weft/event.h>
#include <weft/redis.h>
#include <weft/redis_server.h>
#include <weft/scope.h>
#include <weft/task.h>

#define LARGE ((size_t)80 << 10) /* more than a stream takes at once */

static weft_redis *redis;

static struct {
    int begun, acknowledged, executed; /* ONE */
    int left, right;                   /* of each pair */
    int things, pushed, popped;        /* BLPOP */
} count;

static void begin(void)
{
    memset(&count, 0, sizeof count);
}

/* What a call may say where something went wrong, or was done wrong on purpose. */
static bool is_an_error_of_calls(int err)
{
    static const int known[] = { -ENOMEM,     -ECANCELED,    -ETIMEDOUT, -EAGAIN,      -EACCES,
                                 WEFT_EREPLY, WEFT_EINDOUBT, -ESHUTDOWN, -ECONNREFUSED };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (err == known[i])
            return true;
    return torture_excuses(err);
}

static void check(int result)
{
    torture_require(count.acknowledged <= count.executed);
    torture_require(count.executed <= count.begun);
    torture_require(count.left == count.right);
    torture_require(count.popped <= count.pushed);
    torture_require(result == 0 || (!torture_is_calm() && is_an_error_of_calls(result)));
}

/* --- the server --- */

static const weft_slice key = { "k", 1 };

static int one(weft_redis_request *request, void *app)
{
    (void)app;
    weft_redis_touch(request->server, key);
    return weft_redis_reply_integer(request, ++count.executed);
}

static int get(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_string(request, request->args[1].data, request->args[1].size);
}

static int left(weft_redis_request *request, void *app)
{
    (void)app;
    weft_redis_touch(request->server, key);
    return weft_redis_reply_integer(request, ++count.left);
}

static int right(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_integer(request, ++count.right);
}

static int push(weft_redis_request *request, void *app)
{
    (void)app;
    count.things++;
    count.pushed++;
    weft_redis_touch(request->server, key);
    return weft_redis_reply_integer(request, count.things);
}

static int nothing(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_null_array(request);
}

static int pop(weft_redis_request *request, void *app)
{
    (void)app;
    if (count.things == 0)
        return weft_redis_block(request, &key, 1, 5 * WEFT_SECOND, nothing);
    count.things--;
    return weft_redis_reply_status(request, "thing");
}

static int slow(weft_redis_request *request, void *app)
{
    (void)app;
    int err = weft_sleep(2 * WEFT_SECOND);
    return err < 0 ? err : weft_redis_reply_status(request, "slept");
}

/* Two pages, of two keys and of one. */
static int scan(weft_redis_request *request, void *app)
{
    bool is_first = weft_redis_is(request->args[1], "0");
    weft_redis_mark mark = weft_redis_reply_defer(request);
    (void)app;
    weft_redis_reply_string(request, is_first ? "a" : "c", 1);
    if (is_first)
        weft_redis_reply_string(request, "b", 1);
    return weft_redis_reply_scan_deferred(request, mark, is_first ? 7 : 0, is_first ? 2 : 1);
}

static const weft_redis_command commands[] = {
    { "one", one, .arity = 1, .flags = WEFT_REDIS_WRITE },
    { "get", get, .arity = 2, .flags = WEFT_REDIS_READ },
    { "left", left, .arity = 1, .flags = WEFT_REDIS_WRITE },
    { "right", right, .arity = 1, .flags = WEFT_REDIS_WRITE },
    { "rpush", push, .arity = -2, .flags = WEFT_REDIS_WRITE },
    { "blpop", pop, .arity = 3, .flags = WEFT_REDIS_WRITE | WEFT_REDIS_BLOCKS },
    { "slow", slow, .arity = 1, .flags = WEFT_REDIS_SUSPENDS },
    { "scan", scan, .arity = -2, .flags = WEFT_REDIS_READ },
    { 0 },
};

static int check_password(const char *user, const char *password, void *app)
{
    (void)user, (void)app;
    return strcmp(password, "secret") == 0 ? 0 : -EACCES;
}

static bool wants_password;

static int serve(void *listener)
{
    int err = weft_redis_serve_on(listener, commands,
                                  .authenticate = wants_password ? check_password : NULL);
    return err == -ECANCELED ? 0 : err;
}

/* --- the client --- */

typedef int body_fn(weft_arena *arena);

struct site {
    body_fn *body;
    const char *address; /* NULL: memory */
    struct weft_redis_options options;
};

static int with_arena(body_fn *body)
{
    weft_arena *arena;
    int err = weft_arena_new(&arena, SIZE_MAX);
    if (err < 0)
        return err;
    err = body(arena);
    weft_arena_free(arena);
    return err;
}

static int with_client(const struct site *site, const char *address)
{
    struct weft_redis_options options = site->options;
    options.address = address;
    options.seed = 1;
    options.size = sizeof options;
    int err = weft_redis_open_with(&redis, &options);
    if (err < 0)
        return err;
    err = with_arena(site->body);
    weft_redis_close(redis);
    redis = NULL;
    return err;
}

static int run(const struct site *site)
{
    weft_listener *listener;
    weft_scope s;
    wants_password = site->options.password != NULL;
    int err = weft_redis_listen(&listener, site->address ? site->address : "mem:torture");
    if (err < 0)
        return err;
    weft_scope_begin(&s);
    err = weft_spawn(&s, serve, listener);
    if (err == 0)
        err = with_client(site, weft_listener_address(listener));
    if (err < 0) {
        err = weft_scope_leave(&s, err);
    } else {
        weft_scope_cancel(&s, "the client is done");
        err = weft_scope_end(&s);
    }
    weft_listener_close(listener);
    return err;
}

/* --- calls that look at what they get --- */

/* A call of a task that nobody else helps: it has a minute. The value is the arena's. Who was
 * cancelled with this scope alone has no value, and no error either. */
static int ask(weft_arena *arena, const weft_redis_value **value, const char *words)
{
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    int err = weft_redis_ask(redis, arena, value, "%s", words);
    return weft_scope_leave(&s, err);
}

static int say(weft_arena *arena, const char *command, const char *word)
{
    const weft_redis_value *value;
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    int err = weft_redis_ask(redis, arena, &value, "%s %s", command, word);
    if (err == 0)
        torture_require(strcmp(value->text, word) == 0);
    return weft_scope_leave(&s, err);
}

static int count_one(weft_arena *arena)
{
    const weft_redis_value *value;
    count.begun++;
    int err = ask(arena, &value, "ONE");
    if (err == 0 && value)
        count.acknowledged++;
    return err;
}

static int echo_hello(weft_arena *arena)
{
    return say(arena, "ECHO", "hello");
}

static int get_words(weft_arena *arena)
{
    int err = say(arena, "GET", "first");
    return err == 0 ? say(arena, "GET", "second") : err;
}

static int send_large(weft_arena *arena)
{
    char *word = weft_arena_alloc(arena, LARGE + 1);
    if (!word)
        return -ENOMEM;
    memset(word, 'x', LARGE);
    word[LARGE] = '\0';
    return say(arena, "GET", word);
}

static int be_refused(weft_arena *arena)
{
    const weft_redis_value *value;
    int err = ask(arena, &value, "NOSUCH");
    if (err == WEFT_EREPLY)
        torture_require(value && value->kind == WEFT_REDIS_ERROR);
    return err == WEFT_EREPLY ? 0 : err;
}

/* Its place in the line is left to nobody. */
static int lose_patience(weft_arena *arena)
{
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_SECOND);
    int err = weft_redis_ask(redis, arena, NULL, "SLOW");
    err = weft_scope_leave(&s, err);
    return err == -ETIMEDOUT ? 0 : err;
}

/* A task for each of them, in a turn. Those that a fault has struck fail; the others go on. */
static int body_of(void *arg)
{
    body_fn *body;
    memcpy(&body, arg, sizeof body);
    return with_arena(body);
}

static int all_of(body_fn *const *bodies)
{
    weft_scope s;
    int err = 0;
    weft_scope_begin(&s);
    for (size_t i = 0; bodies[i] && err == 0; i++)
        err = weft_spawn(&s, body_of, (void *)(uintptr_t)&bodies[i]);
    return err < 0 ? weft_scope_leave(&s, err) : weft_scope_end(&s);
}

static int ask_together(weft_arena *arena)
{
    static body_fn *const bodies[] = { echo_hello, count_one,     be_refused,
                                       send_large, lose_patience, NULL };
    int err = all_of(bodies);
    return err == 0 ? count_one(arena) : err;
}

static int commands_mem(void *arg)
{
    (void)arg;
    return run(&(struct site){ .body = ask_together });
}

static int commands_tcp(void *arg)
{
    (void)arg;
    return run(&(struct site){ .body = ask_together, .address = "127.0.0.1:0" });
}

static int several_connections(void *arg)
{
    (void)arg;
    return run(&(struct site){ .body = ask_together,
                               .options = { .connections = 2,
                                            .in_flight_max = 1,
                                            .protocol = 2,
                                            .password = "secret",
                                            .name = "torture" } });
}

/* --- commands that block --- */

static int take_thing(weft_arena *arena)
{
    const weft_redis_value *value;
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    int err = weft_redis_ask(redis, arena, &value, "BLPOP k 5");
    if (err == 0 && value->kind != WEFT_REDIS_NULL) {
        torture_require(strcmp(value->text, "thing") == 0);
        count.popped++;
    }
    return weft_scope_leave(&s, err);
}

static int give_thing(weft_arena *arena)
{
    const weft_redis_value *value;
    int err = weft_sleep(WEFT_SECOND);
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    if (err == 0)
        err = weft_redis_ask(redis, arena, &value, "RPUSH k");
    return weft_scope_leave(&s, err);
}

/* It closes its connection, and the server pops for nobody. */
static int take_back(weft_arena *arena)
{
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MILLISECOND);
    int err = weft_redis_ask(redis, arena, NULL, "BLPOP k 5");
    err = weft_scope_leave(&s, err);
    return err == -ETIMEDOUT ? 0 : err;
}

static int wait_for_things(weft_arena *arena)
{
    static body_fn *const bodies[] = { take_back,  take_thing, take_thing, take_thing,
                                       give_thing, give_thing, NULL };
    int err = all_of(bodies);
    return err == 0 ? echo_hello(arena) : err;
}

static int blocking(void *arg)
{
    (void)arg;
    return run(
        &(struct site){ .body = wait_for_things, .options = { .blocking_connections_max = 2 } });
}

/* --- transactions --- */

static int add_pair(weft_redis_transaction *t)
{
    int err = weft_redis_transaction_add(t, "LEFT");
    return err == 0 ? weft_redis_transaction_add(t, "RIGHT") : err;
}

/* `between` disturbs, or does not. */
static int execute_pair(weft_arena *arena, bool watches, body_fn *between)
{
    const weft_redis_value *value;
    weft_redis_transaction *t;
    int err = weft_redis_transaction_begin(&t, redis, arena, .watch = &key, .watch_count = watches);
    if (err < 0)
        return err;
    if (watches)
        err = weft_redis_transaction_ask(t, &value, "GET seen");
    if (err == 0 && between)
        err = between(arena);
    if (err == 0)
        err = add_pair(t);
    if (err == 0)
        err = weft_redis_transaction_execute(t, &value);
    if (err == 0)
        torture_require(value->count == 2);
    weft_redis_transaction_end(t);
    return err;
}

static int disturb(weft_arena *arena)
{
    int err = execute_pair(arena, true, count_one);
    torture_require(err != 0); /* ONE has touched what is watched */
    return err == -EAGAIN ? 0 : err;
}

static int execute_watched(weft_arena *arena)
{
    int err = execute_pair(arena, true, NULL);
    return err == -EAGAIN ? 0 : err; /* somebody else was quicker */
}

static int execute_plain(weft_arena *arena)
{
    return execute_pair(arena, false, NULL);
}

static int abandon(weft_arena *arena)
{
    weft_redis_transaction *t;
    int err = weft_redis_transaction_begin(&t, redis, arena, .watch = &key, .watch_count = 1);
    if (err < 0)
        return err;
    err = add_pair(t);
    weft_redis_transaction_end(t);
    return err;
}

static int transact(weft_arena *arena)
{
    static body_fn *const bodies[] = { execute_plain, execute_watched, disturb,
                                       abandon,       get_words,       NULL };
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    int err = all_of(bodies);
    if (err == 0)
        err = execute_watched(arena);
    return weft_scope_leave(&s, err);
}

static int transactions(void *arg)
{
    (void)arg;
    return run(&(struct site){ .body = transact, .options = { .blocking_connections_max = 2 } });
}

/* --- subscriptions --- */

static const char *const channels[] = { "c", "d", NULL }, *const patterns[] = { "e*", NULL };

static int publish(weft_arena *arena, const char *words)
{
    const weft_redis_value *value;
    return weft_redis_ask(redis, arena, &value, "PUBLISH c %s", words);
}

/* One, two and three in this order; what is missing has a gap before what comes next. */
static int hear(weft_redis_subscription *news, weft_arena *arena, int *heard)
{
    weft_redis_message message;
    bool gap = false;
    while (*heard < 3) {
        int err = weft_redis_subscription_next(news, arena, &message);
        if (err < 0)
            return err;
        if (!message.channel) {
            gap = true;
            continue;
        }
        int number = atoi(message.data);
        torture_require(strcmp(message.channel, "c") == 0);
        torture_require(gap ? number > *heard : number == *heard + 1);
        *heard = number;
        gap = false;
    }
    return 0;
}

static int follow(weft_arena *arena, bool breaks)
{
    weft_redis_subscription *news;
    int heard = 0;
    int err = weft_redis_subscribe(&news, redis, .channels = channels, .patterns = patterns);
    if (err < 0)
        return err;
    err = publish(arena, "1");
    if (err == 0 && breaks)
        err = weft_redis_ask(redis, arena, NULL, "CLIENT KILL TYPE pubsub");
    if (err == 0 && breaks)
        err = weft_sleep(10 * WEFT_SECOND);
    if (err == 0)
        err = publish(arena, "2");
    if (err == 0)
        err = publish(arena, "3");
    if (err == 0)
        err = hear(news, arena, &heard);
    weft_redis_subscription_close(news);
    return err;
}

static int subscribe_for_a_while(weft_arena *arena)
{
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    int err = follow(arena, false);
    if (err == 0)
        err = follow(arena, true);
    return weft_scope_leave(&s, err);
}

static int subscriptions(void *arg)
{
    (void)arg;
    return run(&(struct site){ .body = subscribe_for_a_while });
}

/* --- scans --- */

/* Each key comes, in this server's order, however often a page had to be asked for. */
static int walk(weft_arena *arena)
{
    weft_redis_scan *walk;
    weft_redis_item item;
    weft_scope s;
    char seen = 'a';
    int n = weft_redis_scan_open(&walk, redis, .match = "*");
    (void)arena;
    if (n < 0)
        return n;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    while ((n = weft_redis_scan_next(walk, &item)) > 0) {
        torture_require(item.name.size == 1 && *item.name.data == seen);
        seen++;
    }
    if (n == 0)
        torture_require(seen == 'd');
    weft_redis_scan_close(walk);
    return weft_scope_leave(&s, n);
}

static int scans(void *arg)
{
    (void)arg;
    return run(&(struct site){ .body = walk });
}

/* --- connections that break --- */

/* Everybody's connection, also its own; what is behind it there is lost. */
static int break_it(weft_arena *arena)
{
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    int err = weft_redis_ask(redis, arena, NULL, "CLIENT KILL TYPE normal SKIPME no");
    err = weft_scope_leave(&s, err);
    return err == WEFT_EINDOUBT ? 0 : err;
}

static int count_in_doubt(weft_arena *arena)
{
    int err = count_one(arena);
    return err == WEFT_EINDOUBT ? 0 : err;
}

static int break_in_between(weft_arena *arena)
{
    static body_fn *const bodies[] = { get_words, count_in_doubt, break_it,
                                       get_words, count_in_doubt, NULL };
    int err = all_of(bodies);
    if (err == 0)
        err = all_of(bodies);
    return err == 0 ? count_one(arena) : err;
}

static int losses(void *arg)
{
    (void)arg;
    return run(&(struct site){ .body = break_in_between });
}

/* --- no server --- */

static int wait_in_vain(weft_arena *arena)
{
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_SECOND);
    int err = weft_redis_ask(redis, arena, NULL, "ONE");
    torture_require(err != 0);
    err = weft_scope_leave(&s, err);
    return err == -ETIMEDOUT || err == -ECONNREFUSED ? 0 : err;
}

static int alone(const struct site *site)
{
    return with_client(site, "mem:nowhere");
}

static int offline(void *arg)
{
    struct site site = { .body = wait_in_vain };
    (void)arg;
    int err = alone(&site);
    site.options.offline = WEFT_REDIS_OFFLINE_FAIL;
    return err == 0 ? alone(&site) : err;
}

/* --- the end, among calls in every state --- */

static int wait_for_news(weft_arena *arena)
{
    weft_redis_subscription *news;
    weft_redis_message message;
    int err = weft_redis_subscribe(&news, redis, .channels = channels);
    if (err < 0)
        return err;
    while ((err = weft_redis_subscription_next(news, arena, &message)) == 0)
        torture_require(!message.channel); /* nobody has said anything: a loss, perhaps */
    weft_redis_subscription_close(news);
    return err;
}

static int sleep_there(weft_arena *arena)
{
    return weft_redis_ask(redis, arena, NULL, "SLOW");
}

/* The end is one for each of them, and no error of this scenario's. */
static int to_the_end(void *arg)
{
    body_fn *body;
    memcpy(&body, arg, sizeof body);
    int err = with_arena(body);
    return err == -ESHUTDOWN || err == WEFT_EINDOUBT ? 0 : err;
}

static int close_among(weft_scope *s)
{
    static body_fn *const bodies[] = { sleep_there, sleep_there,   take_thing,
                                       take_thing,  wait_for_news, send_large };
    int err = 0;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0] && err == 0; i++)
        err = weft_spawn(s, to_the_end, (void *)(uintptr_t)&bodies[i]);
    if (err == 0)
        err = weft_sleep(WEFT_SECOND);
    return err;
}

static int close_beside(const char *address)
{
    weft_redis *mine;
    weft_scope s;
    int err = weft_redis_open(&mine, address, .blocking_connections_max = 1, .seed = 1);
    if (err < 0)
        return err;
    redis = mine;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    err = close_among(&s);
    weft_redis_close(mine);
    return err < 0 ? weft_scope_leave(&s, err) : weft_scope_end(&s);
}

static int close_it(weft_arena *arena)
{
    weft_redis *outer = redis;
    (void)arena;
    int err = close_beside("mem:torture");
    redis = outer;
    return err;
}

static int closing(void *arg)
{
    (void)arg;
    return run(&(struct site){ .body = close_it });
}

#define SCENARIO(text, function)                                                                   \
    {                                                                                              \
        .name = text, .main = function, .begin = begin, .check = check                             \
    }

static const struct torture_scenario scenarios[] = {
    SCENARIO("commands", commands_mem),
    SCENARIO("commands-tcp", commands_tcp),
    SCENARIO("several", several_connections),
    SCENARIO("blocking", blocking),
    SCENARIO("transactions", transactions),
    SCENARIO("subscriptions", subscriptions),
    SCENARIO("scans", scans),
    SCENARIO("losses", losses),
    SCENARIO("offline", offline),
    SCENARIO("closing", closing),
};

int main(void)
{
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
