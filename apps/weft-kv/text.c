/* Strings: see text.h. */

#include "text.h"

#include "codec/resp.h"
#include "memory.h"

#include <errno.h>
#include <string.h>

#define SLACK_MAX ((size_t)1 << 20) /* what a block that grows gets beyond its need, at most */
#define WASTE_MAX 64                /* bytes of a block that a short new text may leave idle */

/* The block of a long text; it may have more room (kv_size). */
struct raw {
    size_t size;
    char data[];
};

static bool is_integer(weft_slice text, int64_t *value)
{
    return text.size <= STRING_SPACE && wf_resp_read_integer(text.data, text.size, value);
}

static void copy_bytes(char *to, weft_slice bytes)
{
    if (bytes.size)
        memcpy(to, bytes.data, bytes.size);
}

static struct raw *raw_create(weft_slice value, size_t slack)
{
    struct raw *raw = kv_alloc(sizeof *raw + value.size + slack);
    if (raw) {
        raw->size = value.size;
        copy_bytes(raw->data, value);
    }
    return raw;
}

/* Make an entry of the form that suits the value; `like` (or NULL) is what it will replace. */
static struct entry *entry_for(struct entry *like, enum entry_form form, bool expires,
                               weft_slice key, size_t text_size)
{
    return like ? entry_create_like(like, form, expires, key, text_size)
                : entry_create(ENTRY_STRING, form, expires, key, text_size);
}

static struct entry *create_large(struct entry *like, bool expires, weft_slice key,
                                  weft_slice value, size_t slack)
{
    struct raw *raw = raw_create(value, slack);
    struct entry *entry = raw ? entry_for(like, ENTRY_LARGE, expires, key, 0) : NULL;
    if (!entry)
        kv_free(raw);
    else
        *entry_payload(entry) = raw;
    return entry;
}

static struct entry *create_integer(struct entry *like, bool expires, weft_slice key, int64_t value)
{
    struct entry *entry = entry_for(like, ENTRY_INTEGER, expires, key, 0);
    if (entry) {
        memcpy(entry_payload(entry), &value, sizeof value);
        entry->edited = 0;
    }
    return entry;
}

static struct entry *create(struct entry *like, bool expires, weft_slice key, weft_slice value)
{
    int64_t integer;
    if (is_integer(value, &integer))
        return create_integer(like, expires, key, integer);
    struct entry *entry = value.size > STRING_SMALL_MAX
                              ? create_large(like, expires, key, value, 0)
                              : entry_for(like, ENTRY_SMALL, expires, key, value.size);
    if (entry) {
        if (entry->form == ENTRY_SMALL)
            copy_bytes(entry_text(entry), value);
        entry->edited = 0;
    }
    return entry;
}

int string_create(struct entry **entry, bool expires, weft_slice key, weft_slice value)
{
    struct entry *made = create(NULL, expires, key, value);
    if (!made)
        return -ENOMEM;
    *entry = made;
    return 0;
}

static int64_t integer_of(const struct entry *entry)
{
    int64_t value;
    memcpy(&value, entry_payload((struct entry *)entry), sizeof value);
    return value;
}

weft_slice string_get(const struct entry *entry, char space[STRING_SPACE])
{
    if (entry->form == ENTRY_SMALL)
        return (weft_slice){ entry_text(entry), entry->value_size };
    if (entry->form == ENTRY_INTEGER)
        return (weft_slice){ space, wf_resp_print_integer(space, integer_of(entry)) };
    const struct raw *raw = entry_value(entry);
    return (weft_slice){ raw->data, raw->size };
}

size_t string_size(const struct entry *entry)
{
    char space[STRING_SPACE];
    return string_get(entry, space).size;
}

bool string_integer(const struct entry *entry, int64_t *value)
{
    if (entry->form != ENTRY_INTEGER)
        return is_integer(string_get(entry, NULL), value);
    *value = integer_of(entry);
    return true;
}

static bool fits(size_t size, size_t room)
{
    return size <= room && room - size <= size + WASTE_MAX;
}

static bool put_text(struct entry *entry, weft_slice value)
{
    if (value.size > STRING_SMALL_MAX || !fits(value.size, entry_text_room(entry)))
        return false;
    copy_bytes(entry_text(entry), value);
    entry->value_size = (uint16_t)value.size;
    return true;
}

