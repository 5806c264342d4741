#ifndef KV_ENTRY_H
#define KV_ENTRY_H

/* A key and its value, in one block where the value is small.
 *
 *      | head, 8 bytes | expiry, 16 | key's size, 8 | payload, 8 | key ... | text ... |
 *                         if it expires   if over 255    not of texts          of texts
 *
 * What the payload is depends on type and form:
 *
 *                 SMALL                    INTEGER            LARGE
 *      string     none: the text is here   the int64_t        struct raw
 *      list       struct pack              -                  struct list
 *      set        struct pack              struct intset      struct members
 *      zset       struct pack              -                  struct sorted
 *      hash       struct pack              -                  struct members
 *
 * A collection's payload may be NULL: it is empty. An entry moves when what is in front of the key
 * comes or goes, or when a text is replaced by a longer one; then whoever points at it is told the
 * new place. Sixteen bytes of key and 64 of text make a block of 88 bytes. */

#include <weft/buffer.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum entry_type {
    ENTRY_STRING,
    ENTRY_LIST,
    ENTRY_SET,
    ENTRY_ZSET,
    ENTRY_HASH,
};

enum entry_form {
    ENTRY_SMALL,
    ENTRY_INTEGER,
    ENTRY_LARGE,
};

/* What values are kept compactly, and the seed of the tables of those that are not. */
struct kv_limits {
    uint32_t list_bytes; /* of a list's node */
    uint32_t hash_count, hash_bytes;
    uint32_t set_integers, set_count, set_bytes;
    uint32_t zset_count, zset_bytes;
    uint64_t seed[2];
};

#define KV_LIMITS_DEFAULT                                                                          \
    {                                                                                              \
        .list_bytes = 8192, .hash_count = 128, .hash_bytes = 64, .set_integers = 512,              \
        .set_count = 128, .set_bytes = 64, .zset_count = 128, .zset_bytes = 64                     \
    }

/* Type, form and the two bits of the layout are changed by entry.c and by the types' files. */
struct entry {
    uint8_t type : 3;
    uint8_t form : 2;
    uint8_t expires : 1;
    uint8_t long_key : 1;
    uint8_t edited : 1;  /* a string that has been changed in part: its encoding is "raw" */
    uint8_t key_size;    /* where it is not long */
    uint16_t value_size; /* of a text that is kept here */
    uint32_t access;     /* when it was used, or how often: the keyspace's business */
    uint64_t rest[];
};

struct entry_expiry {
    int64_t when;   /* ms */
    uint32_t index; /* in the heap */
    uint32_t unused;
};

/* The first bytes of what a LARGE collection points at: it can be freed in slices. */
struct remains {
    struct remains *next; /* whoever frees it queues it by this */
    /* Take up to *steps steps, and those off. Returns true when it is all gone, itself too. */
    bool (*free_some)(struct remains *remains, uint64_t *steps);
};

static inline bool entry_is_text(const struct entry *entry)
{
    return entry->type == ENTRY_STRING && entry->form == ENTRY_SMALL;
}

static inline struct entry_expiry *entry_expiry(struct entry *entry)
{
    return (struct entry_expiry *)entry->rest; /* of one that expires */
}

static inline void **entry_payload(struct entry *entry)
{
    return (void **)(entry->rest + 2 * entry->expires + entry->long_key);
}

static inline void *entry_value(const struct entry *entry)
{
    return *entry_payload((struct entry *)entry);
}

static inline weft_slice entry_key(const struct entry *entry)
{
    const uint64_t *at = entry->rest + 2 * entry->expires;
    size_t size = entry->long_key ? *at : entry->key_size;
    at += entry->long_key + !entry_is_text(entry);
    return (weft_slice){ (const char *)at, size };
}

/* The text of an entry that has one here. */
static inline char *entry_text(const struct entry *entry)
{
    weft_slice key = entry_key(entry);
    return (char *)key.data + key.size;
}

/* Bytes that the text may have. */
size_t entry_text_room(struct entry *entry);

/* A new entry, its payload NULL, its text of so many bytes not set; or NULL. It belongs to nobody.
 */
struct entry *entry_create(enum entry_type type, enum entry_form form, bool expires, weft_slice key,
                           size_t text_size);

/* The same for what is to take an entry's place under this key: it has its access, whether it was
 * edited, and, where both expire, the expiry. Payload and text are for the caller to fill in. */
struct entry *entry_create_like(struct entry *entry, enum entry_form form, bool expires,
                                weft_slice key, size_t text_size);

/* The same value in another block: the payload or the text goes over, and the old block is freed.
 * NULL: no memory, and all is as it was. */
struct entry *entry_move(struct entry *entry, bool expires, weft_slice key);

/* Let `to`, of the same type and form, have the value of `from`, which is then but a block. */
void entry_take(struct entry *to, struct entry *from);

/* Everything at once: as many steps as it has elements. Accepts NULL. */
void entry_free(struct entry *entry);

/* Free the entry and all that takes no longer than that; returns what does, or NULL. */
struct remains *entry_bury(struct entry *entry);

/* How many elements; of a string, its bytes. */
uint64_t entry_count(const struct entry *entry);

/* As "OBJECT ENCODING" and "TYPE" call it. */
const char *entry_encoding(const struct entry *entry);
const char *entry_type_name(const struct entry *entry);

/* A copy of the value under another key, without expiry. 0, or -ENOMEM. */
int entry_copy(const struct entry *entry, weft_slice key, const struct kv_limits *limits,
               struct entry **copy);

#endif
