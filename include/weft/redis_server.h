#ifndef WEFT_REDIS_SERVER_H
#define WEFT_REDIS_SERVER_H

/* Servers that speak Redis's protocol (RESP, versions 2 and 3), from a table of commands. Link with
 * weft-redis.
 *
 *     static int get(weft_redis_request *request, void *app)
 *     {
 *         const struct thing *thing = find(app, request->args[1]);
 *         if (!thing)
 *             return weft_redis_reply_null(request);
 *         return weft_redis_reply_string(request, thing->data, thing->size);
 *     }
 *
 *     static const weft_redis_command commands[] = {
 *         { "get", get, .arity = 2, .flags = WEFT_REDIS_READ, .first_key = 1, .last_key = 1 },
 *         { 0 },
 *     };
 *
 *     static int serve(void *address)
 *     {
 *         return weft_redis_serve(address, commands);
 *     }
 *
 * One thread executes. A handler that does not suspend has the whole server to itself, and so has
 * all that stands between MULTI and EXEC: what handlers share needs no lock. A handler that does
 * (WEFT_REDIS_SUSPENDS) holds up its own client alone.
 *
 * The server itself answers PING, ECHO, HELLO, AUTH, QUIT, RESET, SELECT 0, MULTI, EXEC, DISCARD,
 * WATCH, UNWATCH, SUBSCRIBE and its kin, PUBLISH, PUBSUB, CLIENT, COMMAND, CONFIG, INFO, LATENCY,
 * MONITOR, SLOWLOG and SHUTDOWN; a table's own command of such a name goes before. */

#include <string.h>
#include <strings.h>

#include <weft/buffer.h>
#include <weft/define.h>
#include <weft/stream.h>

WEFT_BEGIN_DECLS

/* A server, from weft_redis_serve() until that returns. */
typedef struct weft_redis_server weft_redis_server;

/* One command of one client. Lives until the handler has returned. */
typedef struct weft_redis_request {
    const weft_slice *args;    /* the command's name, as it was sent, and what follows it */
    size_t count;              /* of args; never 0 */
    weft_redis_server *server; /* that executes it */
    int version;               /* of the protocol that the client speaks: 2 or 3 */
    bool again;                /* its client waits, by weft_redis_block(), and a key was touched */
    bool in_transaction;       /* it stands between MULTI and EXEC */
} weft_redis_request;

/* Answers one command: writes one reply, or calls weft_redis_block(). `app` is the server's. A
 * negative return without a reply is logged, and answered as an error. */
typedef int weft_redis_handler(weft_redis_request *request, void *app);

/* What a command is. */
enum weft_redis_flags {
    WEFT_REDIS_WRITE = 1 << 0,    /* may change keys; waits while CLIENT PAUSE … WRITE holds */
    WEFT_REDIS_READ = 1 << 1,     /* looks at keys, and changes none */
    WEFT_REDIS_FAST = 1 << 2,     /* takes the same time however much there is */
    WEFT_REDIS_BLOCKS = 1 << 3,   /* may call weft_redis_block() */
    WEFT_REDIS_SUSPENDS = 1 << 4, /* may suspend: no atomic step; refused between MULTI and EXEC */
    WEFT_REDIS_ADMIN = 1 << 5,    /* is no business of ordinary clients; MONITOR does not show it */
    WEFT_REDIS_NO_AUTH = 1 << 6,  /* before a client has authenticated, too */
    WEFT_REDIS_NO_MULTI = 1 << 7, /* refused between MULTI and EXEC */
    WEFT_REDIS_SUBSCRIBED = 1 << 8 /* while a client of version 2 subscribes, too */
};

/* One line of a command table. The table ends with a line of zeros and outlives the server. */
typedef struct weft_redis_command {
    const char *name;            /* in either case */
    weft_redis_handler *handler; /* NULL in the last line alone */
    int arity;                   /* of arguments, its name among them: exactly n; -n: at least n.
                                    0: any */
    uint32_t flags;              /* enum weft_redis_flags */
    int first_key;               /* which argument; 0: it has no keys */
    int last_key;                /* negative: counted from the end, -1 is the last argument */
    int key_step;                /* from one key to the next; 0: 1 */
    const char *group;           /* for COMMAND DOCS: "string", …; NULL: "generic" */
    const char *summary;         /* one line; NULL: none */
} weft_redis_command;

/* One parameter of CONFIG. A list of them ends with a line of NULLs. */
typedef struct weft_redis_parameter {
    const char *name;
    /* Print the value, at most `size` bytes and a NUL. */
    void (*get)(void *app, char *text, size_t size);
    /* Change it. NULL: it cannot be changed. Negative: it is refused, and stays. */
    int (*set)(void *app, const char *text);
} weft_redis_parameter;

