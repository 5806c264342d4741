/* Entries: see entry.h. */

#include "entry.h"

#include "base/compiler.h"
#include "hash.h"
#include "list.h"
#include "memory.h"
#include "set.h"
#include "text.h"
#include "zset.h"

#include <errno.h>
#include <string.h>

#define STEPS_BURIED 64 /* what takes fewer is freed with the entry */

static size_t entry_front(const struct entry *entry)
{
    return (size_t)(entry_text(entry) - (const char *)entry);
}

size_t entry_text_room(struct entry *entry)
{
    size_t room = kv_size(entry) - entry_front(entry);
    return room < UINT16_MAX ? room : UINT16_MAX;
}

struct entry *entry_create(enum entry_type type, enum entry_form form, bool expires, weft_slice key,
                           size_t text_size)
{
    struct entry head = { .type = (uint8_t)(type & 7),
                          .form = (uint8_t)(form & 3),
                          .expires = expires,
                          .long_key = key.size > UINT8_MAX };
    bool is_text = entry_is_text(&head);
    size_t words = 2u * head.expires + head.long_key + !is_text;
    struct entry *entry = kv_alloc(sizeof *entry + 8 * words + key.size + text_size);
    if (!entry)
        return NULL;
    head.key_size = head.long_key ? 0 : (uint8_t)key.size;
    head.value_size = (uint16_t)text_size;
    *entry = head;
    if (expires)
        *entry_expiry(entry) = (struct entry_expiry){ 0, 0, 0 };
    if (head.long_key)
        entry->rest[2 * head.expires] = key.size;
    if (!is_text)
        *entry_payload(entry) = NULL;
    if (key.size)
        memcpy((char *)(entry->rest + words), key.data, key.size);
    return entry;
}

struct entry *entry_create_like(struct entry *entry, enum entry_form form, bool expires,
                                weft_slice key, size_t text_size)
{
    struct entry *other = entry_create(entry->type, form, expires, key, text_size);
    if (!other)
        return NULL;
    other->access = entry->access;
    other->edited = entry->edited;
    if (expires && entry->expires)
        *entry_expiry(other) = *entry_expiry(entry);
    return other;
}

void entry_take(struct entry *to, struct entry *from)
{
    if (entry_is_text(from))
        memcpy(entry_text(to), entry_text(from), from->value_size);
    else
        *entry_payload(to) = *entry_payload(from);
}

struct entry *entry_move(struct entry *entry, bool expires, weft_slice key)
{
    struct entry *other = entry_create_like(entry, entry->form, expires, key, entry->value_size);
    if (!other)
        return NULL;
    entry_take(other, entry);
    kv_free(entry);
    return other;
}

static void free_remains(struct remains *remains)
{
    for (uint64_t steps = UINT64_MAX; remains && !remains->free_some(remains, &steps);)
        steps = UINT64_MAX;
}

void entry_free(struct entry *entry)
{
    if (entry)
        free_remains(entry_bury(entry));
}

struct remains *entry_bury(struct entry *entry)
{
    struct remains *remains = NULL;
    bool is_large = entry->form == ENTRY_LARGE && entry->type != ENTRY_STRING;
    if (is_large) {
        uint64_t steps = STEPS_BURIED;
        remains = entry_value(entry);
        remains->next = NULL;
        if (remains->free_some(remains, &steps))
            remains = NULL;
    } else if (entry->type != ENTRY_STRING || entry->form == ENTRY_LARGE) {
        kv_free(entry_value(entry));
    }
    kv_free(entry);
    return remains;
}

uint64_t entry_count(const struct entry *entry)
{
    switch (entry->type) {
    case ENTRY_LIST:
        return list_count(entry);
    case ENTRY_SET:
        return set_count(entry);
    case ENTRY_ZSET:
        return zset_count(entry);
    case ENTRY_HASH:
        return hash_count(entry);
    default:
        return string_size(entry);
    }
}

const char *entry_encoding(const struct entry *entry)
{
    switch (entry->type) {
    case ENTRY_LIST:
        return list_encoding(entry);
    case ENTRY_SET:
        return set_encoding(entry);
    case ENTRY_ZSET:
        return zset_encoding(entry);
    case ENTRY_HASH:
        return hash_encoding(entry);
    default:
        return string_encoding(entry);
    }
}

const char *entry_type_name(const struct entry *entry)
{
    static const char *const names[] = { [ENTRY_STRING] = "string",
                                         [ENTRY_LIST] = "list",
                                         [ENTRY_SET] = "set",
                                         [ENTRY_ZSET] = "zset",
                                         [ENTRY_HASH] = "hash" };
    return names[entry->type];
}

static int copy_value(const struct entry *entry, struct entry *copy, const struct kv_limits *limits)
{
    switch (entry->type) {
    case ENTRY_LIST:
        return list_copy(entry, copy);
    case ENTRY_SET:
        return set_copy(entry, copy, limits);
    case ENTRY_ZSET:
        return zset_copy(entry, copy, limits);
    default:
        return hash_copy(entry, copy, limits);
    }
}

int entry_copy(const struct entry *entry, weft_slice key, const struct kv_limits *limits,
               struct entry **copy)
{
    if (entry->type == ENTRY_STRING)
        return string_copy(entry, key, copy);
    struct entry *made = entry_create(entry->type, ENTRY_SMALL, false, key, 0);
    if (!made)
        return -ENOMEM;
    if (copy_value(entry, made, limits) < 0) {
        entry_free(made);
        return -ENOMEM;
    }
    *copy = made;
    return 0;
}
