#include "redis/own.h"

#include "redis/channel.h"
#include "redis/monitor.h"
#include "redis/multi.h"

#include <weft/memory.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 63

/* --- what the commands share --- */

int wf_redis_reply_unknown_subcommand(weft_redis_request *request)
{
    weft_slice word = request->args[1];
    const weft_redis_command *command = wf_redis_peer_of(request)->last->command;
    char name[WF_REDIS_NAME_MAX + 1];
    snprintf(name, sizeof name, "%s", command->name);
    for (char *at = name; *at; at++)
        *at = (char)(*at >= 'a' && *at <= 'z' ? *at - 32 : *at);
    return weft_redis_reply_error(request,
                                  "ERR unknown subcommand or wrong number of arguments for '%.*s'. "
                                  "Try %s HELP.",
                                  word.size < 128 ? (int)word.size : 128, word.data, name);
}

int wf_redis_reply_help(weft_redis_request *request, const char *const *lines)
{
    size_t count = 0;
    while (lines[count])
        count++;
    weft_redis_reply_array(request, count);
    for (size_t i = 0; i < count; i++)
        weft_redis_reply_status(request, lines[i]);
    return 0;
}

bool wf_redis_read_integer(weft_redis_request *request, size_t index, int64_t least, int64_t most,
                           int64_t *value)
{
    weft_slice text = request->args[index];
    if (wf_resp_read_integer(text.data, text.size, value) && *value >= least && *value <= most)
        return true;
    weft_redis_reply_error(request, "ERR value is not an integer or out of range");
    return false;
}

/* --- greetings --- */

static int ping(weft_redis_request *request, void *app)
{
    const struct wf_redis_peer *peer = wf_redis_peer_of(request);
    weft_slice text = request->count > 1 ? request->args[1] : (weft_slice){ "", 0 };
    (void)app;
    if (request->count > 2)
        return weft_redis_reply_error(request, "ERR wrong number of arguments for 'ping' command");
    if (peer->subscriber && request->version < 3) {
        weft_redis_reply_array(request, 2);
        weft_redis_reply_string(request, "pong", 4);
        return weft_redis_reply_string(request, text.data, text.size);
    }
    return request->count == 1 ? weft_redis_reply_status(request, "PONG")
                               : weft_redis_reply_string(request, text.data, text.size);
}

static int echo(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_string(request, request->args[1].data, request->args[1].size);
}

static int quit(weft_redis_request *request, void *app)
{
    (void)app;
    wf_redis_peer_of(request)->flags |= WF_REDIS_PEER_CLOSE_AFTER;
    return weft_redis_reply_status(request, "OK");
}

static int reset(weft_redis_request *request, void *app)
{
    (void)app;
    wf_redis_peer_reset(wf_redis_peer_of(request));
    return weft_redis_reply_status(request, "RESET");
}

static int select_database(weft_redis_request *request, void *app)
{
    int64_t index;
    (void)app;
    if (!wf_redis_read_integer(request, 1, INT32_MIN, INT32_MAX, &index))
        return 0;
    if (index != 0)
        return weft_redis_reply_error(request, "ERR DB index is out of range");
    return weft_redis_reply_status(request, "OK");
}

/* --- who one is --- */

static bool copy_text(char *out, size_t size, weft_slice text)
{
    if (text.size >= size || memchr(text.data, '\0', text.size))
        return false;
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return true;
}

/* 0: it may; else it was told why not. May suspend: the words are copied before. */
static int authenticate(weft_redis_request *request, weft_slice user, weft_slice password)
{
    static const char wrong[] = "WRONGPASS invalid username-password pair or user is disabled.";
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    const weft_redis_serve_options *options = &request->server->options;
    char name[NAME_MAX_BYTES + 1], secret[512];
    bool is_short =
        copy_text(name, sizeof name, user) && copy_text(secret, sizeof secret, password);
    bool is_right = is_short && options->authenticate(name, secret, options->app) == 0;
    memset(secret, 0, sizeof secret);
    if (!is_right) {
        weft_redis_reply_error(request, "%s", wrong);
        return -EACCES;
    }
    struct wf_redis_names *names = wf_redis_peer_names(peer);
    if (names)
        snprintf(names->user, sizeof names->user, "%s", name);
    peer->flags |= WF_REDIS_PEER_KNOWN;
    return 0;
}

static const weft_slice default_user = { "default", 7 };