/* Whether a name and a password are good: 0, or negative. May suspend. `user` is "default" where
 * the client names nobody. */
typedef int weft_redis_authenticate_fn(const char *user, const char *password, void *app);

/* Append lines to a section of INFO: "keyspace", "memory", … Each ends with "\r\n". */
typedef void weft_redis_info_fn(const char *section, weft_buffer *text, void *app);

/* Whether a key has anything that a client may wait for: asked before each of several clients that
 * wait for it is tried anew. */
typedef bool weft_redis_has_key_fn(weft_slice key, void *app);

/* The server is about to serve: for whoever has to tell it something without a request. */
typedef void weft_redis_started_fn(weft_redis_server *server, void *app);

/* SHUTDOWN was asked for, with its words ("nosave", …), or none. Negative: it is refused. */
typedef int weft_redis_shutdown_fn(weft_redis_request *request, void *app);

/* Options of weft_redis_serve() and weft_redis_serve_on(). A size of SIZE_MAX, a time of
 * WEFT_FOREVER: no limit. */
typedef struct weft_redis_serve_options {
    const weft_redis_command *commands;       /* the second argument */
    void *app;                                /* for the handlers */
    weft_redis_authenticate_fn *authenticate; /* NULL: nobody has to */
    weft_redis_info_fn *info;                 /* NULL: INFO says what the server knows */
    weft_redis_has_key_fn *has_key;           /* NULL: it may */
    weft_redis_shutdown_fn *shutdown;         /* NULL: SHUTDOWN ends the server */
    weft_redis_started_fn *started;           /* NULL: nobody is told */
    const weft_redis_parameter *parameters;   /* NULL: CONFIG has the server's own */
    const char *name;                         /* for HELLO and INFO; NULL: "weft" */
    const char *version;    /* likewise: by it clients decide what they may ask for. NULL:
                               "7.2.0" */
    size_t max_clients;     /* at one time; one more is told so and closed. 0: 10,000 */
    int64_t drain;          /* for commands in flight after a cancel or SHUTDOWN; 0: 10 s,
                               negative: none */
    int64_t idle_timeout;   /* of a client that says nothing, neither waits for a key nor
                               subscribes; 0: no limit */
    int64_t send_timeout;   /* of a client that reads nothing while it is to be sent more than
                               64 KiB; 0: 60 s */
    size_t query_max;       /* bytes of a command; 0: 1 GiB, which is also the most */
    size_t string_max;      /* bytes of one argument; 0: 512 MiB */
    size_t argument_max;    /* of a command; 0: 1,048,576 */
    size_t transaction_max; /* bytes of commands between MULTI and EXEC; 0: 1 GiB */
    size_t output_max;      /* bytes of replies that a client has not read: then it is closed;
                               0: 1 GiB, which is also the most */
    size_t push_max;        /* the same for one that subscribes or monitors; 0: 32 MiB */
    size_t push_soft;       /* more than these for as long as .push_soft_time: closed, too;
                               0: 8 MiB */
    int64_t push_soft_time; /* 0: 60 s */
    size_t total_max;       /* bytes that all clients hold together: the one that holds most is
                               closed; 0: 4 GiB */
    int64_t slow_threshold; /* what takes longer goes to SLOWLOG; 0: 10 ms, negative: nothing */
    uint32_t slow_max;      /* entries of SLOWLOG; 0: 128 */
    uint32_t stack_size;    /* of the clients' tasks; 0: the default */
    const char *site;       /* set by the macro */
    size_t size;            /* set by the macro */
} weft_redis_serve_options;

/** Serve on an address until cancelled.
 *
 * Commands may be pipelined; their replies are one send a turn. A client that is not served holds
 * no stack and no buffer, also while it waits for a key, subscribes, or monitors. When the serving
 * task is cancelled, or after SHUTDOWN, clients that are not served are closed and the others have
 * `.drain` to finish.
 *
 * Returns: 0 after SHUTDOWN, or weft_listener_stop() and the last client.
 * Errors: as weft_listen(); -EINVAL for a command table that cannot be served (the application log
 *   names the line); -ENOMEM; -ECANCELED after a cancel, when all clients are gone.
 * Suspends: always.
 * Cancel: drains as above; no client is left behind.
 * Ownership: borrows commands, parameters and `.app`.
 * Threads: the loop's own. Loops that share an address have servers of their own, with clients,
 *   channels and keys of their own. */
WEFT_API
WEFT_SUSPENDS
int weft_redis_serve_with(const char *address, const struct weft_redis_serve_options *options);

