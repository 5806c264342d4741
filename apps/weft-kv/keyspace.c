/* Keys and their entries: see keyspace.h. */

#include "keyspace.h"

#include "base/compiler.h"
#include "memory.h"
#include "usage.h"

#include <errno.h>
#include <string.h>

#define RANDOM_TRIES 100

/* A table of entries that were flushed. */
struct flushed {
    struct remains remains;
    struct table table;
    struct remains *inner; /* of the entry that is being freed */
};

static weft_slice key_of(const void *entry)
{
    return entry_key(entry);
}

void keyspace_init(struct keyspace *keyspace, const struct kv_limits *limits, keyspace_hook *hook,
                   void *arg)
{
    *keyspace = (struct keyspace){ .limits = *limits, .hook = hook, .hook_arg = arg };
    table_init(&keyspace->table, key_of, limits->seed);
    wf_random_seed(&keyspace->random, limits->seed[0] ^ limits->seed[1]);
    keyspace->remains_end = &keyspace->remains;
}

static void free_entry(void *entry)
{
    entry_free(entry);
}

void keyspace_fini(struct keyspace *keyspace)
{
    while (keyspace_free_some(keyspace, UINT64_MAX))
        ;
    table_fini(&keyspace->table, free_entry);
    expiry_fini(&keyspace->expiry);
}

static void tell(struct keyspace *keyspace, weft_slice key, struct entry *entry,
                 enum keyspace_event event)
{
    if (keyspace->hook)
        keyspace->hook(keyspace->hook_arg, key, entry, event);
}

/* --- slices --- */

static void queue_remains(struct keyspace *keyspace, struct remains *remains)
{
    if (!remains)
        return;
    remains->next = NULL;
    *keyspace->remains_end = remains;
    keyspace->remains_end = &remains->next;
}

bool keyspace_free_some(struct keyspace *keyspace, uint64_t steps)
{
    while (keyspace->remains && steps > 0) {
        struct remains *next = keyspace->remains->next;
        if (!keyspace->remains->free_some(keyspace->remains, &steps))
            continue;
        keyspace->remains = next;
        if (!next)
            keyspace->remains_end = &keyspace->remains;
    }
    return keyspace->remains != NULL;
}

bool keyspace_work(struct keyspace *keyspace, uint64_t steps)
{
    bool more = keyspace_free_some(keyspace, steps);
    return table_rehash(&keyspace->table, steps) || more;
}

/* --- taking out --- */

/* The entry leaves table and heap; it is the caller's. */
static void detach(struct keyspace *keyspace, struct entry *entry, uint64_t hash)
{
    void **place = table_find_hashed(&keyspace->table, entry_key(entry), hash);
    wf_assert(place && *place == entry);
    table_remove_at(&keyspace->table, hash, place);
    if (entry->expires)
        expiry_remove(&keyspace->expiry, entry);
}

static void remove_entry(struct keyspace *keyspace, struct entry *entry, uint64_t hash,
                         enum keyspace_event event)
{
    detach(keyspace, entry, hash);
    tell(keyspace, entry_key(entry), NULL, event);
    queue_remains(keyspace, entry_bury(entry));
}

static uint64_t hash_of(const struct keyspace *keyspace, weft_slice key)
{
    return table_hash(&keyspace->table, key);
}

bool keyspace_expire_some(struct keyspace *keyspace, int64_t now, uint64_t steps)
{
    struct entry *entry;
    while ((entry = expiry_first(&keyspace->expiry)) && entry_expiry(entry)->when <= now) {
        if (steps-- == 0)
            return true;
        keyspace->expired++;
        remove_entry(keyspace, entry, hash_of(keyspace, entry_key(entry)), KEYSPACE_EXPIRED);
    }
    return false;
}

int64_t keyspace_next_expiry(const struct keyspace *keyspace)
{
    const struct entry *first = expiry_first(&keyspace->expiry);
    return first ? keyspace_when(first) : KEYSPACE_NEVER;
}

