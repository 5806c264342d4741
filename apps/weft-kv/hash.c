/* Hashes: see hash.h. */

#include "hash.h"

#include "memory.h"

#include <errno.h>

static struct members *members_of(const struct entry *entry)
{
    return entry->form == ENTRY_LARGE ? entry_value(entry) : NULL;
}

static struct pack **pack_of(const struct entry *entry)
{
    return (struct pack **)entry_payload((struct entry *)entry);
}

uint64_t hash_count(const struct entry *entry)
{
    const struct members *members = members_of(entry);
    return members ? table_count(&members->table) : pack_count(*pack_of(entry)) / 2;
}

static uint32_t find_field(const struct pack *pack, weft_slice field)
{
    struct pack_item item = pack_item_of(field);
    return pack_find(pack, 0, &item, 2);
}

bool hash_get(const struct entry *entry, weft_slice field, struct pack_item *value)
{
    const struct members *members = members_of(entry);
    if (members) {
        const struct member *member = members_find(members, field);
        if (member)
            *value = item_of(member_value(member));
        return member != NULL;
    }
    const struct pack *pack = *pack_of(entry);
    uint32_t at = find_field(pack, field);
    if (at != PACK_END)
        *value = pack_get(pack, pack_next(pack, at));
    return at != PACK_END;
}

/* --- changes --- */

/* From a pack to a table. */
static int enlarge(struct entry *entry, const struct kv_limits *limits)
{
    struct pack *pack = *pack_of(entry);
    struct members *members = members_create(limits);
    if (!members)
        return -ENOMEM;
    for (uint32_t at = pack_first(pack); at != PACK_END; at = pack_next(pack, at)) {
        char field_space[PACK_TEXT_MAX], value_space[PACK_TEXT_MAX];
        struct pack_item field = pack_get(pack, at);
        struct pack_item item = pack_get(pack, at = pack_next(pack, at));
        weft_slice value = pack_text(&item, value_space);
        if (members_add(members, pack_text(&field, field_space), &value) < 0) {
            members_free(members);
            return -ENOMEM;
        }
    }
    kv_free(pack);
    *entry_payload(entry) = members;
    entry->form = ENTRY_LARGE;
    return 0;
}

static int set_large(struct members *members, weft_slice field, weft_slice value)
{
    void **place = table_find(&members->table, field);
    if (!place) {
        int err = members_add(members, field, &value);
        return err < 0 ? err : 1;
    }
    if (member_put_value(*place, value))
        return 0;
    struct member *member = member_create(field, &value);
    if (!member)
        return -ENOMEM;
    kv_free(*place);
    *place = member;
    return 0;
}

static int set_small(struct entry *entry, uint32_t at, weft_slice field, weft_slice value)
{
    struct pack **place = pack_of(entry);
    if (at != PACK_END)
        return pack_replace(place, pack_next(*place, at), value);
    struct pack_item items[] = { pack_item_of(field), pack_item_of(value) };
    int err = pack_splice(place, PACK_END, 0, items, 2);
    return err < 0 ? err : 1;
}

int hash_set(struct entry *entry, weft_slice field, weft_slice value,
             const struct kv_limits *limits)
{
    struct members *members = members_of(entry);
    if (members)
        return set_large(members, field, value);
    uint32_t at = find_field(*pack_of(entry), field);
    bool fits = field.size <= limits->hash_bytes && value.size <= limits->hash_bytes &&
                (at != PACK_END || hash_count(entry) < limits->hash_count);
    if (fits)
        return set_small(entry, at, field, value);
    if (enlarge(entry, limits) < 0)
        return -ENOMEM;
    return set_large(members_of(entry), field, value);
}

bool hash_delete(struct entry *entry, weft_slice field)
{
    struct members *members = members_of(entry);
    if (members)
        return members_remove(members, field);
    uint32_t at = find_field(*pack_of(entry), field);
    if (at != PACK_END)
        pack_delete(pack_of(entry), at, 2);
    return at != PACK_END;
}

/* --- ways through --- */

bool hash_random(const struct entry *entry, struct wf_random *random, struct pack_item *field,
                 struct pack_item *value)
{
    const struct members *members = members_of(entry);
    uint64_t count = hash_count(entry);
    if (count == 0)
        return false;
    if (members) {
        const struct member *member = table_random(&members->table, random);
        *field = item_of((weft_slice){ member->text, member->size });
        *value = item_of(member_value(member));
        return true;
    }
    const struct pack *pack = *pack_of(entry);
    uint32_t at = pack_at(pack, (int64_t)wf_random_below(random, count) * 2);
    *field = pack_get(pack, at);
    *value = pack_get(pack, pack_next(pack, at));
    return true;
}

void hash_iterate_begin(struct hash_iterator *iterator, const struct entry *entry)
{
    struct members *members = members_of(entry);
    *iterator = (struct hash_iterator){ .pack = members ? NULL : *pack_of(entry), .at = PACK_END };
    if (members)
        table_iterate_begin(&iterator->walk, &members->table);
    else
        iterator->at = pack_first(iterator->pack);
}

bool hash_iterate_next(struct hash_iterator *iterator, struct pack_item *field,
                       struct pack_item *value)
{
    if (iterator->walk.table) {
        const struct member *member = table_iterate_next(&iterator->walk);
        if (!member)
            return false;
        *field = item_of((weft_slice){ member->text, member->size });
        *value = item_of(member_value(member));
        return true;
    }
    if (iterator->at == PACK_END)
        return false;
    *field = pack_get(iterator->pack, iterator->at);
    uint32_t at = pack_next(iterator->pack, iterator->at);
    *value = pack_get(iterator->pack, at);
    iterator->at = pack_next(iterator->pack, at);
    return true;
}

void hash_iterate_end(struct hash_iterator *iterator)
{
    if (iterator->walk.table)
        table_iterate_end(&iterator->walk);
}

struct visitor {
    hash_visit *visit;
    void *arg;
};

static void visit_member(void *arg, void *entry)
{
    const struct visitor *visitor = arg;
    const struct member *member = entry;
    struct pack_item field = item_of((weft_slice){ member->text, member->size });
    struct pack_item value = item_of(member_value(member));
    visitor->visit(visitor->arg, &field, &value);
}

uint64_t hash_scan(const struct entry *entry, uint64_t cursor, hash_visit *visit, void *arg)
{
    const struct members *members = members_of(entry);
    struct visitor visitor = { visit, arg };
    if (members)
        return table_scan(&members->table, cursor, visit_member, &visitor);
    struct hash_iterator iterator;
    struct pack_item field, value;
    hash_iterate_begin(&iterator, entry);
    while (hash_iterate_next(&iterator, &field, &value))
        visit(arg, &field, &value);
    return 0;
}

const char *hash_encoding(const struct entry *entry)
{
    return entry->form == ENTRY_LARGE ? "hashtable" : "listpack";
}

static int copy_members(struct members *from, struct members *to)
{
    struct table_iterator walk;
    const struct member *member;
    int err = 0;
    table_iterate_begin(&walk, &from->table);
    while (err == 0 && (member = table_iterate_next(&walk))) {
        weft_slice value = member_value(member);
        err = members_add(to, (weft_slice){ member->text, member->size }, &value);
    }
    table_iterate_end(&walk);
    return err;
}

int hash_copy(const struct entry *entry, struct entry *copy, const struct kv_limits *limits)
{
    struct members *from = members_of(entry);
    if (!from)
        return pack_copy(*pack_of(entry), pack_of(copy));
    if (enlarge(copy, limits) < 0)
        return -ENOMEM;
    return copy_members(from, members_of(copy));
}
