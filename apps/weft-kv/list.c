/* Lists: see list.h. */

#include "list.h"

#include "base/compiler.h"
#include "memory.h"

#include <errno.h>
#include <string.h>

#define RING_LEAST 4

/* Invariants: capacity is a power of two; 0 < count <= capacity; no node is empty. */
struct list {
    struct remains remains;
    struct pack **ring;
    uint32_t capacity;
    uint32_t head; /* where node 0 is */
    uint32_t nodes;
    uint64_t count; /* of elements */
};

static struct list *list_of(const struct entry *entry)
{
    return entry->form == ENTRY_LARGE ? entry_value(entry) : NULL;
}

static struct pack **ring_at(const struct list *list, uint32_t node)
{
    return &list->ring[(list->head + node) & (list->capacity - 1)];
}

static uint32_t node_count(const struct entry *entry)
{
    const struct list *list = list_of(entry);
    return list ? list->nodes : 1;
}

static struct pack **node_at(const struct entry *entry, uint32_t node)
{
    const struct list *list = list_of(entry);
    return list ? ring_at(list, node) : (struct pack **)entry_payload((struct entry *)entry);
}

uint64_t list_count(const struct entry *entry)
{
    const struct list *list = list_of(entry);
    return list ? list->count : pack_count(entry_value(entry));
}

/* --- the ring --- */

static int ring_reserve(struct list *list, uint32_t more)
{
    if (list->nodes + more <= list->capacity)
        return 0;
    uint32_t capacity = list->capacity ? list->capacity * 2 : RING_LEAST;
    struct pack **ring = kv_alloc(capacity * sizeof(struct pack *));
    if (!ring)
        return -ENOMEM;
    for (uint32_t i = 0; i < list->nodes; i++)
        ring[i] = *ring_at(list, i);
    kv_free(list->ring);
    list->ring = ring;
    list->capacity = capacity;
    list->head = 0;
    return 0;
}

/* There is room. The shorter side moves. */
static void ring_insert(struct list *list, uint32_t node, struct pack *pack)
{
    if (node < list->nodes / 2) {
        list->head = (list->head - 1) & (list->capacity - 1);
        for (uint32_t i = 0; i < node; i++)
            *ring_at(list, i) = *ring_at(list, i + 1);
    } else {
        for (uint32_t i = list->nodes; i > node; i--)
            *ring_at(list, i) = *ring_at(list, i - 1);
    }
    list->nodes++;
    *ring_at(list, node) = pack;
}

static void ring_remove(struct list *list, uint32_t node)
{
    kv_free(*ring_at(list, node));
    if (node < list->nodes / 2) {
        for (uint32_t i = node; i > 0; i--)
            *ring_at(list, i) = *ring_at(list, i - 1);
        list->head = (list->head + 1) & (list->capacity - 1);
    } else {
        for (uint32_t i = node; i + 1 < list->nodes; i++)
            *ring_at(list, i) = *ring_at(list, i + 1);
    }
    list->nodes--;
}

static bool list_free_some(struct remains *remains, uint64_t *steps)
{
    struct list *list = wf_container(remains, struct list, remains);
    for (; list->nodes > 0 && *steps > 0; --*steps)
        kv_free(*ring_at(list, --list->nodes));
    if (list->nodes > 0)
        return false;
    kv_free(list->ring);
    kv_free(list);
    return true;
}

/* --- forms --- */

/* From a pack to a ring with that pack in it; an empty list has an empty ring for the moment. */
static int enlarge(struct entry *entry)
{
    if (entry->form == ENTRY_LARGE)
        return 0;
    struct list *list = kv_alloc_zero(sizeof *list);
    if (!list || ring_reserve(list, 1) < 0) {
        kv_free(list);
        return -ENOMEM;
    }
    struct pack *pack = entry_value(entry);
    list->remains.free_some = list_free_some;
    list->count = pack_count(pack);
    if (list->count)
        ring_insert(list, 0, pack);
    else
        kv_free(pack);
    *entry_payload(entry) = list;
    entry->form = ENTRY_LARGE;
    return 0;
}

