#include "cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILURES_MAX 2 /* of leaders that somebody has followed */

/* Somebody finds out, and others wait. It is gone with the last of them. */
struct flight {
    struct flight *next; /* of the store's, while there is a leader */
    weft_event landed;
    int users;  /* the leader, and who waits */
    int result; /* 0: the text is there */
    char *text; /* on the heap */
    char key[CACHE_KEY_MAX];
};

/* What is asked. */
struct wish {
    struct store *store;
    weft_arena *arena;
    const char *key;
    int64_t time_to_live;
    cache_fn *find;
    void *arg;
    const char **text;
};

static void count(_Atomic uint64_t *figure)
{
    atomic_fetch_add_explicit(figure, 1, memory_order_relaxed);
}

/* --- Flights. --- */

static struct flight *flight_find(const struct store *store, const char *key)
{
    struct flight *flight = store->flights;
    while (flight != NULL && strcmp(flight->key, key) != 0)
        flight = flight->next;
    return flight;
}

/* NULL: too many, or no memory; then one asks alone. */
static struct flight *flight_begin(struct store *store, const char *key)
{
    struct flight *flight = store->flight_count < CACHE_WAYS_MAX ? calloc(1, sizeof *flight) : NULL;
    if (flight == NULL)
        return NULL;
    weft_event_init(&flight->landed);
    flight->users = 1;
    snprintf(flight->key, sizeof flight->key, "%s", key);
    flight->next = store->flights;
    store->flights = flight;
    store->flight_count++;
    return flight;
}

static void flight_leave(struct flight *flight)
{
    if (--flight->users > 0)
        return;
    weft_event_fini(&flight->landed);
    free(flight->text);
    free(flight);
}

/* The leader is through: from now on whoever asks for the key leads anew. */
static void flight_land(struct store *store, struct flight *flight, int result, const char *text)
{
    struct flight **link = &store->flights;
    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
    store->flight_count--;
    if (result == 0 && flight->users > 1 && (flight->text = strdup(text)) == NULL)
        result = -ENOMEM;
    flight->result = result;
    weft_event_set(&flight->landed);
    flight_leave(flight);
}

/* --- Leading. --- */

/* 1: it is there; 0: it is not; negative: the store does not say. */
static int look(const struct wish *wish)
{
    const weft_redis_value *value;
    int err = store_ask(wish->store, wish->arena, &value, "GET cache:%s", wish->key);
    if (err < 0 || value->kind != WEFT_REDIS_STRING)
        return err < 0 ? err : 0;
    *wish->text = value->text;
    return 1;
}

/* What cannot be kept was found out all the same. A cancel is noticed where it counts next. Whoever
 * asks meanwhile leads, and finds it: his question goes to the store after this. */
static void keep(const struct wish *wish)
{
    if (strlen(*wish->text) <= CACHE_TEXT_MAX)
        store_ask(wish->store, wish->arena, NULL, "SET cache:%s %s PX %lld", wish->key, *wish->text,
                  (long long)(wish->time_to_live / WEFT_MILLISECOND));
}

/* A store that has just been waited for in vain is not asked to keep anything. */
static int lead(const struct wish *wish, bool *is_to_be_kept)
{
    struct store_figures *figures = &wish->store->board->store;
    int found = look(wish);
    if (found > 0) {
        count(&figures->hits);
        return 0;
    }
    count(&figures->misses);
    int err = wish->find(wish->arena, wish->arg, wish->text);
    *is_to_be_kept = err == 0 && found == 0;
    return err;
}

/* --- Following. --- */

/* 0: it has landed, with *result; negative: who waits has to go. */
static int follow(struct flight *flight, const struct wish *wish, int *result)
{
    flight->users++;
    int err = weft_event_wait(&flight->landed);
    *result = flight->result;
    if (err == 0 && *result == 0) {
        *wish->text = weft_arena_format(wish->arena, "%s", flight->text);
        err = *wish->text != NULL ? 0 : -ENOMEM;
    }
    flight_leave(flight);
    return err;
}

/* Follow whoever leads, one after the other. 1: nobody does any more; else as cache_get(). */
static int follow_all(const struct wish *wish)
{
    struct flight *flight;
    int failures = 0;
    while ((flight = flight_find(wish->store, wish->key)) != NULL) {
        int result, err = follow(flight, wish, &result);
        if (err < 0)
            return err;
        if (result == 0)
            count(&wish->store->board->store.shared);
        failures += result != -ECANCELED;
        if (result == 0 || failures == FAILURES_MAX)
            return result;
    }
    return 1;
}

int cache_get(struct store *store, weft_arena *arena, const char *key, int64_t time_to_live,
              cache_fn *find, void *arg, const char **text)
{
    const struct wish wish = { store, arena, key, time_to_live, find, arg, text };
    int err = follow_all(&wish);
    if (err <= 0)
        return err;
    struct flight *flight = flight_begin(store, key);
    bool is_to_be_kept = false;
    err = lead(&wish, &is_to_be_kept);
    if (flight != NULL) /* a leader that has to go says nothing of what it was to find out */
        flight_land(store, flight, err < 0 && weft_cancelled() < 0 ? -ECANCELED : err, *text);
    if (is_to_be_kept) /* nobody waits for that but who has found out */
        keep(&wish);
    return err;
}
