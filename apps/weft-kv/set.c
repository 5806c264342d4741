/* Sets: see set.h. */

#include "set.h"

#include "intset.h"
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

static struct intset **integers_of(const struct entry *entry)
{
    return (struct intset **)entry_payload((struct entry *)entry);
}

uint64_t set_count(const struct entry *entry)
{
    switch (entry->form) {
    case ENTRY_SMALL:
        return pack_count(*pack_of(entry));
    case ENTRY_INTEGER:
        return intset_count(*integers_of(entry));
    default:
        return table_count(&members_of(entry)->table);
    }
}

bool set_has(const struct entry *entry, weft_slice member)
{
    if (entry->form == ENTRY_LARGE)
        return members_find(members_of(entry), member) != NULL;
    struct pack_item item = pack_item_of(member);
    if (entry->form == ENTRY_INTEGER)
        return !item.data && intset_has(*integers_of(entry), item.integer);
    return pack_find(*pack_of(entry), 0, &item, 1) != PACK_END;
}

/* --- ways through --- */

void set_iterate_begin(struct set_iterator *iterator, const struct entry *entry)
{
    *iterator = (struct set_iterator){ .entry = entry };
    if (entry->form == ENTRY_LARGE)
        table_iterate_begin(&iterator->walk, &members_of(entry)->table);
    else if (entry->form == ENTRY_SMALL)
        iterator->at = pack_first(*pack_of(entry));
}

static bool next_of_table(struct set_iterator *iterator, struct pack_item *item)
{
    const struct member *member = table_iterate_next(&iterator->walk);
    if (member)
        *item = item_of((weft_slice){ member->text, member->size });
    return member != NULL;
}

bool set_iterate_next(struct set_iterator *iterator, struct pack_item *member)
{
    const struct entry *entry = iterator->entry;
    if (entry->form == ENTRY_LARGE)
        return next_of_table(iterator, member);
    if (entry->form == ENTRY_INTEGER) {
        const struct intset *set = *integers_of(entry);
        if (iterator->at >= intset_count(set))
            return false;
        *member = (struct pack_item){ .integer = intset_at(set, iterator->at++) };
        return true;
    }
    if (iterator->at == PACK_END)
        return false;
    *member = pack_get(*pack_of(entry), iterator->at);
    iterator->at = pack_next(*pack_of(entry), iterator->at);
    return true;
}

void set_iterate_end(struct set_iterator *iterator)
{
    if (iterator->walk.table)
        table_iterate_end(&iterator->walk);
}

bool set_random(const struct entry *entry, struct wf_random *random, struct pack_item *member)
{
    uint64_t count = set_count(entry);
    if (count == 0)
        return false;
    if (entry->form == ENTRY_LARGE) {
        const struct member *any = table_random(&members_of(entry)->table, random);
        *member = item_of((weft_slice){ any->text, any->size });
        return true;
    }
    uint32_t index = (uint32_t)wf_random_below(random, count);
    if (entry->form == ENTRY_INTEGER)
        *member = (struct pack_item){ .integer = intset_at(*integers_of(entry), index) };
    else
        *member = pack_get(*pack_of(entry), pack_at(*pack_of(entry), index));
    return true;
}

struct visitor {
    set_visit *visit;
    void *arg;
};

static void visit_member(void *arg, void *entry)
{
    const struct visitor *visitor = arg;
    const struct member *member = entry;
    struct pack_item item = item_of((weft_slice){ member->text, member->size });
    visitor->visit(visitor->arg, &item);
}

uint64_t set_scan(const struct entry *entry, uint64_t cursor, set_visit *visit, void *arg)
{
    struct visitor visitor = { visit, arg };
    if (entry->form == ENTRY_LARGE)
        return table_scan(&members_of(entry)->table, cursor, visit_member, &visitor);
    struct set_iterator iterator;
    struct pack_item member;
    set_iterate_begin(&iterator, entry);
    while (set_iterate_next(&iterator, &member))
        visit(arg, &member);
    return 0;
}

/* --- changes --- */

static void settle(struct entry *entry, enum entry_form form, void *payload)
{
    kv_free(entry_value(entry)); /* a pack or an array */
    *entry_payload(entry) = payload;
    entry->form = (uint8_t)(form & 3);
}

