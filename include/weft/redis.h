#ifndef WEFT_REDIS_H
#define WEFT_REDIS_H

/* A client of Redis, and of whatever else speaks its protocol (RESP, versions 2 and 3). Link with
 * weft-redis.
 *
 *     weft_redis *redis;
 *     const weft_redis_value *value;
 *     int err = weft_redis_open(&redis, "redis://localhost:6379/0");
 *     if (err == 0)
 *         err = weft_redis_ask(redis, arena, &value, "INCR page:%d:seen", page);
 *     if (err == 0)
 *         printf("%lld\n", (long long)value->integer);
 *     weft_redis_close(redis);
 *
 * Any number of tasks use one client. What they ask in the same turn of the loop goes to the server
 * in one write, over one connection, and whoever asked waits alone for its own answer: nobody has
 * to collect commands. Deadlines and cancels are the scope's. Whoever gives up leaves its place in
 * the line of answers to nobody; the answer is read and dropped, and the others' go where they
 * belong.
 *
 * When the connection breaks, the client makes a new one by itself, with growing pauses. What was
 * not sent yet goes there. What was sent may have been executed or not: that is WEFT_EINDOUBT,
 * except for commands that only read, and calls that say `.idempotent`: those are sent again.
 *
 * Commands that block at the server, and transactions that watch keys, and subscriptions, have
 * connections of their own while they last. */

#include <stdarg.h>
#include <string.h>

#include <weft/arena.h>
#include <weft/buffer.h>
#include <weft/define.h>
#include <weft/task.h>

WEFT_BEGIN_DECLS

/* A client of one server. */
typedef struct weft_redis weft_redis;

/* --- values --- */

/* What a value is. */
enum weft_redis_kind {
    WEFT_REDIS_NULL,
    WEFT_REDIS_STATUS, /* a short word: "OK" */
    WEFT_REDIS_ERROR,  /* the server's, whose first word is its code */
    WEFT_REDIS_STRING,
    WEFT_REDIS_INTEGER,
    WEFT_REDIS_BOOLEAN,
    WEFT_REDIS_DOUBLE,
    WEFT_REDIS_BIG_NUMBER, /* as text */
    WEFT_REDIS_ARRAY,
    WEFT_REDIS_MAP, /* pairs: a key, its value, the next key, … */
    WEFT_REDIS_SET,
    WEFT_REDIS_PUSH,
};

/* A value, and what is in it. Version 2 of the protocol has neither booleans nor doubles, maps and
 * sets: there they are integers, strings and arrays. */
typedef struct weft_redis_value {
    enum weft_redis_kind kind;
    size_t count;                            /* elements; of a map twice its pairs */
    const struct weft_redis_value *elements; /* one after the other */
    const char *text; /* what is text, with a NUL behind it that is not counted; else "" */
    size_t size;      /* its bytes */
    int64_t integer;  /* INTEGER; BOOLEAN: 0, 1 */
    double number;    /* DOUBLE */
    const struct weft_redis_value *attributes; /* a map that says something about it; NULL: none */
} weft_redis_value;

/** An element of an array, a set, a push or a map, by its place.
 *
 * Returns: the element; NULL where there is none, and for NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the value's.
 * Threads: any. */
WEFT_API
const weft_redis_value *weft_redis_value_at(const weft_redis_value *value, size_t index);

/** The value of a key, in a map or in an array that has the same as pairs (version 2).
 *
 *     const weft_redis_value *mode = weft_redis_value_find(config, "maxmemory-policy");
 *
 * Returns: the value; NULL when no key is this text, and for NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the value's; borrows `key`.
 * Threads: any. */
WEFT_API
const weft_redis_value *weft_redis_value_find(const weft_redis_value *value, const char *key);

/* A text as an argument. */
static inline weft_slice weft_redis_text(const char *text)
{
    weft_slice slice = { text, strlen(text) };
    return slice;
}

/* --- the client --- */

/* What a call does while there is no connection. */
enum weft_redis_offline {
    WEFT_REDIS_OFFLINE_WAIT, /* it waits for the next one, as long as its scope lets it */
    WEFT_REDIS_OFFLINE_FAIL, /* it fails with the error of the last attempt */
};