/* Back to a pack, when it is small enough or empty. */
static void settle(struct entry *entry, const struct kv_limits *limits)
{
    struct list *list = list_of(entry);
    if (!list || list->nodes > 1 ||
        (list->nodes == 1 && pack_bytes(*ring_at(list, 0)) > limits->list_bytes / 2))
        return;
    *entry_payload(entry) = list->nodes ? *ring_at(list, 0) : NULL;
    entry->form = ENTRY_SMALL;
    kv_free(list->ring);
    kv_free(list);
}

/* --- adding --- */

static bool has_room(const struct pack *pack, const struct pack_item *item, uint32_t most)
{
    return pack_bytes(pack) + pack_item_size(item) <= most;
}

static int put_in(struct entry *entry, uint32_t node, uint32_t at, const struct pack_item *item)
{
    struct list *list = list_of(entry);
    if (pack_splice(node_at(entry, node), at, 0, item, 1) < 0)
        return -ENOMEM;
    if (list)
        list->count++;
    return 0;
}

/* A node that begins with this item: with room for what will come, so that it grows only once. */
static int put_node(struct list *list, uint32_t node, const struct pack_item *item, uint32_t most)
{
    struct pack *pack = NULL;
    if (ring_reserve(list, 1) < 0 || pack_reserve(&pack, most) < 0)
        return -ENOMEM;
    if (pack_splice(&pack, 0, 0, item, 1) < 0) {
        kv_free(pack);
        return -ENOMEM;
    }
    ring_insert(list, node, pack);
    list->count++;
    return 0;
}

/* What a node may have for a push: half of the limit, once there are nodes. A push or a pop at the
 * front moves what is in its node. */
static uint32_t push_most(const struct entry *entry, const struct kv_limits *limits)
{
    return entry->form == ENTRY_LARGE ? limits->list_bytes / 2 : limits->list_bytes;
}

int list_push(struct entry *entry, bool first, weft_slice text, const struct kv_limits *limits)
{
    struct pack_item item = pack_item_of(text);
    uint32_t node = first ? 0 : node_count(entry) - 1;
    if (has_room(*node_at(entry, node), &item, push_most(entry, limits)))
        return put_in(entry, node, first ? 0 : PACK_END, &item);
    if (enlarge(entry) < 0)
        return -ENOMEM;
    struct list *list = list_of(entry);
    int err = put_node(list, first ? 0 : list->nodes, &item, push_most(entry, limits));
    settle(entry, limits);
    return err;
}

/* Cut a node in two in front of `at`; the list is the same as before. */
static int split(struct list *list, uint32_t node, uint32_t at)
{
    struct pack *rest;
    if (ring_reserve(list, 1) < 0 || pack_split(ring_at(list, node), at, &rest) < 0)
        return -ENOMEM;
    ring_insert(list, node + 1, rest);
    return 0;
}

/* In front of `at`, in a node that is full. It goes to the end of what is in front where that has
 * room, else to the front of what is behind, else between them. */
static int insert_in_full(struct entry *entry, struct list_cursor *cursor,
                          const struct pack_item *item, const struct kv_limits *limits)
{
    struct list *list = list_of(entry);
    if (cursor->at != 0) { /* make it the beginning of a node */
        if (cursor->at != PACK_END && split(list, cursor->node, cursor->at) < 0)
            return -ENOMEM;
        *cursor = (struct list_cursor){ cursor->node + 1, 0 };
    }
    if (cursor->node > 0 && has_room(*ring_at(list, cursor->node - 1), item, limits->list_bytes)) {
        cursor->node--;
        cursor->at = pack_bytes(*ring_at(list, cursor->node));
        return put_in(entry, cursor->node, PACK_END, item);
    }
    if (cursor->node < list->nodes &&
        has_room(*ring_at(list, cursor->node), item, limits->list_bytes))
        return put_in(entry, cursor->node, 0, item);
    return put_node(list, cursor->node, item, limits->list_bytes);
}

