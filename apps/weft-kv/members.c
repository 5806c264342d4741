/* Members: see members.h. */

#include "members.h"

#include "base/compiler.h"
#include "memory.h"

#include <errno.h>
#include <string.h>

#define WASTE_MAX 64

static weft_slice member_key(const void *entry)
{
    const struct member *member = entry;
    return (weft_slice){ member->text, member->size };
}

static bool members_free_some(struct remains *remains, uint64_t *steps)
{
    struct members *members = wf_container(remains, struct members, remains);
    void *member;
    while ((member = table_take(&members->table, steps)) != NULL)
        kv_free(member);
    if (!table_is_gone(&members->table))
        return false;
    kv_free(members);
    return true;
}

struct members *members_create(const struct kv_limits *limits)
{
    struct members *members = kv_alloc_zero(sizeof *members);
    if (members) {
        members->remains.free_some = members_free_some;
        table_init(&members->table, member_key, limits->seed);
    }
    return members;
}

void members_free(struct members *members)
{
    if (members)
        table_fini(&members->table, kv_free);
    kv_free(members);
}

static void copy_bytes(char *to, weft_slice bytes)
{
    if (bytes.size)
        memcpy(to, bytes.data, bytes.size);
}

static void write_value(struct member *member, weft_slice value)
{
    uint32_t size = (uint32_t)value.size;
    memcpy(member->text + member->size, &size, sizeof size);
    copy_bytes(member->text + member->size + sizeof size, value);
}

struct member *member_create(weft_slice text, const weft_slice *value)
{
    if (text.size > UINT32_MAX || (value && value->size > UINT32_MAX))
        return NULL;
    size_t more = value ? sizeof(uint32_t) + value->size : 0;
    struct member *member = kv_alloc(sizeof *member + text.size + more);
    if (!member)
        return NULL;
    member->size = (uint32_t)text.size;
    copy_bytes(member->text, text);
    if (value)
        write_value(member, *value);
    return member;
}

weft_slice member_value(const struct member *member)
{
    uint32_t size;
    const char *at = member->text + member->size;
    memcpy(&size, at, sizeof size);
    return (weft_slice){ at + sizeof size, size };
}

bool member_put_value(struct member *member, weft_slice value)
{
    size_t room = kv_size(member) - sizeof *member - member->size - sizeof(uint32_t);
    if (value.size > room || room - value.size > value.size + WASTE_MAX)
        return false;
    write_value(member, value);
    return true;
}

int members_add(struct members *members, weft_slice text, const weft_slice *value)
{
    struct member *member = member_create(text, value);
    if (!member)
        return -ENOMEM;
    if (table_insert(&members->table, member) < 0) {
        kv_free(member);
        return -ENOMEM;
    }
    return 0;
}

bool members_remove(struct members *members, weft_slice text)
{
    struct member *member = table_remove(&members->table, text);
    kv_free(member);
    return member != NULL;
}

struct member *members_find(const struct members *members, weft_slice text)
{
    void **place = table_find(&members->table, text);
    return place ? *place : NULL;
}
