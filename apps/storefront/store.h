#ifndef STOREFRONT_STORE_H
#define STOREFRONT_STORE_H

/* What the shop remembers: a server of Redis's commands, and this loop's client of it.
 *
 *     stock:ID                    pieces of a product                             stock.c
 *     session:V, seen:V, cart:V   what a visitor looked at and bought; expire     session.c
 *     cache:KEY                   what was dear to find out; expires              cache.c
 *
 * Without --store the server is weft-kv inside the program, on the loop that starts it: at
 * mem:store, which the other loops of the run reach too, and on a port where services are reached
 * by TCP or are processes of their own. There is one of it, however many loops there are: stock is
 * one number, and one thread executes the commands of all. With --store it is any Redis.
 *
 * Each loop has one client for all its tasks: what they ask in a turn is one write. While the
 * server is away whoever asks is told at once, the client tries to reach it again by itself, and
 * nobody waits for a command longer than two thirds of what a page has: so it is the store that is
 * named, and not the service that asked it. */

#include "board.h"
#include "products.h"

#include <weft.h>
#include <weft/redis.h>

#define STORE_ADDRESS_MAX 256

struct store {
    char
        address[STORE_ADDRESS_MAX]; /* of the server; the embedded one's is whole when it listens */
    bool is_embedded;               /* … in this program */
    struct board *board;            /* where it is counted what is asked */
    int64_t session_time;           /* after which a visitor who does not come is forgotten */
    const struct products *products; /* what there is of each before anything was sold */
    weft_redis *redis;               /* the client; NULL: it is not open */
    weft_task *server;               /* the embedded server; NULL: not here, or killed */
    struct flight *flights;          /* cache.c: what is being found out */
    int flight_count;
    int64_t sessions_since; /* session.c: how many were begun since … */
    int sessions_begun;
};

/* Nothing is asked yet. Borrows the board and the products. */
void store_init(struct store *store, struct board *board, const struct products *products);
void store_fini(struct store *store);

/* Use a server elsewhere. False when the address is too long. Before store_start(). */
bool store_use(struct store *store, const char *address);

/* Let the embedded server listen on a port. Before store_start(). */
void store_use_tcp(struct store *store);

/* Another loop's or process's, of the same server. */
void store_copy(struct store *store, const struct store *from);

/* Begin, in the background: the server where it is embedded and `serves`, and the client, which
 * lives as long as the loop. 0, or negative with the reason logged. */
WEFT_SUSPENDS
int store_start(struct store *store, bool serves);

/* End the embedded server, and start it again at the same address: what was in it is gone. */
WEFT_SUSPENDS
void store_kill(struct store *store);
WEFT_SUSPENDS
int store_revive(struct store *store);

/* Whether the embedded server is there; it may have ended by itself. */
bool store_lives(const struct store *store);

/* weft_redis_ask(), within that time, and counted. */
WEFT_SUSPENDS
int store_ask(struct store *store, weft_arena *arena, const weft_redis_value **value,
              const char *format, ...);

/* Several commands with one purpose, within that time together: counted as one. */
typedef int store_fn(struct store *store, weft_arena *arena, void *arg);
WEFT_SUSPENDS
int store_do(struct store *store, weft_arena *arena, store_fn *fn, void *arg);

/* What is wrong with it, for people, after such an error. */
const char *store_trouble(int err);

#endif