/* --- finding --- */

/* Where the key's entry stands; it is removed, and NULL returned, when its time has come. */
static void **find_place(struct keyspace *keyspace, weft_slice key, uint64_t hash, int64_t now)
{
    void **place = table_find_hashed(&keyspace->table, key, hash);
    if (!place)
        return NULL;
    struct entry *entry = *place;
    if (WF_LIKELY(keyspace_when(entry) > now))
        return place;
    keyspace->expired++;
    remove_entry(keyspace, entry, hash, KEYSPACE_EXPIRED);
    return NULL;
}

static void use(struct keyspace *keyspace, struct entry *entry, int64_t now)
{
    uint32_t access = keyspace->counts_uses ? usage_after(entry->access, now, &keyspace->random)
                                            : (uint32_t)(now / 1000);
    if (entry->access != access) /* else the line stays clean */
        entry->access = access;
}

uint64_t keyspace_prefetch(struct keyspace *keyspace, weft_slice key)
{
    uint64_t hash = hash_of(keyspace, key);
    table_prefetch(&keyspace->table, hash);
    return hash;
}

void keyspace_prefetch_entry(const struct keyspace *keyspace, uint64_t hash)
{
    table_prefetch_entry(&keyspace->table, hash);
}

struct entry *keyspace_find_hashed(struct keyspace *keyspace, weft_slice key, uint64_t hash,
                                   int64_t now)
{
    void **place = find_place(keyspace, key, hash, now);
    if (!place)
        return NULL;
    use(keyspace, *place, now);
    return *place;
}

struct entry *keyspace_find(struct keyspace *keyspace, weft_slice key, int64_t now)
{
    return keyspace_find_hashed(keyspace, key, hash_of(keyspace, key), now);
}

struct entry *keyspace_peek(struct keyspace *keyspace, weft_slice key, int64_t now)
{
    void **place = find_place(keyspace, key, hash_of(keyspace, key), now);
    return place ? *place : NULL;
}

uint32_t keyspace_idle(const struct entry *entry, int64_t now)
{
    return (uint32_t)(now / 1000) - entry->access;
}

uint32_t keyspace_frequency(const struct entry *entry, int64_t now)
{
    return usage_count(entry->access, now);
}

/* Without those whose time has come the next pick is as fair. */
struct entry *keyspace_random(struct keyspace *keyspace, int64_t now)
{
    for (int i = 0; i < RANDOM_TRIES; i++) {
        struct entry *entry = table_random(&keyspace->table, &keyspace->random);
        if (!entry || keyspace_when(entry) > now)
            return entry;
        keyspace->expired++;
        remove_entry(keyspace, entry, hash_of(keyspace, entry_key(entry)), KEYSPACE_EXPIRED);
    }
    return NULL;
}

uint64_t keyspace_scan(struct keyspace *keyspace, uint64_t cursor, table_visit *visit, void *arg)
{
    return table_scan(&keyspace->table, cursor, visit, arg);
}

/* --- putting in --- */

/* A detached entry that has the expiry it shall have. It goes to `place`, where there is one with
 * its key, which is buried, or into the table. */
static int put_entry(struct keyspace *keyspace, struct entry *entry, void **place, uint64_t hash,
                     int64_t when)
{
    if (entry->expires && expiry_reserve(&keyspace->expiry) < 0)
        return -ENOMEM;
    if (!place) {
        if (table_insert_hashed(&keyspace->table, entry, hash) < 0)
            return -ENOMEM;
    } else {
        struct entry *old = *place;
        *place = entry;
        if (old->expires)
            expiry_remove(&keyspace->expiry, old);
        queue_remains(keyspace, entry_bury(old));
    }
    if (entry->expires)
        expiry_add(&keyspace->expiry, entry, when);
    return 0;
}

/* The time that a new value shall have, under a key whose entry stands at `place`, or nowhere. */
static int64_t time_after(void **place, int64_t when)
{
    if (when != KEYSPACE_KEEP)
        return when;
    return place ? keyspace_when(*place) : KEYSPACE_NEVER;
}