/* Options of weft_redis_open(). */
struct weft_redis_options {
    const char *address;     /* the second argument */
    const char *user;        /* NULL: the address's, else "default" */
    const char *password;    /* NULL: the address's, else the client does not authenticate */
    const char *name;        /* of its connections, for CLIENT LIST; NULL: none */
    int64_t connect_timeout; /* with the greeting; 0: 5 s */
    int64_t backoff_least;   /* before the second attempt, at most; 0: 10 ms */
    int64_t backoff_most;    /* before each further one, at most; 0: 2 s */
    uint32_t database;       /* 0: the address's, else 0 */
    uint32_t connections;    /* that all calls share; 0: 1, at most 256 */
    uint32_t blocking_connections_max; /* of one user at a time: subscriptions, transactions that
                                          watch, commands that block; more wait in line. 0: 16 */
    uint32_t in_flight_max;            /* sent and not answered, on each connection; further ones
                                          wait in line. 0: 16,384 */
    uint32_t orphans_max;              /* of them given up by their callers while the server was
                                          silent: then the connection is closed. 0: 1,024 */
    uint32_t reply_max;                /* bytes of an answer, at most 1 GiB; 0: 64 MiB */
    uint8_t protocol;                  /* 2 or 3; 0: 3, and 2 where the server does not know it */
    uint8_t offline;                   /* enum weft_redis_offline */
    uint64_t seed;                     /* of the pauses between attempts; 0: by chance */
    const char *site;                  /* set by the macro */
    size_t size;                       /* set by the macro */
};

/* What a client has and has done. Later releases may add fields. */
struct weft_redis_stats {
    size_t connected;   /* connections that stand */
    size_t in_flight;   /* commands that were sent and are not answered, orphans among them */
    size_t waiting;     /* calls that are not sent yet */
    size_t orphans;     /* commands whose callers have given up */
    uint64_t connects;  /* attempts that succeeded */
    uint64_t failures;  /* attempts that did not */
    uint64_t losses;    /* connections that broke */
    uint64_t repeated;  /* commands that were sent again */
    uint64_t in_doubt;  /* calls that ended with WEFT_EINDOUBT */
    uint64_t unhandled; /* pushes that nobody had asked for, and were dropped */
};
typedef struct weft_redis_stats weft_redis_stats;

/** Make a client of the server at `address`: "redis://user:password@host:port/database", of which
 * only the host is needed, "host:port", "unix:/path", "mem:name".
 *
 *     weft_redis_open(&redis, "unix:/run/redis.sock", .database = 3, .connections = 2);
 *
 * No connection is made before the first call. User, password and the database's number may be
 * escaped by %xx in a redis: address; options go before the address.
 *
 * Returns: 0, and the client in *redis.
 * Errors: -EINVAL for an address or an option that cannot be; -EPROTONOSUPPORT for rediss:, TLS;
 *   -ENOMEM; -EPERM without a loop.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: gives the client, ended by weft_redis_close() before its loop ends. Copies the texts.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_open_with(weft_redis **redis, const struct weft_redis_options *options);

/** End a client: its connections are closed.
 *
 * Calls that wait fail with -ESHUTDOWN, calls in flight with WEFT_EINDOUBT; so do subscriptions,
 * transactions and scans of it, which are to be ended all the same.
 *
 * Returns: nothing.
 * Errors: none. NULL is allowed.
 * Suspends: never.
 * Cancel: nothing is cancelled.
 * Ownership: takes the client.
 * Threads: the loop's own. */
WEFT_API
void weft_redis_close(weft_redis *redis);

/** What a client has and has done.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the client.
 * Threads: the loop's own. */
WEFT_API
void weft_redis_get_stats(const weft_redis *redis, weft_redis_stats *stats);

/* --- calls --- */

/* One command: what goes in and what comes out.
 *
 *     weft_slice args[] = { weft_redis_text("SET"), weft_redis_text(key), { data, size } };
 *     weft_redis_call set = { .redis = redis, .arena = arena, .args = args, .count = 3 };
 *     int err = weft_redis_send(&set); */
typedef struct weft_redis_call {
    /* in; zero is the default, `redis` and `args` are required */
    weft_redis *redis;
    weft_arena *arena;      /* memory for what comes out; NULL: no value comes out */
    const weft_slice *args; /* the command's name, and its arguments */
    size_t count;
    bool idempotent; /* twice is as good as once: it may be sent again */

    /* out */
    const weft_redis_value *value; /* NULL when no answer came; the server's error, too */
    const char *detail;            /* what went wrong, in words; never NULL afterwards */

    /* the library's own; zero before the call */
    uint64_t spare[4];
} weft_redis_call;

