/* The greeting.
 *
 *     HELLO 3 AUTH user password SETNAME name ──a map──────────────────────> version 3
 *         └──an error: HELLO or its version is unknown──> AUTH, SETNAME ──> version 2
 *     SELECT database
 *
 * One command at a time: each decides about the next. What a server refuses here it will refuse
 * again, so it is an error of whoever waits and no reason to try again; but for servers that say
 * that they have no time, or no room, just now. */

#include "redis/greeting.h"

#include "redis/client.h"
#include "redis/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <weft/error.h>

#define ARGS_MAX 8

/* A command that is put together. */
struct command {
    weft_slice args[ARGS_MAX];
    size_t count;
};

static void add(struct command *command, const char *word)
{
    command->args[command->count++] = weft_redis_text(word);
}

static int send_command(struct wf_redis_connection *connection, const struct command *command)
{
    char *space;
    weft_buffer *output = &connection->output;
    size_t size = wf_resp_command_size(command->args, command->count);
    int err = weft_buffer_reserve(output, size, &space);
    if (err < 0)
        return err;
    wf_resp_command_write(space, command->args, command->count);
    err = weft_write(connection->stream, space, size);
    /* It may be a password. */
    explicit_bzero(space, size);
    return err;
}

/* Send a command and read its reply, whatever it is. */
static int ask(struct wf_redis_connection *connection, const struct command *command)
{
    int err = send_command(connection, command);
    return err < 0 ? err : wf_redis_connection_read(connection);
}

/* --- errors --- */

static bool begins_with(const struct wf_resp_reply *reply, const char *words)
{
    const struct wf_resp_node *node = &reply->nodes[reply->value];
    size_t size = strlen(words);
    return node->len >= size && strncasecmp(node->as.text, words, size) == 0;
}

static bool begins_with_one_of(const struct wf_resp_reply *reply, const char *const *list)
{
    while (*list && !begins_with(reply, *list))
        list++;
    return *list != NULL;
}

static int refused(struct wf_redis_connection *connection, const char *what)
{
    static const char *const passing[] = {
        "ERR max number of clients", "OOM ", "LOADING", "MASTERDOWN", "BUSY ", "TRYAGAIN", NULL
    };
    static const char *const access[] = { "WRONGPASS",
                                          "NOAUTH",
                                          "NOPERM",
                                          "ERR invalid password",
                                          "ERR invalid username-password",
                                          "ERR AUTH",
                                          "ERR Client sent AUTH",
                                          NULL };
    const struct wf_resp_node *node = &connection->reply.nodes[connection->reply.value];
    snprintf(connection->why, sizeof connection->why, "%s: %.*s", what, (int)node->len,
             node->as.text);
    if (begins_with_one_of(&connection->reply, passing))
        return -EAGAIN;
    return begins_with_one_of(&connection->reply, access) ? -EACCES : WEFT_EREPLY;
}

/* A command whose reply says no more than that it was taken. */
static int expect_done(struct wf_redis_connection *connection, const struct command *command,
                       const char *what)
{
    int err = ask(connection, command);
    if (err < 0)
        return err;
    return wf_redis_value_is_error(&connection->reply) ? refused(connection, what) : 0;
}

/* --- the commands --- */

static const char *user_of(const struct wf_redis_settings *settings)
{
    return settings->address.user ? settings->address.user : "default";
}

/* 1: the server knows the version no better than 2. */
static int say_hello(struct wf_redis_connection *connection,
                     const struct wf_redis_settings *settings)
{
    static const char *const unknown[] = { "ERR unknown command", "NOPROTO",
                                           "ERR syntax error in HELLO", NULL };
    struct command hello = { .count = 0 };
    add(&hello, "HELLO");
    add(&hello, "3");
    if (settings->address.password) {
        add(&hello, "AUTH");
        add(&hello, user_of(settings));
        add(&hello, settings->address.password);
    }
    if (settings->name) {
        add(&hello, "SETNAME");
        add(&hello, settings->name);
    }
    int err = ask(connection, &hello);
    if (err < 0)
        return err;
    if (!wf_redis_value_is_error(&connection->reply)) {
        connection->version = 3;
        return connection->reply.nodes[connection->reply.value].kind == WF_RESP_MAP
                   ? 0
                   : WEFT_EPROTOCOL;
    }
    if (settings->may_fall_back && begins_with_one_of(&connection->reply, unknown))
        return 1;
    return refused(connection, "HELLO");
}

static int authenticate(struct wf_redis_connection *connection,
                        const struct wf_redis_settings *settings)
{
    struct command auth = { .count = 0 };
    if (!settings->address.password)
        return 0;
    add(&auth, "AUTH");
    if (settings->address.user)
        add(&auth, settings->address.user);
    add(&auth, settings->address.password);
    int err = expect_done(connection, &auth, "AUTH");
    return err == WEFT_EREPLY ? -EACCES : err;
}

static int set_name(struct wf_redis_connection *connection,
                    const struct wf_redis_settings *settings)
{
    struct command name = { .count = 0 };
    if (!settings->name)
        return 0;
    add(&name, "CLIENT");
    add(&name, "SETNAME");
    add(&name, settings->name);
    return expect_done(connection, &name, "CLIENT SETNAME");
}

static int greet_by_2(struct wf_redis_connection *connection,
                      const struct wf_redis_settings *settings)
{
    connection->version = 2;
    int err = authenticate(connection, settings);
    return err < 0 ? err : set_name(connection, settings);
}

static int select_database(struct wf_redis_connection *connection,
                           const struct wf_redis_settings *settings)
{
    struct command select = { .count = 0 };
    char number[16];
    if (settings->address.database == 0)
        return 0;
    snprintf(number, sizeof number, "%u", settings->address.database);
    add(&select, "SELECT");
    add(&select, number);
    return expect_done(connection, &select, "SELECT");
}

int wf_redis_greet(struct wf_redis_connection *connection)
{
    const struct wf_redis_settings *settings = &connection->redis->settings;
    int err = settings->protocol == 3 ? say_hello(connection, settings) : 1;
    if (err == 1)
        err = greet_by_2(connection, settings);
    return err < 0 ? err : select_database(connection, settings);
}