/* With the room for an expiry, or without it. The entry is replaced; -ENOMEM: it is as it was. */
static int shape(struct entry **entry, bool expires)
{
    if ((*entry)->expires == expires)
        return 0;
    struct entry *moved = entry_move(*entry, expires, entry_key(*entry));
    if (!moved)
        return -ENOMEM;
    *entry = moved;
    return 0;
}

/* The value fits where the old one was, and so does the time. */
static bool put_in_place(struct keyspace *keyspace, struct entry *entry, weft_slice value,
                         int64_t when)
{
    bool expires = when != KEYSPACE_NEVER;
    if (entry->type != ENTRY_STRING || entry->expires != expires || !string_put(entry, value))
        return false;
    if (expires && entry_expiry(entry)->when != when)
        expiry_change(&keyspace->expiry, entry, when);
    return true;
}

int keyspace_set(struct keyspace *keyspace, weft_slice key, weft_slice value, int64_t when,
                 int64_t now)
{
    uint64_t hash = hash_of(keyspace, key);
    void **place = find_place(keyspace, key, hash, now);
    when = time_after(place, when);
    struct entry *entry = place ? *place : NULL;
    if (!entry || !put_in_place(keyspace, entry, value, when)) {
        if (string_create(&entry, when != KEYSPACE_NEVER, key, value) < 0)
            return -ENOMEM;
        if (put_entry(keyspace, entry, place, hash, when) < 0) {
            entry_free(entry);
            return -ENOMEM;
        }
    }
    use(keyspace, entry, now);
    tell(keyspace, entry_key(entry), entry, KEYSPACE_SET);
    return 0;
}

int keyspace_put(struct keyspace *keyspace, struct entry **entry, int64_t when, int64_t now)
{
    uint64_t hash = hash_of(keyspace, entry_key(*entry));
    void **place = find_place(keyspace, entry_key(*entry), hash, now);
    when = time_after(place, when);
    if (shape(entry, when != KEYSPACE_NEVER) < 0 ||
        put_entry(keyspace, *entry, place, hash, when) < 0)
        return -ENOMEM;
    use(keyspace, *entry, now);
    tell(keyspace, entry_key(*entry), *entry, KEYSPACE_SET);
    return 0;
}

/* --- strings that change in part --- */

/* The place of a string. 1: it is there; 0: there is none; -EINVAL. */
static int string_place(struct keyspace *keyspace, weft_slice key, uint64_t hash, int64_t now,
                        void ***place)
{
    *place = find_place(keyspace, key, hash, now);
    if (!*place)
        return 0;
    return ((struct entry *)**place)->type == ENTRY_STRING ? 1 : -EINVAL;
}

/* The entry that was at `place` has moved, or not. */
static void settle(struct keyspace *keyspace, void **place, struct entry *entry, int64_t now)
{
    if (*place != entry) {
        *place = entry;
        if (entry->expires)
            expiry_follow(&keyspace->expiry, entry);
    }
    use(keyspace, entry, now);
    tell(keyspace, entry_key(entry), entry, KEYSPACE_CHANGED);
}

static int add_new(struct keyspace *keyspace, weft_slice key, int64_t value, int64_t now)
{
    char space[STRING_SPACE];
    struct pack_item item = { .integer = value };
    return keyspace_set(keyspace, key, pack_text(&item, space), KEYSPACE_NEVER, now);
}

int keyspace_add(struct keyspace *keyspace, weft_slice key, int64_t by, int64_t now, int64_t *value)
{
    void **place;
    int found = string_place(keyspace, key, hash_of(keyspace, key), now, &place);
    *value = 0;
    if (found < 0)
        return found;
    if (found && !string_integer(*place, value))
        return -EDOM;
    if (__builtin_add_overflow(*value, by, value))
        return -ERANGE;
    if (found == 0)
        return add_new(keyspace, key, *value, now);
    struct entry *entry = *place;
    if (string_set_integer(&entry, *value) < 0)
        return -ENOMEM;
    settle(keyspace, place, entry, now);
    return 0;
}