/** Send a command and wait for its answer. A weft_fn over weft_redis_call: the same name works in
 * place and spawned.
 *
 *     weft_spawn(&both, weft_redis_send, &set);
 *
 * Commands that would change what the connection is for others are refused: SELECT, AUTH, HELLO,
 * MULTI and EXEC (weft_redis_transaction_begin() is for that), SUBSCRIBE and its kin
 * (weft_redis_subscribe()), MONITOR, QUIT, RESET, CLIENT REPLY. Commands that block at the server
 * (BLPOP, BLMOVE, BZPOPMIN, XREAD with BLOCK, WAIT, …) have a connection to themselves; when
 * `.blocking_connections_max` are taken they wait in line for one. WAIT counts what its own
 * connection has written, so it means something in weft_redis_transaction_ask() alone. There is no
 * timeout but the scope's.
 *
 * Returns: 0, and the answer in call->value.
 * Errors: WEFT_EREPLY when the server answered with an error, whose text is the detail.
 *   It may have been executed: WEFT_EINDOUBT when the connection broke after it was sent;
 *   WEFT_EPROTOCOL and WEFT_ELIMIT for an answer that is none, or above `.reply_max`; -ENOMEM, also
 *   the arena's limit; -ECANCELED.
 *   It was not: -EINVAL for a call without a command, and for a refused one; -EACCES when the
 *   server does not let the client in; with WEFT_REDIS_OFFLINE_FAIL the error of the last attempt
 *   to connect, else such as will not go away (-EINVAL, -ENOTSUP); -ESHUTDOWN when the client is
 *   closed; -EPERM outside a task; WEFT_ETHREAD in another loop.
 * Suspends: always.
 * Cancel: before the command is sent nothing has happened. Afterwards it may be executed, and its
 *   answer is dropped; one that blocks is taken back by closing its connection.
 * Ownership: borrows the call and what it points to until the return; results are the arena's.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_redis_send(void *call);

/** Send a command that is written like a line of printf.
 *
 *     err = weft_redis_ask(redis, arena, &value, "SET user:%d %b EX %d", id, data, size, 60);
 *
 * Blanks in the format divide the arguments; what a conversion yields never does, whatever bytes
 * are in it, so nothing can be injected. Conversions: %s, %b (a pointer and a size_t: bytes), %c,
 * %d, %i, %u, each also with l, ll, z and j (%lld, %zu), %f and %g with the fewest digits that mean
 * the same number, %%.
 *
 * Returns: 0, and the answer in *value where `value` is not NULL.
 * Errors: as weft_redis_send(); -EINVAL for another conversion, and for a NULL in the place of a
 *   text. After WEFT_EREPLY *value is the server's error; after any other it is NULL.
 * Suspends: as weft_redis_send().
 * Cancel: as weft_redis_send().
 * Ownership: as weft_redis_send(). `arena` may not be NULL: the arguments are written there.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_redis_ask(weft_redis *redis, weft_arena *arena, const weft_redis_value **value,
                   const char *format, ...);

/** weft_redis_ask() with a va_list.
 *
 * Returns: as weft_redis_ask().
 * Errors: as weft_redis_ask().
 * Suspends: as weft_redis_send().
 * Cancel: as weft_redis_send().
 * Ownership: as weft_redis_ask().
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_redis_ask_list(weft_redis *redis, weft_arena *arena, const weft_redis_value **value,
                        const char *format, va_list list);

/* --- transactions --- */

/* Commands that are executed together. */
typedef struct weft_redis_transaction weft_redis_transaction;

/* Options of weft_redis_transaction_begin(). */
struct weft_redis_transaction_options {
    weft_redis *redis;       /* the second argument */
    weft_arena *arena;       /* the third: memory for all that it needs and answers */
    const weft_slice *watch; /* keys that nobody else may change until it is executed */
    size_t watch_count;
    const char *site; /* set by the macro */
    size_t size;      /* set by the macro */
};

