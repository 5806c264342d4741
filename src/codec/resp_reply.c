/* Replies as clients read them: any value, nested.
 *
 *     scanned ── a value's head is complete ──> a leaf is noted, or a frame opened
 *                                                  │
 *         the frame's values are all there <───────┘
 *             └──> it is closed, which is a value of the frame around it; without one: COMPLETE
 *
 * A value of which a byte is missing is looked at anew from its first one, but for the search for
 * its line's end. An attribute is no value of the frame around it. */

#include "codec/resp.h"

#include <math.h>
#include <string.h>

#define UNTIL_END UINT32_MAX

/* What is behind the kind, up to the line's end. */
struct line {
    const char *text;
    size_t len;
    size_t next; /* offset behind the line's end */
};

void wf_resp_reply_begin(struct wf_resp_reply *reply, const struct wf_resp_limits *limits)
{
    reply->count = 0;
    reply->need = 0;
    reply->size = 0;
    reply->value = 0;
    reply->why = NULL;
    reply->limits = *limits;
    reply->window = NULL;
    reply->scanned = 0;
    reply->seen = 0;
    reply->depth = 0;
}

static enum wf_resp_result refuse(struct wf_resp_reply *reply, const char *why)
{
    reply->why = why;
    return WF_RESP_REFUSED;
}

static bool has_text(const struct wf_resp_node *node)
{
    switch (node->kind) {
    case WF_RESP_STATUS:
    case WF_RESP_ERROR:
    case WF_RESP_STRING:
    case WF_RESP_BIG_NUMBER:
    case WF_RESP_LONG_ERROR:
    case WF_RESP_VERBATIM:
        return true;
    default:
        return false;
    }
}

static void follow(struct wf_resp_reply *reply, const char *window)
{
    for (uint32_t i = 0; reply->window != window && i < reply->count; i++)
        if (has_text(&reply->nodes[i]))
            reply->nodes[i].as.text = window + (reply->nodes[i].as.text - reply->window);
    reply->window = window;
}

/* --- the tree --- */

/* Close what has all its values, from inside out. */
static enum wf_resp_result end_value(struct wf_resp_reply *reply, uint32_t index)
{
    struct wf_resp_node *nodes = reply->nodes;
    for (;;) {
        nodes[index].end = reply->count;
        bool is_value = nodes[index].kind != WF_RESP_ATTRIBUTE;
        if (reply->depth == 0) {
            reply->value = index;
            reply->size = reply->scanned;
            return is_value ? WF_RESP_COMPLETE : WF_RESP_MORE;
        }
        struct wf_resp_frame *frame = &reply->frames[reply->depth - 1];
        if (!is_value)
            return WF_RESP_MORE;
        nodes[frame->node].count++;
        if (frame->left == UNTIL_END || --frame->left > 0)
            return WF_RESP_MORE;
        index = frame->node;
        reply->depth--;
    }
}

/* Note a value, whose head ends at `next`. */
static struct wf_resp_node *add(struct wf_resp_reply *reply, uint8_t kind, size_t next)
{
    struct wf_resp_node *node = &reply->nodes[reply->count++];
    *node = (struct wf_resp_node){ .kind = kind };
    reply->scanned = reply->seen = (uint32_t)next;
    return node;
}

static enum wf_resp_result add_leaf(struct wf_resp_reply *reply, uint8_t kind, size_t next,
                                    const char *text, size_t len)
{
    struct wf_resp_node *node = add(reply, kind, next);
    node->as.text = text;
    node->len = (uint32_t)len;
    return end_value(reply, reply->count - 1);
}

static enum wf_resp_result add_integer(struct wf_resp_reply *reply, uint8_t kind, size_t next,
                                       int64_t value)
{
    add(reply, kind, next)->as.integer = value;
    return end_value(reply, reply->count - 1);
}

static enum wf_resp_result open_frame(struct wf_resp_reply *reply, uint8_t kind, size_t next,
                                      uint32_t values)
{
    if (reply->depth == reply->limits.depth_max || reply->depth == WF_RESP_DEPTH_MAX)
        return refuse(reply, "a reply is nested too deeply");
    add(reply, kind, next);
    if (values == 0)
        return end_value(reply, reply->count - 1);
    reply->frames[reply->depth++] =
        (struct wf_resp_frame){ .node = reply->count - 1, .left = values };
    return WF_RESP_MORE;
}