/* Zeros where there is no string. */
static int open_new(struct keyspace *keyspace, weft_slice key, size_t size, uint64_t hash,
                    void ***place)
{
    struct entry *entry;
    char *data;
    if (string_create(&entry, false, key, (weft_slice){ "", 0 }) < 0)
        return -ENOMEM;
    if (string_open(&entry, size, &data) < 0 ||
        put_entry(keyspace, entry, NULL, hash, KEYSPACE_NEVER) < 0) {
        entry_free(entry);
        return -ENOMEM;
    }
    *place = table_find_hashed(&keyspace->table, key, hash);
    return 0;
}

int keyspace_open(struct keyspace *keyspace, weft_slice key, size_t size, int64_t now, char **data)
{
    void **place;
    uint64_t hash = hash_of(keyspace, key);
    int found = string_place(keyspace, key, hash, now, &place);
    if (found == 0)
        found = open_new(keyspace, key, size, hash, &place);
    if (found < 0)
        return found;
    struct entry *entry = *place;
    if (string_open(&entry, size, data) < 0)
        return -ENOMEM;
    settle(keyspace, place, entry, now);
    return 0;
}

int keyspace_append(struct keyspace *keyspace, weft_slice key, weft_slice more, int64_t now,
                    size_t *size)
{
    void **place;
    int found = string_place(keyspace, key, hash_of(keyspace, key), now, &place);
    if (found < 0)
        return found;
    if (found == 0) {
        *size = more.size;
        return keyspace_set(keyspace, key, more, KEYSPACE_NEVER, now);
    }
    struct entry *entry = *place;
    size_t whole = string_size(entry) + more.size;
    if (string_append(&entry, more) < 0)
        return -ENOMEM;
    *size = whole;
    settle(keyspace, place, entry, now);
    return 0;
}

/* --- other types --- */

int keyspace_obtain(struct keyspace *keyspace, weft_slice key, enum entry_type type, int64_t now,
                    struct entry **entry)
{
    uint64_t hash = hash_of(keyspace, key);
    struct entry *found = keyspace_find_hashed(keyspace, key, hash, now);
    if (found && found->type != type)
        return -EINVAL;
    if (found) {
        *entry = found;
        return 1;
    }
    struct entry *made = entry_create(type, ENTRY_SMALL, false, key, 0);
    if (!made || put_entry(keyspace, made, NULL, hash, KEYSPACE_NEVER) < 0) {
        entry_free(made);
        return -ENOMEM;
    }
    use(keyspace, made, now);
    *entry = made;
    return 0;
}

bool keyspace_touch(struct keyspace *keyspace, struct entry *entry, enum keyspace_event event)
{
    if (entry->type != ENTRY_STRING && entry_count(entry) == 0) {
        remove_entry(keyspace, entry, hash_of(keyspace, entry_key(entry)), KEYSPACE_DELETED);
        return false;
    }
    tell(keyspace, entry_key(entry), entry, event);
    return true;
}

bool keyspace_delete(struct keyspace *keyspace, weft_slice key, int64_t now)
{
    uint64_t hash = hash_of(keyspace, key);
    void **place = find_place(keyspace, key, hash, now);
    if (!place)
        return false;
    remove_entry(keyspace, *place, hash, KEYSPACE_DELETED);
    return true;
}

/* Put `named`, which is to have the entry's value, in the place of what is called so, if any. */
static int put_named(struct keyspace *keyspace, struct entry *named, int64_t now)
{
    uint64_t hash = hash_of(keyspace, entry_key(named));
    void **place = find_place(keyspace, entry_key(named), hash, now);
    if (!place)
        return table_insert_hashed(&keyspace->table, named, hash);
    struct entry *old = *place;
    *place = named;
    if (old->expires)
        expiry_remove(&keyspace->expiry, old);
    queue_remains(keyspace, entry_bury(old));
    return 0;
}

