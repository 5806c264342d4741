#ifndef KV_KEYSPACE_H
#define KV_KEYSPACE_H

/* Keys and their entries: what commands work on.
 *
 *      key --> table --> entry --> value
 *                          \--- expiry: a heap of those that have a time
 *      what was deleted and is large --> remains, freed in slices
 *
 * Reading:   entry = keyspace_find(...); then hash_get, list_seek, ... on the entry.
 * Strings:   keyspace_set, keyspace_append, keyspace_open, ...: the entry may move.
 * Others:    keyspace_obtain(..., type, &entry), then hash_set, list_push, ..., and in the end
 *            keyspace_touch(keyspace, entry, event), which removes the key when nothing is left.
 *
 * Every change, whoever makes it, ends in one call of the hook: that is the seam for watched keys,
 * blocked clients, and whatever else has to know.
 *
 * An entry that was found is good until the next call that changes the keyspace or finds a key
 * (which may have expired). Keys and values that are given are copied; they must not be the store's
 * own bytes. Time is in milliseconds, and an argument: what has `when` <= now is not there any
 * more.
 *
 * Out of memory is -ENOMEM, and nothing has changed. Nothing stalls: growing, shrinking, expiring
 * and freeing are done in slices, by keyspace_work and keyspace_expire_some; a key deleted is gone
 * at once, its memory soon. */

#include "entry.h"
#include "expiry.h"
#include "hash.h"
#include "list.h"
#include "set.h"
#include "table.h"
#include "text.h"
#include "zset.h"

enum keyspace_event {
    KEYSPACE_SET,     /* a new value, of whatever type */
    KEYSPACE_CHANGED, /* a part of it */
    KEYSPACE_TIMED,   /* its expiry, or that it has none now */
    KEYSPACE_DELETED,
    KEYSPACE_EXPIRED,
    KEYSPACE_FLUSHED, /* all keys are gone; the key is empty */
};

/* Called when the change is made; `entry` is NULL where there is none now. It must not change the
 * keyspace. */
typedef void keyspace_hook(void *arg, weft_slice key, struct entry *entry,
                           enum keyspace_event event);

/* For `when`: the key never expires; it expires as before. */
#define KEYSPACE_NEVER INT64_MAX
#define KEYSPACE_KEEP  INT64_MIN

struct keyspace {
    struct table table;
    struct expiry expiry;
    struct kv_limits limits; /* may be changed at any time, but for the seed */
    struct wf_random random;
    bool counts_uses; /* may be set: entries note how often they are used, and not when */
    keyspace_hook *hook;
    void *hook_arg;
    struct remains *remains, **remains_end; /* the first, and where the next one is put */
    uint64_t expired;                       /* keys, ever */
};

/* The seed among the limits makes hashes and picks unpredictable. The hook may be NULL. Allocates
 * nothing. The keyspace stays where it is. */
void keyspace_init(struct keyspace *keyspace, const struct kv_limits *limits, keyspace_hook *hook,
                   void *arg);

/* Frees all at once. The hook is not called. */
void keyspace_fini(struct keyspace *keyspace);

/* --- finding --- */

/* The key's entry, used at this time; NULL: there is none, or it has just expired. */
struct entry *keyspace_find(struct keyspace *keyspace, weft_slice key, int64_t now);

/* In two or three steps, for keys that are known before they are looked at: hash, and have the
 * bucket fetched; have the entry fetched; find. Sixteen keys at a time take half the time. */
uint64_t keyspace_prefetch(struct keyspace *keyspace, weft_slice key);
void keyspace_prefetch_entry(const struct keyspace *keyspace, uint64_t hash);
struct entry *keyspace_find_hashed(struct keyspace *keyspace, weft_slice key, uint64_t hash,
                                   int64_t now);

/* The same without using it: for OBJECT, TTL, EXISTS and the like. */
struct entry *keyspace_peek(struct keyspace *keyspace, weft_slice key, int64_t now);

/* 1: the entry; 0: there was none, here is an empty one, which keyspace_touch has to see before
 * anything else, also where nothing could be put in; -EINVAL: it is of another type; -ENOMEM. */
int keyspace_obtain(struct keyspace *keyspace, weft_slice key, enum entry_type type, int64_t now,
                    struct entry **entry);