/** Serve on a listener: as weft_redis_serve(), but the port is known before. It should have been
 * made by weft_redis_listen(), or with an `.input_max` of a whole command and a `.high_mark` of all
 * that a client may be sent.
 *
 * Returns: as weft_redis_serve().
 * Errors: as weft_redis_serve().
 * Suspends: always.
 * Cancel: as weft_redis_serve().
 * Ownership: borrows the listener too, which is stopped by a cancel.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_redis_serve_on_with(weft_listener *listener,
                             const struct weft_redis_serve_options *options);

/** Take an address for weft_redis_serve_on(), with limits of the default options.
 *
 * Returns: 0, and the listener in *listener.
 * Errors: as weft_listen().
 * Suspends: as weft_listen().
 * Cancel: loses nothing.
 * Ownership: gives the listener, ended by weft_listener_close().
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_redis_listen(weft_listener **listener, const char *address);

/** End a server as SHUTDOWN does, without asking `.shutdown`.
 *
 * Returns: nothing; weft_redis_serve() returns 0 when the last client is gone.
 * Errors: none.
 * Suspends: never.
 * Cancel: clients have the server's `.drain`.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
void weft_redis_stop(weft_redis_server *server);

/* --- replies --- */

/** Reply with a status: "OK", or another word or line.
 *
 * Returns: 0.
 * Errors: -ENOMEM, or WEFT_ELIMIT above `.output_max`: the client is closed behind this command.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the text, a line without its end.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_status(weft_redis_request *request, const char *text);

/** Reply with an error: a code in capitals, a blank, and what is wrong, as printf() would.
 *
 *     return weft_redis_reply_error(request, "WRONGTYPE that is a %s", name);
 *
 * Returns: 0: the command was answered.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows its arguments. What breaks lines becomes a blank; 1 KiB at most is sent.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_error(weft_redis_request *request, const char *format, ...) WEFT_PRINTF(2, 3);

/** Reply with an integer.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_integer(weft_redis_request *request, int64_t value);

/** Reply with a string of `size` bytes.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the bytes.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_string(weft_redis_request *request, const void *data, size_t size);

/** Reply with a string, as printf() would; 1 KiB at most.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status(); -EINVAL when printf() refuses, -EMSGSIZE for more.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows its arguments.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_format(weft_redis_request *request, const char *format, ...) WEFT_PRINTF(2, 3);

/** Reply with text for people: version 3 is told that it is one.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the bytes.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_verbatim(weft_redis_request *request, const void *data, size_t size);

/** Reply with nothing, where a string would be.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_null(weft_redis_request *request);

/** Reply with nothing, where an array would be: version 2 has two kinds of it.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_null_array(weft_redis_request *request);

/** Reply with true or false, in version 2 with 1 or 0.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_boolean(weft_redis_request *request, bool value);

/** Reply with a double, in version 2 with its text: the shortest that reads as the same number.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_double(weft_redis_request *request, double value);

/** Begin an array: the next `count` replies are in it.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_array(weft_redis_request *request, size_t count);

/** Begin a map of `count` pairs: twice as many replies are in it. In version 2 an array.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_map(weft_redis_request *request, size_t count);

/** Begin a set. In version 2 an array.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_set(weft_redis_request *request, size_t count);

/** Begin an attribute of `count` pairs, which says something of the reply behind it. Version 2 has
 * none: there nothing is written, and the pairs are left out too.
 *
 * Returns: 1 where the pairs are to be written, 0 where not.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_attribute(weft_redis_request *request, size_t count);

/** What to count: weft_redis_reply_deferred() needs to know where the replies began. */
typedef size_t weft_redis_mark;

/** Begin an array, a map or a set whose count is not known yet.
 *
 *     weft_redis_mark mark = weft_redis_reply_defer(request);
 *     for (size_t n = 0; …; n++)
 *         weft_redis_reply_string(request, …);
 *     return weft_redis_reply_array_deferred(request, mark, n);
 *
 * Returns: the place.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
weft_redis_mark weft_redis_reply_defer(weft_redis_request *request);

/** Say how many replies have been written since weft_redis_reply_defer(), as an array. What was
 * written is moved once.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_array_deferred(weft_redis_request *request, weft_redis_mark mark,
                                    size_t count);

/** The same as a map, of `count` pairs.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_map_deferred(weft_redis_request *request, weft_redis_mark mark, size_t count);

/** The same as a set.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_set_deferred(weft_redis_request *request, weft_redis_mark mark, size_t count);

/** Say how many replies have been written since weft_redis_reply_defer(), as what a scan answers:
 * an array of a cursor and an array of them.
 *
 * Returns: 0.
 * Errors: as weft_redis_reply_status().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_reply_scan_deferred(weft_redis_request *request, weft_redis_mark mark,
                                   uint64_t cursor, size_t count);

/* --- keys --- */

/** Say that a key has changed, was made, deleted, or has expired: transactions that watch it will
 * not execute, and who waits for it is tried anew when the command that runs is done. Costs next to
 * nothing while nobody watches or waits.
 *
 * Returns: nothing.
 * Errors: none. Without memory to note it, everybody who watches or waits is taken to be meant.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the key.
 * Threads: the loop's own. */