static int rename_entry(struct keyspace *keyspace, struct entry *entry, weft_slice to, int64_t now)
{
    struct entry *named =
        entry_create_like(entry, entry->form, entry->expires, to, entry->value_size);
    if (!named || put_named(keyspace, named, now) < 0) {
        kv_free(named);
        return -ENOMEM;
    }
    entry_take(named, entry);
    if (named->expires) {
        *entry_expiry(named) = *entry_expiry(entry); /* the heap may have moved meanwhile */
        expiry_follow(&keyspace->expiry, named);
    }
    table_remove(&keyspace->table, entry_key(entry));
    tell(keyspace, entry_key(entry), NULL, KEYSPACE_DELETED);
    tell(keyspace, entry_key(named), named, KEYSPACE_SET);
    kv_free(entry);
    return 0;
}

int keyspace_rename(struct keyspace *keyspace, weft_slice from, weft_slice to, int64_t now)
{
    struct entry *entry = keyspace_find(keyspace, from, now);
    if (!entry)
        return -ENOENT;
    weft_slice key = entry_key(entry);
    if (key.size == to.size && memcmp(key.data, to.data, to.size) == 0)
        return 0;
    return rename_entry(keyspace, entry, to, now);
}

/* Between an entry with room for a time and one without. */
static int change_shape(struct keyspace *keyspace, struct entry **entry, int64_t when)
{
    bool expires = when != KEYSPACE_NEVER;
    void **place = table_find_entry(&keyspace->table, entry_key(*entry), *entry);
    uint32_t index = (*entry)->expires ? entry_expiry(*entry)->index : 0;
    if ((expires && expiry_reserve(&keyspace->expiry) < 0) || shape(entry, expires) < 0)
        return -ENOMEM;
    *place = *entry;
    if (expires)
        expiry_add(&keyspace->expiry, *entry, when);
    else
        expiry_remove_at(&keyspace->expiry, index);
    return 0;
}

int keyspace_expire(struct keyspace *keyspace, struct entry *entry, int64_t when)
{
    bool expires = when != KEYSPACE_NEVER;
    if (entry->expires != expires && change_shape(keyspace, &entry, when) < 0)
        return -ENOMEM;
    if (expires)
        expiry_change(&keyspace->expiry, entry, when);
    tell(keyspace, entry_key(entry), entry, KEYSPACE_TIMED);
    return 0;
}

/* --- all of them --- */

static bool flushed_free_some(struct remains *remains, uint64_t *steps)
{
    struct flushed *flushed = wf_container(remains, struct flushed, remains);
    for (;;) {
        if (flushed->inner && !flushed->inner->free_some(flushed->inner, steps))
            return false;
        flushed->inner = NULL;
        struct entry *entry = table_take(&flushed->table, steps);
        if (!entry)
            break;
        flushed->inner = entry_bury(entry);
    }
    if (!table_is_gone(&flushed->table))
        return false;
    kv_free(flushed);
    return true;
}

void keyspace_flush(struct keyspace *keyspace, bool slowly)
{
    struct flushed *flushed = slowly ? kv_alloc_zero(sizeof *flushed) : NULL;
    expiry_fini(&keyspace->expiry);
    if (flushed) {
        flushed->remains.free_some = flushed_free_some;
        flushed->table = keyspace->table;
        queue_remains(keyspace, &flushed->remains);
    } else {
        table_fini(&keyspace->table, free_entry);
    }
    table_init(&keyspace->table, key_of, keyspace->limits.seed);
    tell(keyspace, (weft_slice){ "", 0 }, NULL, KEYSPACE_FLUSHED);
}

void keyspace_swap(struct keyspace *a, struct keyspace *b)
{
    struct table table = a->table;
    struct expiry expiry = a->expiry;
    a->table = b->table;
    a->expiry = b->expiry;
    b->table = table;
    b->expiry = expiry;
}
