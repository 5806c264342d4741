#ifndef STOREFRONT_CACHE_H
#define STOREFRONT_CACHE_H

/* What is dear to find out, kept in the store for a while; and found out once, however many ask.
 *
 *     the first who asks for a key     leads: looks in the store, and where nothing is there
 *                                      finds out and keeps it
 *     who asks meanwhile               waits for that, and asks neither the store nor anybody else
 *
 *     the leader  has it ─────────────────────> all have it
 *                 was cancelled ──────────────> the next one leads
 *                 has failed ─────────────────> the next one leads; fails that too, then all who
 *                                               waited for both have failed
 *
 * A failure is never kept: whoever comes afterwards begins anew. One failure may be the leader's
 * own (its time was over, its memory), so it is not taken for everybody's; two are, or a thousand
 * who wait would fail one after the other, each having asked. A store that cannot be had is a store
 * without the key.
 *
 * This is so for each loop: on several, each has a leader of its own. */

#include "store.h"

#define CACHE_KEY_MAX  48
#define CACHE_TEXT_MAX ((size_t)64 << 10) /* larger ones are not kept */
#define CACHE_WAYS_MAX 256                /* keys that are led; further ones are asked for alone */

/* Find out: 0, and a text in the arena; or negative. */
typedef int cache_fn(weft_arena *arena, void *arg, const char **text);

/* The text of `key`, at most `time_to_live` old, in the arena. 0, or what `find` returned last. */
WEFT_SUSPENDS
int cache_get(struct store *store, weft_arena *arena, const char *key, int64_t time_to_live,
              cache_fn *find, void *arg, const char **text);

#endif