/** Begin a transaction, and watch keys where there are any.
 *
 *     weft_redis_transaction *t = NULL;
 *     weft_slice key = weft_redis_text("stock");
 *     do {
 *         err = weft_redis_transaction_begin(&t, redis, arena, .watch = &key, .watch_count = 1);
 *         if (err == 0)
 *             err = weft_redis_transaction_ask(t, &value, "GET stock");
 *         if (err == 0)
 *             err = weft_redis_transaction_add(t, "SET stock %d", atoi(value->text) - 1);
 *         if (err == 0)
 *             err = weft_redis_transaction_execute(t, &value);
 *         weft_redis_transaction_end(t);
 *         t = NULL;
 *     } while (err == -EAGAIN);
 *
 * What is added is kept here and sent as one piece, MULTI to EXEC, by the execute: a transaction
 * that watches nothing goes over a connection that others use, and none is ever left in one.
 *
 * Returns: 0, and the transaction in *transaction.
 * Errors: as weft_redis_send(); -EINVAL without an arena.
 * Suspends: where it watches: until a connection of its own is there and the server has answered.
 * Cancel: nothing is watched then.
 * Ownership: gives the transaction, ended by weft_redis_transaction_end(); it lives in the arena
 *   and keeps `redis`. Borrows the keys during the call.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_redis_transaction_begin_with(weft_redis_transaction **transaction,
                                      const struct weft_redis_transaction_options *options);

/** Send a command at once, and wait for its answer: to look at what is watched.
 *
 * Returns: 0, and the answer in *value where `value` is not NULL.
 * Errors: as weft_redis_ask(); -EAGAIN when the connection that watched is gone: begin anew.
 * Suspends: always.
 * Cancel: as weft_redis_send(); where it watches, the connection is closed.
 * Ownership: results are the transaction's arena's.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_redis_transaction_ask(weft_redis_transaction *transaction, const weft_redis_value **value,
                               const char *format, ...);

/** Add a command, in the manner of weft_redis_ask().
 *
 * Returns: 0.
 * Errors: -EINVAL for a format that cannot be, and a command that has no place in a transaction;
 *   -EALREADY after the execute; -ENOMEM. What was added before stays.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: copies the arguments to the arena.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_transaction_add(weft_redis_transaction *transaction, const char *format, ...);

/** Add a command that is a list of arguments.
 *
 * Returns: as weft_redis_transaction_add().
 * Errors: as weft_redis_transaction_add().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: copies the arguments to the arena.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_transaction_add_args(weft_redis_transaction *transaction, const weft_slice *args,
                                    size_t count);

/** Execute what was added, all of it or nothing. A transaction can be executed once.
 *
 * Returns: 0, and an array of the answers in *value where `value` is not NULL. One of them may be
 *   an error: a server undoes nothing.
 * Errors: -EAGAIN when a watched key was changed, or the connection that watched is gone: nothing
 *   was executed, begin anew. WEFT_EREPLY when the server refused a command: nothing was executed,
 *   and the detail is about the first of them. WEFT_EINDOUBT and others as weft_redis_send();
 *   -EALREADY the second time.
 * Suspends: always, unless nothing was added.
 * Cancel: before it is sent nothing has happened; afterwards it is executed, or not, as a whole.
 * Ownership: results are the transaction's arena's.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_redis_transaction_execute(weft_redis_transaction *transaction,
                                   const weft_redis_value **value);

/** What went wrong last, in words.
 *
 * Returns: the text, never NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the arena's.
 * Threads: the loop's own. */
WEFT_API
const char *weft_redis_transaction_detail(const weft_redis_transaction *transaction);

/** End a transaction: one that was not executed is forgotten, and its keys are watched no more.
 *
 * Returns: nothing. NULL is allowed.
 * Errors: none.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: takes the transaction.
 * Threads: the loop's own. */
WEFT_API
void weft_redis_transaction_end(weft_redis_transaction *transaction);

/* --- subscriptions --- */

/* Messages of channels, on a connection of its own. */
typedef struct weft_redis_subscription weft_redis_subscription;

/* What is done with a message for which there is no room. */
enum weft_redis_full {
    WEFT_REDIS_FULL_WAIT,   /* nothing is read until there is; a server may lose patience */
    WEFT_REDIS_FULL_OLDEST, /* the oldest ones are dropped */
    WEFT_REDIS_FULL_NEWEST, /* it is dropped */
};

/* Options of weft_redis_subscribe(). */
struct weft_redis_subscribe_options {
    weft_redis *redis;           /* the second argument */
    const char *const *channels; /* ended by a NULL; NULL: none */
    const char *const *patterns; /* likewise */
    size_t queue_max;            /* bytes of messages that wait to be taken; 0: 1 MiB */
    uint8_t full;                /* enum weft_redis_full */
    const char *site;            /* set by the macro */
    size_t size;                 /* set by the macro */
};