static struct wf_resp_node *innermost(struct wf_resp_reply *reply)
{
    return reply->depth > 0 ? &reply->nodes[reply->frames[reply->depth - 1].node] : NULL;
}

static enum wf_resp_result close_frame(struct wf_resp_reply *reply, size_t next)
{
    uint32_t index = reply->frames[--reply->depth].node;
    reply->scanned = reply->seen = (uint32_t)next;
    return end_value(reply, index);
}

/* --- values --- */

static enum wf_resp_result read_integer(struct wf_resp_reply *reply, const struct line *line)
{
    size_t plus = line->len > 0 && line->text[0] == '+';
    int64_t value;
    if (!wf_resp_read_integer(line->text + plus, line->len - plus, &value))
        return refuse(reply, "an integer is none");
    return add_integer(reply, WF_RESP_INTEGER, line->next, value);
}

static enum wf_resp_result read_double(struct wf_resp_reply *reply, const struct line *line)
{
    double value;
    bool is_nan = line->len >= 3 && memcmp(line->text + line->len - 3, "nan", 3) == 0;
    if (is_nan)
        value = (double)NAN;
    else if (!wf_resp_read_double(line->text, line->len, &value))
        return refuse(reply, "a double is none");
    add(reply, WF_RESP_DOUBLE, line->next)->as.number = value;
    return end_value(reply, reply->count - 1);
}

static enum wf_resp_result read_boolean(struct wf_resp_reply *reply, const struct line *line)
{
    bool is_one = line->len == 1 && (line->text[0] == 't' || line->text[0] == 'f');
    if (!is_one)
        return refuse(reply, "a boolean is neither t nor f");
    return add_integer(reply, WF_RESP_BOOLEAN, line->next, line->text[0] == 't');
}

static bool is_until_end(const struct line *line)
{
    return line->len == 1 && line->text[0] == '?';
}

static enum wf_resp_result read_null(struct wf_resp_reply *reply, const struct line *line)
{
    if (line->len > 0)
        return refuse(reply, "a null has a value");
    return add_integer(reply, WF_RESP_NULL, line->next, 0);
}

/* The length of a string or an aggregate; -1 means the same as null in version 2. */
static bool read_count(const struct line *line, uint8_t kind, int64_t max, int64_t *count)
{
    bool may_be_null = kind == WF_RESP_STRING || kind == WF_RESP_ARRAY;
    return wf_resp_read_integer(line->text, line->len, count) && *count <= max &&
           *count >= (may_be_null ? -1 : 0);
}

static enum wf_resp_result read_string(struct wf_resp_reply *reply, uint8_t kind,
                                       const struct line *line, size_t len)
{
    int64_t size;
    if (kind == WF_RESP_STRING && is_until_end(line))
        return open_frame(reply, WF_RESP_CHUNKS, line->next, UNTIL_END);
    if (!read_count(line, kind, reply->limits.string_max, &size))
        return refuse(reply, "a string has no length, or too large a one");
    if (size < 0)
        return add_integer(reply, WF_RESP_NULL, line->next, 0);
    const char *text = reply->window + line->next;
    if (len - line->next < (size_t)size + 2)
        return WF_RESP_MORE;
    if (memcmp(text + size, "\r\n", 2) != 0)
        return refuse(reply, "a string is longer than it says");
    return add_leaf(reply, kind, line->next + (size_t)size + 2, text, (size_t)size);
}

static enum wf_resp_result read_aggregate(struct wf_resp_reply *reply, uint8_t kind,
                                          const struct line *line)
{
    bool has_pairs = kind == WF_RESP_MAP || kind == WF_RESP_ATTRIBUTE;
    int64_t count, max = reply->limits.count_max >> has_pairs;
    if (is_until_end(line) && kind != WF_RESP_ATTRIBUTE && kind != WF_RESP_PUSH)
        return open_frame(reply, kind, line->next, UNTIL_END);
    if (!read_count(line, kind, max, &count))
        return refuse(reply, "an aggregate has no count, or too large a one");
    if (count < 0)
        return add_integer(reply, WF_RESP_NULL, line->next, 0);
    return open_frame(reply, kind, line->next, (uint32_t)count << has_pairs);
}