/* From an array to a pack. */
static int make_pack(struct entry *entry)
{
    const struct intset *set = *integers_of(entry);
    struct pack *pack = NULL;
    for (uint32_t i = 0; i < intset_count(set); i++) {
        struct pack_item item = { .integer = intset_at(set, i) };
        if (pack_splice(&pack, PACK_END, 0, &item, 1) < 0) {
            kv_free(pack);
            return -ENOMEM;
        }
    }
    settle(entry, ENTRY_SMALL, pack);
    return 0;
}

static int add_all(const struct entry *from, struct members *to)
{
    struct set_iterator iterator;
    struct pack_item item;
    char space[PACK_TEXT_MAX];
    int err = 0;
    set_iterate_begin(&iterator, from);
    while (err == 0 && set_iterate_next(&iterator, &item))
        err = members_add(to, pack_text(&item, space), NULL);
    set_iterate_end(&iterator);
    return err;
}

static int make_table(const struct entry *from, struct entry *to, const struct kv_limits *limits)
{
    struct members *members = members_create(limits);
    if (!members)
        return -ENOMEM;
    if (add_all(from, members) < 0) {
        members_free(members);
        return -ENOMEM;
    }
    settle(to, ENTRY_LARGE, members);
    return 0;
}

static int add_large(struct entry *entry, weft_slice member)
{
    struct members *members = members_of(entry);
    if (members_find(members, member))
        return 0;
    return members_add(members, member, NULL) < 0 ? -ENOMEM : 1;
}

static int add_small(struct entry *entry, const struct pack_item *item)
{
    return pack_splice(pack_of(entry), PACK_END, 0, item, 1) < 0 ? -ENOMEM : 1;
}

/* The form that a set takes with one member more. An integer's text is never too long. */
static enum entry_form form_with(const struct entry *entry, const struct pack_item *item,
                                 const struct kv_limits *limits)
{
    uint64_t count = set_count(entry);
    bool integers = !item->data && (entry->form == ENTRY_INTEGER || count == 0);
    if (integers && count < limits->set_integers)
        return ENTRY_INTEGER;
    bool fits = count < limits->set_count && (!item->data || item->size <= limits->set_bytes);
    return fits ? ENTRY_SMALL : ENTRY_LARGE;
}

static int add_in_form(struct entry *entry, enum entry_form form, weft_slice member,
                       const struct pack_item *item, const struct kv_limits *limits)
{
    if (form == ENTRY_LARGE)
        return make_table(entry, entry, limits) < 0 ? -ENOMEM : add_large(entry, member);
    if (form == ENTRY_SMALL) {
        if (entry->form == ENTRY_INTEGER && make_pack(entry) < 0)
            return -ENOMEM;
        return add_small(entry, item);
    }
    if (entry->form != ENTRY_INTEGER)
        settle(entry, ENTRY_INTEGER, NULL); /* it is empty */
    return intset_add(integers_of(entry), item->integer);
}

int set_add(struct entry *entry, weft_slice member, const struct kv_limits *limits)
{
    if (entry->form == ENTRY_LARGE)
        return add_large(entry, member);
    if (set_has(entry, member))
        return 0;
    struct pack_item item = pack_item_of(member);
    return add_in_form(entry, form_with(entry, &item, limits), member, &item, limits);
}

bool set_remove(struct entry *entry, weft_slice member)
{
    if (entry->form == ENTRY_LARGE)
        return members_remove(members_of(entry), member);
    struct pack_item item = pack_item_of(member);
    if (entry->form == ENTRY_INTEGER)
        return !item.data && intset_remove(integers_of(entry), item.integer);
    uint32_t at = pack_find(*pack_of(entry), 0, &item, 1);
    if (at != PACK_END)
        pack_delete(pack_of(entry), at, 1);
    return at != PACK_END;
}

const char *set_encoding(const struct entry *entry)
{
    static const char *const names[] = {
        [ENTRY_SMALL] = "listpack", [ENTRY_INTEGER] = "intset", [ENTRY_LARGE] = "hashtable"
    };
    return names[entry->form];
}

int set_copy(const struct entry *entry, struct entry *copy, const struct kv_limits *limits)
{
    if (entry->form == ENTRY_LARGE)
        return make_table(entry, copy, limits);
    if (entry->form == ENTRY_SMALL)
        return pack_copy(*pack_of(entry), pack_of(copy));
    struct intset *set;
    if (intset_copy(*integers_of(entry), &set) < 0)
        return -ENOMEM;
    settle(copy, ENTRY_INTEGER, set);
    return 0;
}