/* One message. */
typedef struct weft_redis_message {
    const char *channel; /* NULL: the connection had broken and all was subscribed anew; what was
                            published meanwhile is lost. Else NUL-terminated, as all texts here */
    const char *pattern; /* that has let it through; NULL: the channel itself */
    const char *data;    /* with a NUL behind it */
    size_t size;         /* of the data, without the NUL */
    size_t channel_size;
    uint64_t dropped; /* messages for which there was no room, since the last one was taken */
} weft_redis_message;

/** Subscribe to channels and patterns.
 *
 *     const char *channels[] = { "news", NULL };
 *     weft_redis_subscription *news = NULL;
 *     err = weft_redis_subscribe(&news, redis, .channels = channels);
 *     while (err == 0 && (err = weft_redis_subscription_next(news, arena, &message)) == 0)
 *         tell(message.data, message.size);
 *     weft_redis_subscription_close(news);
 *
 * When its connection breaks it subscribes anew on the next one by itself, and says so in the place
 * between the messages where the gap is. Several losses with nothing between them are one gap,
 * until it is taken.
 *
 * Returns: 0 when the server has confirmed all, and the subscription in *subscription.
 * Errors: as weft_redis_send(); -EINVAL without a channel or pattern.
 * Suspends: always.
 * Cancel: nothing is subscribed then.
 * Ownership: gives the subscription, ended by weft_redis_subscription_close(); it keeps `redis`.
 *   Copies the names.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_redis_subscribe_with(weft_redis_subscription **subscription,
                              const struct weft_redis_subscribe_options *options);

/** Take the next message.
 *
 * Returns: 0, and the message in *message.
 * Errors: what ended the subscription, again and again, after the last message that had come:
 *   WEFT_EREPLY when the server does not take it any more, -EACCES when it does not let the client
 *   in, WEFT_EPROTOCOL, -ESHUTDOWN after weft_redis_close(). -EBUSY while another task waits here;
 *   -ENOMEM, also the arena's limit: the message stays; -ECANCELED; -EPERM outside a task.
 * Suspends: until there is one.
 * Cancel: loses nothing.
 * Ownership: the message is the arena's.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_redis_subscription_next(weft_redis_subscription *subscription, weft_arena *arena,
                                 weft_redis_message *message);

/** End a subscription: its connection is closed.
 *
 * Returns: nothing. NULL is allowed.
 * Errors: none.
 * Suspends: never. Nobody may be waiting for a message.
 * Cancel: never delivered here.
 * Ownership: takes the subscription; messages that were not taken are gone.
 * Threads: the loop's own. */
WEFT_API
void weft_redis_subscription_close(weft_redis_subscription *subscription);

/* --- scans --- */

/* A walk over keys, or over what is in one. */
typedef struct weft_redis_scan weft_redis_scan;

/* Options of weft_redis_scan_open(). */
struct weft_redis_scan_options {
    weft_redis *redis;   /* the second argument */
    const char *command; /* "SCAN", "HSCAN", "SSCAN", "ZSCAN"; NULL: "SCAN" */
    weft_slice key;      /* of all but SCAN */
    const char *match;   /* NULL: everything */
    const char *type;    /* of SCAN; NULL: every one */
    uint32_t count;      /* a hint, how much the server looks at for one answer; 0: its own */
    size_t page_max;     /* bytes of an answer in memory; 0: 16 MiB */
    const char *site;    /* set by the macro */
    size_t size;         /* set by the macro */
};

/* One item. */
typedef struct weft_redis_item {
    weft_slice name;  /* a key, a field or a member */
    weft_slice value; /* of HSCAN its value, of ZSCAN its score as text; else empty */
} weft_redis_item;

/** Begin a walk: over all keys, or over what is in one.
 *
 *     err = weft_redis_scan_open(&scan, redis, .match = "user:*");
 *     while (err == 0 && (n = weft_redis_scan_next(scan, &item)) > 0)
 *         use(item.name);
 *     weft_redis_scan_close(scan);
 *
 * As the server promises: what is there all the time comes at least once, perhaps more often.
 *
 * Returns: 0, and the walk in *scan. Nothing was asked yet.
 * Errors: -EINVAL for another command, or without the key; -ENOMEM.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: gives the walk, ended by weft_redis_scan_close(); it keeps `redis`. Copies the texts.
 * Threads: the loop's own. */