int list_insert(struct entry *entry, struct list_cursor *cursor, bool behind, weft_slice text,
                const struct kv_limits *limits)
{
    struct pack_item item = pack_item_of(text);
    const struct pack *pack = *node_at(entry, cursor->node);
    if (behind)
        cursor->at = pack_next(pack, cursor->at);
    if (!has_room(pack, &item, limits->list_bytes)) {
        int err = enlarge(entry) < 0 ? -ENOMEM : insert_in_full(entry, cursor, &item, limits);
        settle(entry, limits);
        return err;
    }
    uint32_t at = cursor->at == PACK_END ? pack->bytes : cursor->at;
    if (put_in(entry, cursor->node, at, &item) < 0)
        return -ENOMEM;
    cursor->at = at;
    return 0;
}

/* --- places --- */

static bool seek_pack(const struct entry *entry, uint32_t node, int64_t index,
                      struct list_cursor *cursor)
{
    *cursor = (struct list_cursor){ node, pack_at(*node_at(entry, node), index) };
    return true;
}

static bool seek_forward(const struct entry *entry, uint64_t index, struct list_cursor *cursor)
{
    uint32_t node = 0;
    for (uint32_t count; index >= (count = pack_count(*node_at(entry, node))); node++)
        index -= count;
    return seek_pack(entry, node, (int64_t)index, cursor);
}

/* `back`: 1 is the last one. */
static bool seek_backward(const struct entry *entry, uint64_t back, struct list_cursor *cursor)
{
    uint32_t node = node_count(entry) - 1;
    for (uint32_t count; back > (count = pack_count(*node_at(entry, node))); node--)
        back -= count;
    return seek_pack(entry, node, -(int64_t)back, cursor);
}

bool list_seek(const struct entry *entry, int64_t index, struct list_cursor *cursor)
{
    int64_t count = (int64_t)list_count(entry);
    if (index < 0)
        index += count;
    if (index < 0 || index >= count)
        return false;
    return index < count / 2 ? seek_forward(entry, (uint64_t)index, cursor)
                             : seek_backward(entry, (uint64_t)(count - index), cursor);
}

bool list_next(const struct entry *entry, struct list_cursor *cursor)
{
    cursor->at = pack_next(*node_at(entry, cursor->node), cursor->at);
    if (cursor->at != PACK_END)
        return true;
    cursor->at = 0;
    return ++cursor->node < node_count(entry);
}

bool list_previous(const struct entry *entry, struct list_cursor *cursor)
{
    cursor->at = pack_previous(*node_at(entry, cursor->node), cursor->at);
    if (cursor->at != PACK_END)
        return true;
    if (cursor->node-- == 0)
        return false;
    cursor->at = pack_last(*node_at(entry, cursor->node));
    return true;
}

struct pack_item list_get(const struct entry *entry, const struct list_cursor *cursor)
{
    return pack_get(*node_at(entry, cursor->node), cursor->at);
}

/* --- taking out --- */

/* Take out the cursor's. The form stays; the cursor stands where the next one is, if any is. */
static void take_out(struct entry *entry, struct list_cursor *cursor)
{
    struct list *list = list_of(entry);
    struct pack **place = node_at(entry, cursor->node);
    pack_delete(place, cursor->at, 1);
    if (list)
        list->count--;
    if (cursor->at < (*place)->bytes)
        return;
    cursor->at = 0;
    if (list && (*place)->count == 0)
        ring_remove(list, cursor->node);
    else
        cursor->node++;
}