/* "." behind the last value of an aggregate without a count. */
static enum wf_resp_result read_end(struct wf_resp_reply *reply, const struct line *line)
{
    const struct wf_resp_node *open = innermost(reply);
    bool is_open = open && reply->frames[reply->depth - 1].left == UNTIL_END;
    if (!is_open || open->kind == WF_RESP_CHUNKS || line->len > 0)
        return refuse(reply, "an end of nothing");
    if (open->kind == WF_RESP_MAP && open->count % 2 != 0)
        return refuse(reply, "a key without a value");
    return close_frame(reply, line->next);
}

/* A piece of a string; the one without bytes is its end. */
static enum wf_resp_result read_chunk(struct wf_resp_reply *reply, const struct line *line,
                                      size_t len)
{
    bool is_end = line->len == 1 && line->text[0] == '0';
    if (is_end)
        return close_frame(reply, line->next);
    if (line->len > 0 && line->text[0] == '-')
        return refuse(reply, "a piece of a string has no length");
    return read_string(reply, WF_RESP_STRING, line, len);
}

static enum wf_resp_result read_value(struct wf_resp_reply *reply, uint8_t kind,
                                      const struct line *line, size_t len)
{
    const struct wf_resp_node *open = innermost(reply);
    bool in_chunks = open && open->kind == WF_RESP_CHUNKS;
    if (in_chunks != (kind == WF_RESP_CHUNKS) || (in_chunks && is_until_end(line)))
        return refuse(reply, "a piece of a string where none belongs, or none where one does");
    switch (kind) {
    case WF_RESP_STATUS:
    case WF_RESP_ERROR:
    case WF_RESP_BIG_NUMBER:
        return add_leaf(reply, kind, line->next, line->text, line->len);
    case WF_RESP_INTEGER:
        return read_integer(reply, line);
    case WF_RESP_DOUBLE:
        return read_double(reply, line);
    case WF_RESP_BOOLEAN:
        return read_boolean(reply, line);
    case WF_RESP_NULL:
        return read_null(reply, line);
    case WF_RESP_STRING:
    case WF_RESP_LONG_ERROR:
    case WF_RESP_VERBATIM:
        return read_string(reply, kind, line, len);
    case WF_RESP_CHUNKS:
        return read_chunk(reply, line, len);
    case WF_RESP_ARRAY:
    case WF_RESP_MAP:
    case WF_RESP_SET:
    case WF_RESP_ATTRIBUTE:
    case WF_RESP_PUSH:
        return read_aggregate(reply, kind, line);
    case '.':
        return read_end(reply, line);
    default:
        return refuse(reply, "a value of an unknown kind");
    }
}

/* --- lines --- */

/* Find the end of the line that begins at `scanned`. */
static enum wf_resp_result find_line(struct wf_resp_reply *reply, size_t len, struct line *line)
{
    size_t begin = reply->scanned, max = begin + 1 + reply->limits.inline_max;
    size_t from = reply->seen > begin ? reply->seen : begin + 1, to = len < max ? len : max;
    const char *end = from < to ? memchr(reply->window + from, '\r', to - from) : NULL;
    size_t at = end ? (size_t)(end - reply->window) : to;
    if (!end || at + 1 == len) {
        reply->seen = at > begin ? (uint32_t)at : reply->seen;
        return !end && len >= max ? refuse(reply, "a line is too long") : WF_RESP_MORE;
    }
    if (reply->window[at + 1] != '\n')
        return refuse(reply, "a line ends in the middle");
    *line = (struct line){ reply->window + begin + 1, at - begin - 1, at + 2 };
    return WF_RESP_COMPLETE;
}

enum wf_resp_result wf_resp_reply_parse(struct wf_resp_reply *reply, const char *window, size_t len)
{
    follow(reply, window);
    for (;;) {
        struct line line;
        if (reply->scanned >= len)
            return WF_RESP_MORE;
        if (reply->count == reply->room) {
            reply->need = reply->room < 8 ? 16 : reply->room * 2;
            return WF_RESP_ROOM;
        }
        uint32_t before = reply->scanned;
        enum wf_resp_result result = find_line(reply, len, &line);
        if (result == WF_RESP_COMPLETE)
            result = read_value(reply, (uint8_t)window[before], &line, len);
        if (result != WF_RESP_MORE || reply->scanned == before)
            return result;
    }
}