WEFT_API
void weft_redis_touch(weft_redis_server *server, weft_slice key);

/** Say that all keys have changed.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
void weft_redis_touch_all(weft_redis_server *server);

/** Let the client wait until one of `keys` is touched: what a handler does that has nothing to
 * answer yet. It returns without a reply, and is called again, with `request->again`, when the
 * command that touched a key is done; then it answers, or calls this once more and keeps its place.
 * Clients that wait for the same key are tried in the order in which they came. A client that waits
 * holds no stack.
 *
 *     if (!take_job(app, request->args[1], &job))
 *         return weft_redis_block(request, &request->args[1], 1, timeout, no_job);
 *
 * Between MULTI and EXEC nobody waits: `timed_out` is called at once.
 *
 * Returns: 0, for the handler to return.
 * Errors: -ENOMEM; -EPERM for a command without WEFT_REDIS_BLOCKS.
 * Suspends: never.
 * Cancel: nothing to lose: a client that goes away is not called again.
 * Ownership: copies the keys, and the command's arguments.
 * Threads: the loop's own.
 *
 * `timeout` is in nanoseconds; 0 and WEFT_FOREVER: no limit. `timed_out` answers when it is over;
 * it may not suspend. */
WEFT_API
int weft_redis_block(weft_redis_request *request, const weft_slice *keys, size_t count,
                     int64_t timeout, weft_redis_handler *timed_out);

/* --- channels, clients, text --- */

/** Send a message to all who subscribe to a channel, or to a pattern that matches it.
 *
 * Returns: how many got it.
 * Errors: none. One that does not read is closed, by `.push_max`.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both texts.
 * Threads: the loop's own. */
WEFT_API
size_t weft_redis_publish(weft_redis_server *server, weft_slice channel, weft_slice message);

/** When the command before this one was done, or the client's bytes were looked at: weft_now() for
 * those who need not know better, without asking the clock.
 *
 * Returns: a point in time as weft_now() tells them.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
int64_t weft_redis_now(const weft_redis_request *request);

/** The number of the client, which no other client of the server has or had.
 *
 * Returns: the number, above 0.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
uint64_t weft_redis_client_id(const weft_redis_request *request);

/** Let a client carry a pointer of yours, in place of the last one, which is dropped.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: keeps `data`; `drop` (NULL: nothing is to be done) gets it when the client is gone.
 * Threads: the loop's own. */
WEFT_API
void weft_redis_client_set_data(weft_redis_request *request, void *data, weft_drop_fn *drop);

/** The pointer that a client carries.
 *
 * Returns: the last one that was set; NULL when none was.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
void *weft_redis_client_data(const weft_redis_request *request);

/** Whether a text matches a pattern of Redis's kind.
 *
 * "*" is any bytes, "?" one, "[a-z]" and "[^a]" one of these, "\\" what follows it as it is. Takes
 * time with the product of their lengths at most.
 *
 * Returns: whether it does.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: any. */
WEFT_API
bool weft_redis_match(weft_slice pattern, weft_slice text);

/** Whether two words are the same, whatever their case.
 *
 * Returns: whether they are.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: any. */
static inline bool weft_redis_is(weft_slice word, const char *name)
{
    if (word.size != strlen(name))
        return false;
    /* Most words are told apart by their first letter. */
    return word.size == 0 ||
           (((word.data[0] ^ name[0]) & 0xdf) == 0 && strncasecmp(word.data, name, word.size) == 0);
}

WEFT_END_DECLS

#ifndef __cplusplus
#    define WEFT_REDIS_SERVE_OPTIONS_(...)                                                         \
        &(struct weft_redis_serve_options)                                                         \
        {                                                                                          \
            .commands = __VA_ARGS__, .site = WEFT_SITE,                                            \
            .size = sizeof(struct weft_redis_serve_options)                                        \
        }
#    define weft_redis_serve(address, ...)                                                         \
        weft_redis_serve_with((address), WEFT_REDIS_SERVE_OPTIONS_(__VA_ARGS__))
#    define weft_redis_serve_on(listener, ...)                                                     \
        weft_redis_serve_on_with((listener), WEFT_REDIS_SERVE_OPTIONS_(__VA_ARGS__))
#else
static inline int weft_redis_serve(const char *address, const weft_redis_command *commands,
                                   weft_redis_serve_options options = {})
{
    options.commands = commands;
    options.size = sizeof options;
    return weft_redis_serve_with(address, &options);
}

static inline int weft_redis_serve_on(weft_listener *listener, const weft_redis_command *commands,
                                      weft_redis_serve_options options = {})
{
    options.commands = commands;
    options.size = sizeof options;
    return weft_redis_serve_on_with(listener, &options);
}
#endif

#endif