int list_set(struct entry *entry, struct list_cursor *cursor, weft_slice text,
             const struct kv_limits *limits)
{
    struct pack_item item = pack_item_of(text), old = list_get(entry, cursor);
    struct pack **place = node_at(entry, cursor->node);
    uint64_t size = pack_bytes(*place) - pack_item_size(&old) + pack_item_size(&item);
    if (size <= limits->list_bytes || (list_of(entry) && (*place)->count == 1)) {
        int err = pack_splice(place, cursor->at, 1, &item, 1);
        settle(entry, limits);
        return err;
    }
    if (list_insert(entry, cursor, false, text, limits) < 0)
        return -ENOMEM;
    struct list_cursor next = *cursor;
    if (list_next(entry, &next))
        take_out(entry, &next);
    settle(entry, limits);
    return 0;
}

/* Whole nodes, then the beginning or the end of one. */
static void drop_from(struct list *list, bool first, uint64_t count)
{
    while (count > 0 && list->nodes > 0) {
        uint32_t node = first ? 0 : list->nodes - 1;
        struct pack **place = ring_at(list, node);
        uint32_t here = (*place)->count;
        if (here > count) {
            uint32_t some = (uint32_t)count;
            pack_delete(place, pack_at(*place, first ? 0 : -(int64_t)some), some);
            list->count -= some;
            return;
        }
        count -= here;
        list->count -= here;
        ring_remove(list, node);
    }
}

void list_drop(struct entry *entry, bool first, uint64_t count, const struct kv_limits *limits)
{
    if (count > list_count(entry))
        count = list_count(entry);
    if (count == 0)
        return;
    struct list *list = list_of(entry);
    struct pack **place = node_at(entry, 0);
    if (!list) {
        pack_delete(place, pack_at(*place, first ? 0 : -(int64_t)count), (uint32_t)count);
        return;
    }
    drop_from(list, first, count);
    settle(entry, limits);
}

static uint64_t remove_forward(struct entry *entry, uint64_t most, const struct pack_item *item)
{
    struct list_cursor cursor = { 0, 0 };
    uint64_t removed = 0;
    while (removed < most && cursor.node < node_count(entry)) {
        const struct pack *pack = *node_at(entry, cursor.node);
        cursor.at = pack_find(pack, cursor.at, item, 1);
        if (cursor.at == PACK_END) {
            cursor = (struct list_cursor){ cursor.node + 1, 0 };
            continue;
        }
        take_out(entry, &cursor);
        removed++;
    }
    return removed;
}

static uint64_t remove_backward(struct entry *entry, uint64_t most, const struct pack_item *item)
{
    struct list_cursor cursor;
    uint64_t removed = 0;
    bool more = list_seek(entry, -1, &cursor);
    while (more && removed < most) {
        struct list_cursor here = cursor;
        struct pack_item found = list_get(entry, &here);
        more = list_previous(entry, &cursor);
        if (pack_item_is(&found, item)) {
            take_out(entry, &here);
            removed++;
        }
    }
    return removed;
}

uint64_t list_remove(struct entry *entry, int64_t count, weft_slice text,
                     const struct kv_limits *limits)
{
    struct pack_item item = pack_item_of(text);
    uint64_t removed = count < 0
                           ? remove_backward(entry, 0 - (uint64_t)count, &item)
                           : remove_forward(entry, count ? (uint64_t)count : UINT64_MAX, &item);
    settle(entry, limits);
    return removed;
}

/* --- the rest --- */

const char *list_encoding(const struct entry *entry)
{
    return entry->form == ENTRY_LARGE ? "quicklist" : "listpack";
}

int list_copy(const struct entry *entry, struct entry *copy)
{
    if (entry->form != ENTRY_LARGE)
        return pack_copy(entry_value(entry), (struct pack **)entry_payload(copy));
    if (enlarge(copy) < 0)
        return -ENOMEM;
    const struct list *from = list_of(entry);
    struct list *to = list_of(copy);
    for (uint32_t i = 0; i < from->nodes; i++) {
        struct pack *pack;
        if (ring_reserve(to, 1) < 0 || pack_copy(*ring_at(from, i), &pack) < 0)
            return -ENOMEM;
        ring_insert(to, to->nodes, pack);
    }
    to->count = from->count;
    return 0;
}
