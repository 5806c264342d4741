/* Replies, written behind one another into the buffer of the client that is served. What goes wrong
 * there closes the client, and no byte of what stands there is sent any more: a part of a reply
 * would be read as another one. */

#include "redis/peer.h"

#include "base/compiler.h"

#include <weft/error.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 1024

static WF_COLD char *more_room(struct wf_redis_peer *peer, size_t size, int *err)
{
    char *space;
    *err = weft_buffer_reserve(&peer->work->out, size, &space);
    if (*err == 0)
        return space;
    wf_redis_peer_fail(peer, *err);
    return NULL;
}

static inline char *room(weft_redis_request *request, size_t size, int *err)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    weft_buffer *out = &peer->work->out;
    if (WF_LIKELY(weft_buffer_writable(out) >= size))
        return out->storage + out->write;
    return more_room(peer, size, err);
}

/* Room was there, and is filled up to `end`. */
static inline int fill(weft_redis_request *request, const char *end)
{
    weft_buffer *out = &wf_redis_peer_of(request)->work->out;
    out->write = (size_t)(end - out->storage);
    return 0;
}

int weft_redis_reply_status(weft_redis_request *request, const char *text)
{
    size_t size = strlen(text);
    int err;
    char *out = room(request, size + 3, &err);
    if (!out)
        return err;
    *out++ = WF_RESP_STATUS;
    memcpy(out, text, size);
    memcpy(out + size, "\r\n", 2);
    return fill(request, out + size + 2);
}

int weft_redis_reply_error(weft_redis_request *request, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list args;
    int err;
    va_start(args, format);
    int printed = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t size = printed < 0                     ? 0
                  : (size_t)printed < sizeof text ? (size_t)printed
                                                  : sizeof text - 1;
    char *out = room(request, size + 3, &err);
    if (!out)
        return err;
    *out++ = WF_RESP_ERROR;
    for (size_t i = 0; i < size; i++)
        *out++ = text[i];
    for (char *at = out - size; at < out; at++)
        if (*at == '\r' || *at == '\n')
            *at = ' ';
    memcpy(out, "\r\n", 2);
    return fill(request, out + 2);
}

int weft_redis_reply_integer(weft_redis_request *request, int64_t value)
{
    int err;
    char *out = room(request, WF_RESP_HEAD_MAX, &err);
    return out ? fill(request, wf_resp_write_head(out, WF_RESP_INTEGER, value)) : err;
}

int weft_redis_reply_string(weft_redis_request *request, const void *data, size_t size)
{
    int err;
    char *out = room(request, size + WF_RESP_HEAD_MAX + 2, &err);
    return out ? fill(request, wf_resp_write_string(out, data, size)) : err;
}

int weft_redis_reply_format(weft_redis_request *request, const char *format, ...)
{
    char text[LINE_MAX_BYTES + 1];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= sizeof text)
        return size < 0 ? -EINVAL : -EMSGSIZE;
    return weft_redis_reply_string(request, text, (size_t)size);
}

int weft_redis_reply_verbatim(weft_redis_request *request, const void *data, size_t size)
{
    int err;
    if (request->version < 3)
        return weft_redis_reply_string(request, data, size);
    char *out = room(request, size + WF_RESP_HEAD_MAX + 6, &err);
    if (!out)
        return err;
    out = wf_resp_write_head(out, WF_RESP_VERBATIM, (int64_t)size + 4);
    memcpy(out, "txt:", 4);
    memcpy(out + 4, data, size);
    memcpy(out + 4 + size, "\r\n", 2);
    return fill(request, out + 4 + size + 2);
}

int weft_redis_reply_null(weft_redis_request *request)
{
    int err;
    char *out = room(request, WF_RESP_HEAD_MAX, &err);
    return out ? fill(request, wf_resp_write_null(out, request->version)) : err;
}

