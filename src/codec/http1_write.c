/* Heads as bytes, into the caller's window: the same strictness outwards as inwards.
 *
 * A cursor runs through the window; the first error sticks to it and later puts do nothing, so the
 * writers read as straight lists of what is on the wire and ask once, at the end. */

#include "base/compiler.h"
#include "codec/http1_inside.h"

#include <errno.h>
#include <string.h>

struct cursor {
    char *start;
    char *at;
    char *end;
    int error; /* 0, or the first negative errno */
};

static struct cursor cursor_on(char *window, size_t size)
{
    return (struct cursor){ .start = window, .at = window, .end = window + size };
}

static ptrdiff_t written(const struct cursor *cursor)
{
    return cursor->error ? cursor->error : cursor->at - cursor->start;
}

static void fail(struct cursor *cursor, int error)
{
    if (!cursor->error)
        cursor->error = error;
}

static WF_ALWAYS_INLINE void put(struct cursor *cursor, const char *text, size_t len)
{
    if (len > (size_t)(cursor->end - cursor->at))
        fail(cursor, -ENOSPC);
    if (cursor->error || len == 0)
        return;
    memcpy(cursor->at, text, len);
    cursor->at += len;
}

/* In line, so that the length of a literal is known. */
static WF_ALWAYS_INLINE void put_text(struct cursor *cursor, const char *text)
{
    put(cursor, text, strlen(text));
}

/* Put what the application gave, if every byte of it is of the class. */
static void put_checked(struct cursor *cursor, const char *text, size_t len, int class)
{
    if (!wf_http1_all(text, len, class))
        fail(cursor, -EINVAL);
    put(cursor, text, len);
}

/* --- numbers --- */

/* Two digits a division. Fills from the end of `digits`; returns where the number starts. */
static char *render_decimal(char digits[static 20], uint64_t value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    char *at = digits + 20;
    for (; value >= 100; value /= 100)
        memcpy(at -= 2, pairs + value % 100 * 2, 2);
    if (value >= 10)
        memcpy(at -= 2, pairs + value * 2, 2);
    else
        *--at = (char)('0' + value);
    return at;
}

static void put_decimal(struct cursor *cursor, uint64_t value)
{
    char digits[20];
    char *start = render_decimal(digits, value);
    put(cursor, start, (size_t)(digits + sizeof(digits) - start));
}

ptrdiff_t wf_http1_write_decimal(char *window, size_t size, uint64_t value)
{
    struct cursor cursor = cursor_on(window, size);
    put_decimal(&cursor, value);
    return written(&cursor);
}

/* Fills from the end of `digits`; returns where the number starts. */
static char *render_hex(char digits[static 16], uint64_t value)
{
    char *at = digits + 16;
    do
        *--at = "0123456789abcdef"[value & 15];
    while (value >>= 4);
    return at;
}

ptrdiff_t wf_http1_write_chunk_size(char *window, size_t size, uint64_t bytes)
{
    char digits[16];
    char *start = render_hex(digits, bytes);
    struct cursor cursor = cursor_on(window, size);
    put(&cursor, start, (size_t)(digits + sizeof(digits) - start));
    put(&cursor, "\r\n", 2);
    return written(&cursor);
}

/* --- lines --- */

const char *wf_http1_reason(int status)
{
    switch (status) {
    /* clang-format off */
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    case 511: return "Network Authentication Required";
    default: return "Unknown";
        /* clang-format on */
    }
}

static void put_status_line(struct cursor *cursor, int status)
{
    if (status == 200) { /* nearly always */
        put_text(cursor, "HTTP/1.1 200 OK\r\n");
        return;
    }
    if (status < 100 || status > 999) {
        fail(cursor, -EINVAL);
        return;
    }
    put_text(cursor, "HTTP/1.1 ");
    put_decimal(cursor, (uint64_t)status);
    put_text(cursor, " ");
    put_text(cursor, wf_http1_reason(status));
    put_text(cursor, "\r\n");
}

ptrdiff_t wf_http1_write_status_line(char *window, size_t size, int status)
{
    struct cursor cursor = cursor_on(window, size);
    put_status_line(&cursor, status);
    return written(&cursor);
}

static void put_field(struct cursor *cursor, const struct wf_http1_field *field)
{
    if (field->name_len == 0)
        fail(cursor, -EINVAL);
    put_checked(cursor, field->name, field->name_len, WF_HTTP1_TOKEN);
    put_text(cursor, ": ");
    put_checked(cursor, field->value, field->value_len, WF_HTTP1_VALUE);
    put_text(cursor, "\r\n");
}

ptrdiff_t wf_http1_write_field(char *window, size_t size, const struct wf_http1_field *field)
{
    struct cursor cursor = cursor_on(window, size);
    put_field(&cursor, field);
    return written(&cursor);
}