static int auth(weft_redis_request *request, void *app)
{
    bool has_user = request->count == 3;
    (void)app;
    if (request->count > 3)
        return weft_redis_reply_error(request, "ERR syntax error");
    if (!request->server->options.authenticate)
        return weft_redis_reply_error(
            request, "ERR AUTH <password> called without any password configured for the default "
                     "user. Are you sure your configuration is correct?");
    if (authenticate(request, has_user ? request->args[1] : default_user,
                     request->args[has_user ? 2 : 1]) < 0)
        return 0;
    return weft_redis_reply_status(request, "OK");
}

int wf_redis_set_name(weft_redis_request *request, weft_slice text)
{
    struct wf_redis_names *names = wf_redis_peer_names(wf_redis_peer_of(request));
    bool is_good = text.size <= NAME_MAX_BYTES;
    for (size_t i = 0; i < text.size && is_good; i++)
        is_good = text.data[i] >= '!' && text.data[i] <= '~';
    if (!names || !is_good) {
        weft_redis_reply_error(request, names ? "ERR Client names cannot contain spaces, newlines "
                                                "or special characters."
                                              : "OOM out of memory");
        return -EINVAL;
    }
    copy_text(names->name, sizeof names->name, text);
    return 0;
}

struct hello {
    int64_t version; /* 0: as it is */
    bool has_user, has_name;
    weft_slice user, password, name;
};

static bool read_hello(weft_redis_request *request, struct hello *hello)
{
    *hello = (struct hello){ 0 };
    if (request->count > 1) {
        weft_slice text = request->args[1];
        if (!wf_resp_read_integer(text.data, text.size, &hello->version) || hello->version < 2 ||
            hello->version > 3) {
            weft_redis_reply_error(request, "NOPROTO unsupported protocol version");
            return false;
        }
    }
    for (size_t i = 2; i < request->count;) {
        size_t left = request->count - i - 1;
        if (weft_redis_is(request->args[i], "auth") && left >= 2) {
            hello->has_user = true;
            hello->user = request->args[i + 1], hello->password = request->args[i + 2];
            i += 3;
        } else if (weft_redis_is(request->args[i], "setname") && left >= 1) {
            hello->has_name = true;
            hello->name = request->args[i + 1];
            i += 2;
        } else {
            weft_redis_reply_error(request, "ERR Syntax error in HELLO option '%.*s'",
                                   request->args[i].size < 64 ? (int)request->args[i].size : 64,
                                   request->args[i].data);
            return false;
        }
    }
    return true;
}

static int reply_text(weft_redis_request *request, const char *text)
{
    return weft_redis_reply_string(request, text, strlen(text));
}

static int introduce(weft_redis_request *request)
{
    const weft_redis_serve_options *options = &request->server->options;
    weft_redis_reply_map(request, 7);
    reply_text(request, "server");
    reply_text(request, options->name);
    reply_text(request, "version");
    reply_text(request, options->version);
    reply_text(request, "proto");
    weft_redis_reply_integer(request, request->version);
    reply_text(request, "id");
    weft_redis_reply_integer(request, (int64_t)wf_redis_peer_of(request)->id);
    reply_text(request, "mode");
    reply_text(request, "standalone");
    reply_text(request, "role");
    reply_text(request, "master");
    reply_text(request, "modules");
    return weft_redis_reply_array(request, 0);
}

static int hello(weft_redis_request *request, void *app)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    struct hello hello;
    (void)app;
    if (!read_hello(request, &hello))
        return 0;
    if (hello.has_user && request->server->options.authenticate &&
        authenticate(request, hello.user, hello.password) < 0)
        return 0;
    if (!(peer->flags & WF_REDIS_PEER_KNOWN))
        return weft_redis_reply_error(
            request, "NOAUTH HELLO must be called with the client already authenticated, otherwise "
                     "the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the "
                     "client and select the RESP protocol version at the same time");
    if (hello.has_name && wf_redis_set_name(request, hello.name) < 0)
        return 0;
    if (hello.version)
        request->version = (int)hello.version;
    return introduce(request);
}

/* --- the end --- */

static int shutdown_server(weft_redis_request *request, void *app)
{
    const weft_redis_serve_options *options = &request->server->options;
    int err = options->shutdown ? options->shutdown(request, app) : 0;
    if (err < 0)
        return weft_redis_reply_error(request, "ERR Errors trying to SHUTDOWN. Check logs.");
    wf_redis_peer_of(request)->closing = true; /* without a word */
    weft_redis_stop(request->server);
    return 0;
}

/* --- the table --- */

#define FIRST  (WEFT_REDIS_NO_AUTH | WEFT_REDIS_FAST)
#define LISTEN WEFT_REDIS_SUBSCRIBED

