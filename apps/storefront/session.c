#include "session.h"

#include "storefront.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define COOKIE "visitor="

/* --- The cookie. --- */

/* "a=b; visitor=0123…; c=d" */
const char *session_of(weft_http *http)
{
    const char *header = weft_http_header(http, "Cookie");
    while (header != NULL) {
        header += strspn(header, "; ");
        size_t size = strcspn(header, ";"), name = strlen(COOKIE);
        if (size == name + SESSION_ID_SIZE - 1 && memcmp(header, COOKIE, name) == 0 &&
            strspn(header + name, "0123456789abcdef") == SESSION_ID_SIZE - 1)
            return weft_arena_copy(http->arena, header + name, SESSION_ID_SIZE - 1);
        header = header[size] != '\0' ? header + size : NULL;
    }
    return NULL;
}

/* Without an age: how long it is good for is the store's to say, and grows with each visit. */
static int set_cookie(weft_http *http, const char *id)
{
    const char *text =
        weft_arena_format(http->arena, COOKIE "%s; Path=/; HttpOnly; SameSite=Lax", id);
    return text != NULL ? weft_http_add_header(http, "Set-Cookie", text) : -ENOMEM;
}

/* --- In the store. --- */

static long long time_ms(const struct store *store)
{
    return store->session_time / WEFT_MILLISECOND;
}

/* Something that happened, and to whom. */
struct visit {
    const char *id;
    int product;
    bool is_known; /* to the store */
};

static long long day_ms(void)
{
    struct timespec day;
    clock_gettime(CLOCK_REALTIME, &day);
    return (long long)day.tv_sec * 1000 + day.tv_nsec / 1000000;
}

static int end(weft_redis_transaction *transaction, int err, const weft_redis_value **value)
{
    if (err == 0)
        err = weft_redis_transaction_execute(transaction, value);
    weft_redis_transaction_end(transaction);
    return err;
}

/* All of a visitor's keys are to last equally long, whichever of them there are. */
static int note_visit(struct store *store, weft_arena *arena, void *arg)
{
    static const char *const names[] = { "session", "seen", "cart" };
    struct visit *visit = arg;
    const weft_redis_value *answers = NULL;
    weft_redis_transaction *t = NULL;
    int err = weft_redis_transaction_begin(&t, store->redis, arena);
    for (int i = 0; i < 3 && err == 0; i++)
        err = weft_redis_transaction_add(t, "PEXPIRE %s:%s %lld", names[i], visit->id,
                                         time_ms(store));
    err = end(t, err, &answers);
    visit->is_known = err == 0 && answers->elements[0].integer == 1;
    return err;
}

/* 1: the visitor is known, and stays so for a while; 0: he is not. */
static int prolong(struct store *store, weft_arena *arena, const char *id)
{
    struct visit visit = { .id = id };
    int err = store_do(store, arena, note_visit, &visit);
    return err < 0 ? err : visit.is_known;
}

static int note_seen(struct store *store, weft_arena *arena, void *arg)
{
    const struct visit *visit = arg;
    weft_redis_transaction *t = NULL;
    int err = weft_redis_transaction_begin(&t, store->redis, arena);
    if (err == 0)
        err = weft_redis_transaction_add(t, "ZADD seen:%s %lld %d", visit->id, day_ms(),
                                         visit->product);
    if (err == 0)
        err = weft_redis_transaction_add(t, "ZREMRANGEBYRANK seen:%s 0 %d", visit->id,
                                         -SESSION_SEEN_MAX - 1);
    if (err == 0)
        err = weft_redis_transaction_add(t, "PEXPIRE seen:%s %lld", visit->id, time_ms(store));
    return end(t, err, NULL);
}

