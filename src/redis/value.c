/* Trees from nodes.
 *
 *     nodes, depth first:   map ─ key ─ array ─ a ─ b ─ key ─ value
 *     values:               map │ key array key value │ a b
 *
 * The codec's nodes lie in the connection's window and are gone with it. A tree is two pieces of
 * the caller's arena, whatever its shape: all values, the elements of each next to one another, and
 * all texts. Attributes are no elements of what is around them: they hang on the value behind them.
 * A string that came in pieces is joined. No recursion: a stack of frames as deep as the codec's.
 */

#include "redis/value.h"

#include "base/compiler.h"

#include <errno.h>
#include <string.h>

struct frame {
    weft_redis_value *next;             /* where the next element goes */
    const weft_redis_value *attributes; /* that wait for the value they belong to */
    uint32_t end;                       /* of its nodes */
};

struct builder {
    const struct wf_resp_node *nodes;
    weft_redis_value *values; /* `used` of them are given out */
    size_t used;
    char *text; /* where the next one goes */
    struct frame frames[WF_RESP_DEPTH_MAX + 1];
    unsigned depth;
};

static bool has_text(uint8_t kind)
{
    return kind == WF_RESP_STATUS || kind == WF_RESP_ERROR || kind == WF_RESP_LONG_ERROR ||
           kind == WF_RESP_STRING || kind == WF_RESP_BIG_NUMBER || kind == WF_RESP_VERBATIM;
}

static enum weft_redis_kind kind_of(uint8_t kind)
{
    switch (kind) {
    case WF_RESP_STATUS:
        return WEFT_REDIS_STATUS;
    case WF_RESP_ERROR:
    case WF_RESP_LONG_ERROR:
        return WEFT_REDIS_ERROR;
    case WF_RESP_INTEGER:
        return WEFT_REDIS_INTEGER;
    case WF_RESP_STRING:
    case WF_RESP_VERBATIM:
    case WF_RESP_CHUNKS:
        return WEFT_REDIS_STRING;
    case WF_RESP_BOOLEAN:
        return WEFT_REDIS_BOOLEAN;
    case WF_RESP_DOUBLE:
        return WEFT_REDIS_DOUBLE;
    case WF_RESP_BIG_NUMBER:
        return WEFT_REDIS_BIG_NUMBER;
    case WF_RESP_ARRAY:
        return WEFT_REDIS_ARRAY;
    case WF_RESP_MAP:
    case WF_RESP_ATTRIBUTE:
        return WEFT_REDIS_MAP;
    case WF_RESP_SET:
        return WEFT_REDIS_SET;
    case WF_RESP_PUSH:
        return WEFT_REDIS_PUSH;
    default:
        return WEFT_REDIS_NULL;
    }
}

static bool is_aggregate(uint8_t kind)
{
    return kind == WF_RESP_ARRAY || kind == WF_RESP_MAP || kind == WF_RESP_SET ||
           kind == WF_RESP_PUSH || kind == WF_RESP_ATTRIBUTE;
}

/* --- the parts of a value --- */

static void add_text(struct builder *b, weft_redis_value *value, const char *text, size_t size)
{
    memcpy(b->text, text, size);
    b->text += size;
    value->size += size;
}

static void end_text(struct builder *b)
{
    *b->text++ = '\0';
}

/* The three letters and the colon of a verbatim string say what kind of text it is. */
static void set_text(struct builder *b, weft_redis_value *value, const struct wf_resp_node *node)
{
    size_t skip = node->kind == WF_RESP_VERBATIM && node->len >= 4 ? 4 : 0;
    value->text = b->text;
    add_text(b, value, node->as.text + skip, node->len - skip);
    end_text(b);
}

static void join_pieces(struct builder *b, weft_redis_value *value, uint32_t index)
{
    value->text = b->text;
    for (uint32_t i = index + 1; i < b->nodes[index].end; i++)
        add_text(b, value, b->nodes[i].as.text, b->nodes[i].len);
    end_text(b);
}

static void open_frame(struct builder *b, weft_redis_value *value, const struct wf_resp_node *node)
{
    weft_redis_value *elements = b->values + b->used;
    b->used += node->count;
    value->count = node->count;
    value->elements = elements;
    wf_assert(b->depth < WF_ARRAY_SIZE(b->frames));
    b->frames[b->depth++] = (struct frame){ .next = elements, .end = node->end };
}

/* Where the node's value goes: an element of the frame around it, or attributes of the next. */
static weft_redis_value *place(struct builder *b, const struct wf_resp_node *node)
{
    struct frame *frame = &b->frames[b->depth - 1];
    bool is_attribute = node->kind == WF_RESP_ATTRIBUTE;
    weft_redis_value *value = is_attribute ? b->values + b->used++ : frame->next++;
    *value = (weft_redis_value){ .kind = kind_of(node->kind), .text = "" };
    value->attributes = is_attribute ? NULL : frame->attributes;
    frame->attributes = is_attribute ? value : NULL;
    return value;
}

/* Build the value of a node. Returns the index of the next node to look at. */
static uint32_t add_node(struct builder *b, uint32_t index)
{
    const struct wf_resp_node *node = &b->nodes[index];
    weft_redis_value *value = place(b, node);
    if (node->kind == WF_RESP_CHUNKS) {
        join_pieces(b, value, index);
        return node->end;
    }
    if (is_aggregate(node->kind))
        open_frame(b, value, node);
    else if (has_text(node->kind))
        set_text(b, value, node);
    else if (node->kind == WF_RESP_DOUBLE)
        value->number = node->as.number;
    else
        value->integer = node->as.integer;
    return index + 1;
}

/* --- the whole --- */

static size_t text_size(const struct wf_resp_reply *reply)
{
    size_t size = 0;
    for (uint32_t i = 0; i < reply->count; i++)
        size += 1 + (has_text(reply->nodes[i].kind) ? reply->nodes[i].len : 0);
    return size;
}

int wf_redis_value_build(weft_arena *arena, const struct wf_resp_reply *reply,
                         const weft_redis_value **value)
{
    struct builder b = { .nodes = reply->nodes, .used = 1, .depth = 1 };
    b.values = weft_arena_alloc(arena, reply->count * sizeof *b.values);
    b.text = b.values ? weft_arena_alloc(arena, text_size(reply)) : NULL;
    if (!b.text)
        return -ENOMEM;
    b.frames[0] = (struct frame){ .next = b.values, .end = reply->count };
    for (uint32_t i = 0; i < reply->count;) {
        while (i >= b.frames[b.depth - 1].end)
            b.depth--;
        i = add_node(&b, i);
    }
    *value = b.values;
    return 0;
}

bool wf_redis_value_is_error(const struct wf_resp_reply *reply)
{
    uint8_t kind = reply->nodes[reply->value].kind;
    return kind == WF_RESP_ERROR || kind == WF_RESP_LONG_ERROR;
}

/* --- looking at one --- */

const weft_redis_value *weft_redis_value_at(const weft_redis_value *value, size_t index)
{
    return value && index < value->count ? &value->elements[index] : NULL;
}

const weft_redis_value *weft_redis_value_find(const weft_redis_value *value, const char *key)
{
    size_t size = strlen(key);
    for (size_t i = 0; value && i + 1 < value->count; i += 2) {
        const weft_redis_value *found = &value->elements[i];
        if (found->size == size && memcmp(found->text, key, size) == 0)
            return found + 1;
    }
    return NULL;
}