int weft_redis_reply_null_array(weft_redis_request *request)
{
    int err;
    char *out = room(request, WF_RESP_HEAD_MAX, &err);
    return out ? fill(request, wf_resp_write_null_array(out, request->version)) : err;
}

int weft_redis_reply_boolean(weft_redis_request *request, bool value)
{
    int err;
    char *out = room(request, WF_RESP_HEAD_MAX, &err);
    return out ? fill(request, wf_resp_write_boolean(out, value, request->version)) : err;
}

int weft_redis_reply_double(weft_redis_request *request, double value)
{
    int err;
    char *out = room(request, WF_RESP_DOUBLE_MAX, &err);
    return out ? fill(request, wf_resp_write_double(out, value, request->version)) : err;
}

/* --- aggregates --- */

static int begin(weft_redis_request *request, enum wf_resp_kind kind, size_t count)
{
    int err;
    char *out = room(request, WF_RESP_HEAD_MAX, &err);
    return out ? fill(request, wf_resp_write_aggregate(out, kind, count, request->version)) : err;
}

int weft_redis_reply_array(weft_redis_request *request, size_t count)
{
    return begin(request, WF_RESP_ARRAY, count);
}

int weft_redis_reply_map(weft_redis_request *request, size_t count)
{
    return begin(request, WF_RESP_MAP, count);
}

int weft_redis_reply_set(weft_redis_request *request, size_t count)
{
    return begin(request, WF_RESP_SET, count);
}

int weft_redis_reply_attribute(weft_redis_request *request, size_t count)
{
    if (request->version < 3)
        return 0;
    int err = begin(request, WF_RESP_ATTRIBUTE, count);
    return err < 0 ? err : 1;
}

/* Offsets from the first readable byte: what is written before may have been moved meanwhile. */
weft_redis_mark weft_redis_reply_defer(weft_redis_request *request)
{
    return weft_buffer_readable(&wf_redis_peer_of(request)->work->out);
}

static int insert(weft_redis_request *request, weft_redis_mark mark, const char *head,
                  const char *end)
{
    weft_buffer *buffer = &wf_redis_peer_of(request)->work->out;
    size_t size = (size_t)(end - head);
    size_t behind = weft_buffer_readable(buffer) - mark;
    int err;
    char *out = room(request, size, &err);
    if (!out)
        return err;
    char *begin_of = weft_buffer_data(buffer) + mark;
    memmove(begin_of + size, begin_of, behind);
    memcpy(begin_of, head, size);
    return fill(request, begin_of + size + behind);
}

static int end_deferred(weft_redis_request *request, weft_redis_mark mark, enum wf_resp_kind kind,
                        size_t count)
{
    char head[WF_RESP_HEAD_MAX];
    char *end = wf_resp_write_aggregate(head, kind, count, request->version);
    return insert(request, mark, head, end);
}

int weft_redis_reply_scan_deferred(weft_redis_request *request, weft_redis_mark mark,
                                   uint64_t cursor, size_t count)
{
    char head[4 * WF_RESP_HEAD_MAX], text[24];
    int size = snprintf(text, sizeof text, "%llu", (unsigned long long)cursor);
    char *at = wf_resp_write_head(head, WF_RESP_ARRAY, 2);
    at = wf_resp_write_string(at, text, (size_t)size);
    at = wf_resp_write_head(at, WF_RESP_ARRAY, (int64_t)count);
    return insert(request, mark, head, at);
}

int weft_redis_reply_array_deferred(weft_redis_request *request, weft_redis_mark mark, size_t count)
{
    return end_deferred(request, mark, WF_RESP_ARRAY, count);
}

int weft_redis_reply_map_deferred(weft_redis_request *request, weft_redis_mark mark, size_t count)
{
    return end_deferred(request, mark, WF_RESP_MAP, count);
}

int weft_redis_reply_set_deferred(weft_redis_request *request, weft_redis_mark mark, size_t count)
{
    return end_deferred(request, mark, WF_RESP_SET, count);
}