/* Seconds since it was used, or how often (usage.h), of an entry that was peeked at: the first
 * where `counts_uses` is not set, the second where it is. */
uint32_t keyspace_idle(const struct entry *entry, int64_t now);
uint32_t keyspace_frequency(const struct entry *entry, int64_t now);

/* --- changing --- */

/* The value of this entry is another one. An empty collection goes, with KEYSPACE_DELETED. Returns
 * whether the key is still there. */
bool keyspace_touch(struct keyspace *keyspace, struct entry *entry, enum keyspace_event event);

/* Set a string; `when` is a time, KEYSPACE_NEVER or KEYSPACE_KEEP. What was there, of whatever
 * type, is replaced. A time that is not after now is the caller's to look for. 0, or -ENOMEM. */
int keyspace_set(struct keyspace *keyspace, weft_slice key, weft_slice value, int64_t when,
                 int64_t now);

/* Add to a string that is an integer, 0 where there is none, keeping its expiry. 0 and the sum;
 * -EINVAL (another type), -EDOM (no integer), -ERANGE (more than an int64_t holds), -ENOMEM. */
int keyspace_add(struct keyspace *keyspace, weft_slice key, int64_t by, int64_t now,
                 int64_t *value);

/* Add to a string, which is empty where there is none. 0 and the new size, -EINVAL, -ENOMEM. */
int keyspace_append(struct keyspace *keyspace, weft_slice key, weft_slice more, int64_t now,
                    size_t *size);

/* Make a string at least `size` bytes long (1 or more), zeros at its end, and give its bytes to be
 * written: bits and ranges. The hook has been called already. 0, -EINVAL, -ENOMEM. */
int keyspace_open(struct keyspace *keyspace, weft_slice key, size_t size, int64_t now, char **data);

/* Put a detached entry (entry_create, entry_copy) under its key, in the place of what is there. It
 * may move, and belongs to the keyspace then; -ENOMEM leaves it to the caller. */
int keyspace_put(struct keyspace *keyspace, struct entry **entry, int64_t when, int64_t now);

/* False: there was none. */
bool keyspace_delete(struct keyspace *keyspace, weft_slice key, int64_t now);

/* 0; -ENOENT: nothing is called `from`; -ENOMEM. What was called `to` is replaced. */
int keyspace_rename(struct keyspace *keyspace, weft_slice from, weft_slice to, int64_t now);

/* Change the time of an entry; it may have moved, so look again. 0, or -ENOMEM. */
int keyspace_expire(struct keyspace *keyspace, struct entry *entry, int64_t when);

/* When it expires, or KEYSPACE_NEVER. */
static inline int64_t keyspace_when(const struct entry *entry)
{
    return entry->expires ? entry_expiry((struct entry *)entry)->when : KEYSPACE_NEVER;
}

/* All keys. `slowly`: leave the memory to keyspace_work, where there is memory for that. */
void keyspace_flush(struct keyspace *keyspace, bool slowly);

/* Exchange the keys of two of them. No hook is called. */
void keyspace_swap(struct keyspace *a, struct keyspace *b);

/* --- all of them --- */

static inline uint64_t keyspace_count(const struct keyspace *keyspace)
{
    return table_count(&keyspace->table);
}

static inline uint64_t keyspace_count_expiring(const struct keyspace *keyspace)
{
    return keyspace->expiry.count;
}

/* As table_scan: `entry`s that may have expired are among them. */
uint64_t keyspace_scan(struct keyspace *keyspace, uint64_t cursor, table_visit *visit, void *arg);

/* Any key that has not expired; NULL: there is none, or a hundred in a row had. */
struct entry *keyspace_random(struct keyspace *keyspace, int64_t now);

/* --- work in slices --- */

/* Delete up to so many keys whose time has come. Returns whether there are more. */
bool keyspace_expire_some(struct keyspace *keyspace, int64_t now, uint64_t steps);

/* When the next one comes; KEYSPACE_NEVER: none. */
int64_t keyspace_next_expiry(const struct keyspace *keyspace);

/* Free up to so many pieces of what is left of large values; or that, and then move so many
 * buckets. Returns whether there is more. */
bool keyspace_free_some(struct keyspace *keyspace, uint64_t steps);
bool keyspace_work(struct keyspace *keyspace, uint64_t steps);

#endif