/* One of the fields this file writes itself, `name` with its colon; none if the value is NULL. */
static WF_ALWAYS_INLINE void put_own(struct cursor *cursor, const char *name, const char *value)
{
    if (!value)
        return;
    put_text(cursor, name);
    put_checked(cursor, value, strlen(value), WF_HTTP1_VALUE);
    put_text(cursor, "\r\n");
}

#define DATE_LEN 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

static void put_date(struct cursor *cursor, const char *date)
{
    if (!date)
        return;
    put_text(cursor, "Date: ");
    put(cursor, date, DATE_LEN);
    put_text(cursor, "\r\n");
}

/* How the end of the body will be known. */
static void put_length(struct cursor *cursor, int64_t length)
{
    if (length == WF_HTTP1_LENGTH_CHUNKED)
        put_text(cursor, "Transfer-Encoding: chunked\r\n");
    if (length < 0)
        return;
    put_text(cursor, "Content-Length: ");
    put_decimal(cursor, (uint64_t)length);
    put_text(cursor, "\r\n");
}

static void put_connection(struct cursor *cursor, enum wf_http1_connection connection)
{
    if (connection == WF_HTTP1_CONNECTION_CLOSE)
        put_text(cursor, "Connection: close\r\n");
    else if (connection == WF_HTTP1_CONNECTION_KEEP_ALIVE)
        put_text(cursor, "Connection: keep-alive\r\n");
}

static bool is_named(const struct wf_http1_field *field, const char *name)
{
    return wf_http1_same_nocase(field->name, field->name_len, name, strlen(name));
}

/* The application's own fields, then the empty line. None may say again what frames the message. */
static void put_rest(struct cursor *cursor, const struct wf_http1_field *fields, size_t count,
                     const char *reserved)
{
    for (size_t i = 0; i < count; i++) {
        if (is_named(&fields[i], "content-length") || is_named(&fields[i], "transfer-encoding") ||
            is_named(&fields[i], reserved))
            fail(cursor, -EINVAL);
        put_field(cursor, &fields[i]);
    }
    put_text(cursor, "\r\n");
}

/* --- heads --- */

ptrdiff_t wf_http1_write_response(char *window, size_t size,
                                  const struct wf_http1_response_out *head)
{
    struct cursor cursor = cursor_on(window, size);
    bool may_have_length = head->status >= 200 && head->status != 204;
    put_status_line(&cursor, head->status);
    put_date(&cursor, head->date);
    put_own(&cursor, "Content-Type: ", head->content_type);
    put_length(&cursor, may_have_length ? head->content_length : WF_HTTP1_LENGTH_UNSAID);
    put_connection(&cursor, head->connection);
    put_rest(&cursor, head->fields, head->field_count, "");
    return written(&cursor);
}

static void put_request_line(struct cursor *cursor, const char *method, const char *target)
{
    if (!*method || !*target)
        fail(cursor, -EINVAL);
    put_checked(cursor, method, strlen(method), WF_HTTP1_TOKEN);
    put_text(cursor, " ");
    put_checked(cursor, target, strlen(target), WF_HTTP1_TARGET);
    put_text(cursor, " HTTP/1.1\r\n");
}

static void put_host(struct cursor *cursor, const char *host)
{
    size_t port_len;
    if (*host && !wf_http1_is_authority(host, strlen(host), &port_len))
        fail(cursor, -EINVAL);
    put_own(cursor, "Host: ", host);
}

ptrdiff_t wf_http1_write_request(char *window, size_t size, const struct wf_http1_request_out *head)
{
    struct cursor cursor = cursor_on(window, size);
    put_request_line(&cursor, head->method, head->target);
    put_host(&cursor, head->host);
    put_own(&cursor, "Content-Type: ", head->content_type);
    put_length(&cursor, head->content_length);
    put_connection(&cursor, head->connection);
    put_rest(&cursor, head->fields, head->field_count, "host");
    return written(&cursor);
}

/* --- escapes --- */

/* The byte that "%hh" at `source` stands for, or -1. */
static int unescape(const char *source, size_t len)
{
    if (len < 3)
        return -1;
    int high = wf_http1_hex_digit(source[1]), low = wf_http1_hex_digit(source[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

ptrdiff_t wf_http1_decode_path(char *target, size_t size, const char *source, size_t len)
{
    size_t filled = 0;
    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char)source[i];
        if (byte == '%') {
            byte = unescape(source + i, len - i);
            if (byte <= 0)
                return -EINVAL;
            i += 2;
        }
        if (filled == size)
            return -ENOSPC;
        target[filled++] = (char)byte;
    }
    return (ptrdiff_t)filled;
}