const weft_redis_command wf_redis_own_commands[] = {
    { "ping", ping, .arity = -1, .flags = WEFT_REDIS_FAST | LISTEN, .group = "connection",
      .summary = "Answers PONG, or the text it is given" },
    { "echo", echo, .arity = 2, .flags = WEFT_REDIS_FAST, .group = "connection",
      .summary = "Answers the text it is given" },
    { "hello", hello, .arity = -1, .flags = FIRST | WEFT_REDIS_SUSPENDS, .group = "connection",
      .summary = "Agrees on the protocol's version, authenticates, sets a name" },
    { "auth", auth, .arity = -2, .flags = FIRST | WEFT_REDIS_SUSPENDS, .group = "connection",
      .summary = "Authenticates the connection" },
    { "quit", quit, .arity = -1, .flags = FIRST | LISTEN, .group = "connection",
      .summary = "Closes the connection" },
    { "reset", reset, .arity = 1, .flags = FIRST | LISTEN, .group = "connection",
      .summary = "Makes the connection what a new one is" },
    { "select", select_database, .arity = 2, .flags = WEFT_REDIS_FAST, .group = "connection",
      .summary = "Selects a database: there is one, 0" },
    { "client", wf_redis_client, .arity = -2, .flags = 0, .group = "connection",
      .summary = "Lists, names, pauses and closes connections" },
    { "multi", wf_redis_multi, .arity = 1, .flags = WEFT_REDIS_FAST, .group = "transactions",
      .summary = "Begins a transaction" },
    { "exec", wf_redis_exec, .arity = 1, .group = "transactions",
      .summary = "Executes what has gathered since MULTI, in one step" },
    { "discard", wf_redis_discard, .arity = 1, .flags = WEFT_REDIS_FAST, .group = "transactions",
      .summary = "Forgets what has gathered since MULTI" },
    { "watch", wf_redis_watch_command, .arity = -2, .flags = WEFT_REDIS_FAST, .first_key = 1,
      .last_key = -1, .group = "transactions",
      .summary = "Lets the next EXEC fail if one of the keys has changed by then" },
    { "unwatch", wf_redis_unwatch_command, .arity = 1, .flags = WEFT_REDIS_FAST,
      .group = "transactions", .summary = "Watches no key any more" },
    { "subscribe", wf_redis_subscribe, .arity = -2, .flags = LISTEN, .group = "pubsub",
      .summary = "Listens to channels" },
    { "unsubscribe", wf_redis_unsubscribe, .arity = -1, .flags = LISTEN, .group = "pubsub",
      .summary = "Listens to channels no more" },
    { "psubscribe", wf_redis_psubscribe, .arity = -2, .flags = LISTEN, .group = "pubsub",
      .summary = "Listens to all channels that match a pattern" },
    { "punsubscribe", wf_redis_punsubscribe, .arity = -1, .flags = LISTEN, .group = "pubsub",
      .summary = "Listens to patterns no more" },
    { "publish", wf_redis_publish_command, .arity = 3, .flags = WEFT_REDIS_FAST, .group = "pubsub",
      .summary = "Sends a message to who listens to a channel" },
    { "pubsub", wf_redis_pubsub, .arity = -2, .group = "pubsub",
      .summary = "Says which channels there are, and how many listen" },
    { "command", wf_redis_command_command, .arity = -1, .group = "server",
      .summary = "Says which commands there are" },
    { "config", wf_redis_config, .arity = -2, .flags = WEFT_REDIS_ADMIN, .group = "server",
      .summary = "Reads and sets parameters" },
    { "info", wf_redis_info, .arity = -1, .group = "server",
      .summary = "Says how the server fares" },
    { "latency", wf_redis_latency_command, .arity = -2, .flags = WEFT_REDIS_ADMIN,
      .group = "server", .summary = "Says how long commands take, and what took longest" },
    { "slowlog", wf_redis_slowlog, .arity = -2, .flags = WEFT_REDIS_ADMIN, .group = "server",
      .summary = "Shows the commands that took long" },
    { "monitor", wf_redis_monitor, .arity = 1, .flags = WEFT_REDIS_ADMIN | WEFT_REDIS_NO_MULTI,
      .group = "server", .summary = "Shows all commands as they come" },
    { "shutdown", shutdown_server, .arity = -1, .flags = WEFT_REDIS_ADMIN | WEFT_REDIS_NO_MULTI,
      .group = "server", .summary = "Ends the server" },
    { 0 },
};