static bool put_large(struct entry *entry, weft_slice value)
{
    struct raw *raw = entry_value(entry);
    if (value.size <= STRING_SMALL_MAX || !fits(value.size, kv_size(raw) - sizeof *raw))
        return false;
    copy_bytes(raw->data, value);
    raw->size = value.size;
    return true;
}

bool string_put(struct entry *entry, weft_slice value)
{
    int64_t integer;
    bool has_integer = is_integer(value, &integer);
    if (has_integer != (entry->form == ENTRY_INTEGER))
        return false;
    if (has_integer)
        memcpy(entry_payload(entry), &integer, sizeof integer);
    else if (!(entry->form == ENTRY_SMALL ? put_text(entry, value) : put_large(entry, value)))
        return false;
    entry->edited = 0;
    return true;
}

/* `made` takes the place of an entry of strings. */
static int replace(struct entry **entry, struct entry *made)
{
    if (!made)
        return -ENOMEM;
    entry_free(*entry);
    *entry = made;
    return 0;
}

int string_set(struct entry **entry, weft_slice value)
{
    if (string_put(*entry, value))
        return 0;
    return replace(entry, create(*entry, (*entry)->expires, entry_key(*entry), value));
}

int string_set_integer(struct entry **entry, int64_t value)
{
    if ((*entry)->form != ENTRY_INTEGER)
        return replace(entry, create_integer(*entry, (*entry)->expires, entry_key(*entry), value));
    memcpy(entry_payload(*entry), &value, sizeof value);
    return 0;
}

static int grow_large(struct entry *entry, size_t size)
{
    struct raw *raw = entry_value(entry);
    if (size <= kv_size(raw) - sizeof *raw)
        return 0;
    struct raw *grown = kv_grow(raw, sizeof *raw + size + (size < SLACK_MAX ? size : SLACK_MAX));
    if (!grown)
        return -ENOMEM;
    *entry_payload(entry) = grown;
    return 0;
}

/* A text that fits beside its key stays there; an integer, or what does not, goes to a block. */
static int make_room(struct entry **entry, size_t size)
{
    char space[STRING_SPACE];
    if ((*entry)->form == ENTRY_LARGE)
        return grow_large(*entry, size);
    if ((*entry)->form == ENTRY_SMALL && size <= entry_text_room(*entry))
        return 0;
    weft_slice text = string_get(*entry, space);
    size_t slack = size > text.size ? size - text.size : 0;
    return replace(entry, create_large(*entry, (*entry)->expires, entry_key(*entry), text, slack));
}

int string_open(struct entry **entry, size_t size, char **data)
{
    if (size > SIZE_MAX / 4 || make_room(entry, size) < 0)
        return -ENOMEM;
    struct entry *here = *entry;
    weft_slice text = string_get(here, NULL);
    *data = (char *)text.data;
    here->edited = 1;
    if (size <= text.size)
        return 0;
    memset(*data + text.size, 0, size - text.size);
    if (here->form == ENTRY_SMALL)
        here->value_size = (uint16_t)size;
    else
        ((struct raw *)entry_value(here))->size = size;
    return 0;
}

int string_append(struct entry **entry, weft_slice more)
{
    char *data;
    size_t size = string_size(*entry);
    if (string_open(entry, size + more.size, &data) < 0)
        return -ENOMEM;
    copy_bytes(data + size, more);
    return 0;
}

const char *string_encoding(const struct entry *entry)
{
    if (entry->form == ENTRY_INTEGER)
        return "int";
    return entry->edited || string_size(entry) > STRING_EMBSTR_MAX ? "raw" : "embstr";
}

int string_copy(const struct entry *entry, weft_slice key, struct entry **copy)
{
    char space[STRING_SPACE];
    weft_slice text = string_get(entry, space);
    struct entry *made = entry->form == ENTRY_LARGE ? create_large(NULL, false, key, text, 0)
                                                    : create(NULL, false, key, text);
    if (!made)
        return -ENOMEM;
    made->edited = entry->edited;
    *copy = made;
    return 0;
}