WEFT_API
int weft_redis_scan_open_with(weft_redis_scan **scan,
                              const struct weft_redis_scan_options *options);

/** Take the next item.
 *
 * Returns: 1 with an item; 0 at the end, again and again.
 * Errors: as weft_redis_send(); WEFT_EPROTOCOL for an answer that is no page. The next call asks
 *   for the same page again.
 * Suspends: where it asks for the next page.
 * Cancel: loses nothing.
 * Ownership: the item is the walk's until the next call.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_redis_scan_next(weft_redis_scan *scan, weft_redis_item *item);

/** What went wrong last, in words.
 *
 * Returns: the text, never NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the walk's, until the next call.
 * Threads: the loop's own. */
WEFT_API
const char *weft_redis_scan_detail(const weft_redis_scan *scan);

/** End a walk.
 *
 * Returns: nothing. NULL is allowed.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes the walk and its last item.
 * Threads: the loop's own. */
WEFT_API
void weft_redis_scan_close(weft_redis_scan *scan);

WEFT_END_DECLS

#ifndef __cplusplus
#    define weft_redis_open(redis, ...)                                                            \
        weft_redis_open_with(                                                                      \
            (redis), &(struct weft_redis_options){ .address = __VA_ARGS__,                         \
                                                   .site = WEFT_SITE,                              \
                                                   .size = sizeof(struct weft_redis_options) })
/* Called by name it takes a weft_redis_call * and nothing else; the bare name stays a weft_fn. */
#    define weft_redis_send(call) weft_redis_send(_Generic((call), weft_redis_call * : (call)))
/* weft_redis_transaction_begin(&transaction, redis, arena, .watch = …) */
#    define weft_redis_transaction_begin(transaction, client, ...)                                 \
        weft_redis_transaction_begin_with(                                                         \
            (transaction), &(struct weft_redis_transaction_options){                               \
                               .redis = (client),                                                  \
                               .arena = __VA_ARGS__,                                               \
                               .site = WEFT_SITE,                                                  \
                               .size = sizeof(struct weft_redis_transaction_options) })
/* weft_redis_subscribe(&subscription, redis, .channels = …) */
#    define weft_redis_subscribe(subscription, ...)                                                \
        weft_redis_subscribe_with((subscription),                                                  \
                                  &(struct weft_redis_subscribe_options){                          \
                                      .redis = __VA_ARGS__,                                        \
                                      .site = WEFT_SITE,                                           \
                                      .size = sizeof(struct weft_redis_subscribe_options) })
/* weft_redis_scan_open(&scan, redis, .match = …) */
#    define weft_redis_scan_open(scan, ...)                                                        \
        weft_redis_scan_open_with((scan), &(struct weft_redis_scan_options){                       \
                                              .redis = __VA_ARGS__,                                \
                                              .site = WEFT_SITE,                                   \
                                              .size = sizeof(struct weft_redis_scan_options) })
#else
static inline int weft_redis_open(weft_redis **redis, const char *address,
                                  weft_redis_options options = {})
{
    options.address = address;
    options.size = sizeof options;
    return weft_redis_open_with(redis, &options);
}

static inline int weft_redis_send(weft_redis_call *call)
{
    return weft_redis_send(static_cast<void *>(call));
}

template <class T> int weft_redis_send(T *call) = delete; /* it takes a weft_redis_call */

static inline int weft_redis_transaction_begin(weft_redis_transaction **transaction,
                                               weft_redis *redis, weft_arena *arena,
                                               weft_redis_transaction_options options = {})
{
    options.redis = redis;
    options.arena = arena;
    options.size = sizeof options;
    return weft_redis_transaction_begin_with(transaction, &options);
}

static inline int weft_redis_subscribe(weft_redis_subscription **subscription, weft_redis *redis,
                                       weft_redis_subscribe_options options = {})
{
    options.redis = redis;
    options.size = sizeof options;
    return weft_redis_subscribe_with(subscription, &options);
}

static inline int weft_redis_scan_open(weft_redis_scan **scan, weft_redis *redis,
                                       weft_redis_scan_options options = {})
{
    options.redis = redis;
    options.size = sizeof options;
    return weft_redis_scan_open_with(scan, &options);
}
#endif

#endif