static int note_bought(struct store *store, weft_arena *arena, void *arg)
{
    const struct visit *visit = arg;
    weft_redis_transaction *t = NULL;
    int err = weft_redis_transaction_begin(&t, store->redis, arena);
    if (err == 0)
        err = weft_redis_transaction_add(t, "SET session:%s 1 PX %lld", visit->id, time_ms(store));
    if (err == 0)
        err = weft_redis_transaction_add(t, "ZINCRBY cart:%s 1 %d", visit->id, visit->product);
    if (err == 0)
        err = weft_redis_transaction_add(t, "PEXPIRE cart:%s %lld", visit->id, time_ms(store));
    return end(t, err, NULL);
}

void session_saw(struct store *store, weft_http *http, const char *id, int product)
{
    struct visit visit = { .id = id, .product = product };
    if (prolong(store, http->arena, id) == 1)
        store_do(store, http->arena, note_seen, &visit);
}

/* Whether one more session may begin. */
static bool has_room(struct store *store)
{
    int64_t now = weft_now();
    if (store->sessions_begun == 0 || now - store->sessions_since > store->session_time) {
        store->sessions_since = now;
        store->sessions_begun = 0;
    }
    return store->sessions_begun++ < SESSIONS_MAX;
}

/* NULL also where the kernel has no chance to give yet: nothing that could be guessed will do. */
static const char *make_id(weft_arena *arena)
{
    unsigned long long chance[2];
    if (getrandom(chance, sizeof chance, GRND_NONBLOCK) != (ssize_t)sizeof chance)
        return NULL;
    return weft_arena_format(arena, "%016llx%016llx", chance[0], chance[1]);
}

int session_bought(struct store *store, weft_http *http, int product)
{
    struct visit visit = { .id = session_of(http), .product = product };
    int known = visit.id != NULL ? prolong(store, http->arena, visit.id) : 0;
    if (known < 0)
        return known;
    if (!known) {
        visit.id = has_room(store) ? make_id(http->arena) : NULL;
        if (visit.id == NULL)
            return -ENOMEM;
    }
    int err = store_do(store, http->arena, note_bought, &visit);
    return err < 0 || known ? err : set_cookie(http, visit.id);
}

/* --- GET /visitor --- */

/* "[7,12]", the newest first. */
static const char *seen_text(weft_arena *arena, const weft_redis_value *seen)
{
    const char *list = "";
    for (size_t i = 0; i < seen->count && list != NULL; i++)
        list = weft_arena_format(arena, "%s%s%d", list, i > 0 ? "," : "",
                                 read_number(seen->elements[i].text));
    return list;
}

/* A list of members, each with its score behind it. */
static const char *cart_text(weft_arena *arena, const weft_redis_value *cart)
{
    const char *list = "";
    for (size_t i = 0; i + 1 < cart->count && list != NULL; i += 2)
        list = weft_arena_format(arena, "%s%s{\"id\":%d,\"pieces\":%d}", list, i > 0 ? "," : "",
                                 read_number(cart->elements[i].text),
                                 read_number(cart->elements[i + 1].text));
    return list;
}

static int read_visit(struct store *store, weft_arena *arena, const char *id, const char **seen,
                      const char **cart)
{
    const weft_redis_value *value;
    int known = prolong(store, arena, id);
    if (known <= 0)
        return known;
    int err = store_ask(store, arena, &value, "ZREVRANGE seen:%s 0 -1", id);
    if (err < 0)
        return err;
    *seen = seen_text(arena, value);
    err = store_ask(store, arena, &value, "ZRANGE cart:%s 0 -1 WITHSCORES", id);
    if (err < 0)
        return err;
    *cart = cart_text(arena, value);
    return *seen != NULL && *cart != NULL ? 0 : -ENOMEM;
}

int gateway_visitor(weft_http *http, void *app)
{
    struct storefront *shop = app;
    const char *id = session_of(http), *seen = "", *cart = "";
    int err = id != NULL ? read_visit(&shop->store, http->arena, id, &seen, &cart) : 0;
    weft_http_set_header(http, "Cache-Control", "no-store");
    return err < 0 ? store_refuse(http, err)
                   : weft_http_json(http, 200, "{\"seen\":[%s],\"cart\":[%s]}\n", seen, cart);
}
