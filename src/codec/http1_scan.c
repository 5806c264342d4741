/* Bytes and small texts of HTTP/1: classes, comparisons, and the three little grammars that headers
 * contain (authority, length, token list). No state, no position, no opinion.
 *
 * All of it rereads short pieces; the scan over input is http1_run.c's. */

#include "codec/http1_inside.h"

#include <string.h>

/* The masks of http1_inside.h added up; a test derives them again from the grammar. */
/* clang-format off */
const uint8_t wf_http1_class[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, /* 0x00 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0x10 */
    12, 23, 4, 5, 23, 7, 23, 23, 22, 22, 23, 23, 6, 23, 23, 6, /* 0x20 */
    119, 119, 119, 119, 119, 119, 119, 119, 119, 119, 6, 22, 4, 22, 4, 6, /* 0x30 */
    6, 87, 87, 87, 87, 87, 87, 23, 23, 23, 23, 23, 23, 23, 23, 23, /* 0x40 */
    23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 6, 6, 6, 7, 23, /* 0x50 */
    7, 87, 87, 87, 87, 87, 87, 23, 23, 23, 23, 23, 23, 23, 23, 23, /* 0x60 */
    23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 6, 7, 6, 23, 0, /* 0x70 */
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, /* 0x80 */
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, /* 0x90 */
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, /* 0xa0 */
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, /* 0xb0 */
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, /* 0xc0 */
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, /* 0xd0 */
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, /* 0xe0 */
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, /* 0xf0 */
};
/* clang-format on */

#define RUN_MAX (UINT32_C(1) << 30) /* offsets are 32 bits wide */

bool wf_http1_all(const char *text, size_t len, int class)
{
    for (; len > RUN_MAX; text += RUN_MAX, len -= RUN_MAX)
        if (wf_http1_run(text, 0, RUN_MAX, class) != RUN_MAX)
            return false;
    return wf_http1_run(text, 0, (uint32_t)len, class) == len;
}

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

bool wf_http1_same_nocase(const char *text, size_t len, const char *other, size_t other_len)
{
    if (len != other_len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] != other[i] && lower(text[i]) != lower(other[i]))
            return false;
    return true;
}

bool wf_http1_span_is(const char *window, struct wf_http1_span span, const char *text)
{
    return span.len == strlen(text) && memcmp(window + span.offset, text, span.len) == 0;
}

bool wf_http1_span_is_nocase(const char *window, struct wf_http1_span span, const char *text)
{
    return wf_http1_same_nocase(window + span.offset, span.len, text, strlen(text));
}

/* The length of "[...]" at the start, or 0. Addresses are checked for their letters only: whether
 * the colons make sense is for whoever connects to them. */
static size_t literal_len(const char *text, size_t len)
{
    size_t at = 1;
    while (at < len && (wf_http1_is(text[at], WF_HTTP1_HEX) || text[at] == ':' || text[at] == '.'))
        at++;
    return at > 2 && at < len && text[at] == ']' ? at + 1 : 0;
}

static size_t name_len(const char *text, size_t len)
{
    return wf_http1_run(text, 0, len < RUN_MAX ? (uint32_t)len : RUN_MAX, WF_HTTP1_NAME);
}

static bool is_port(const char *digits, size_t len)
{
    uint64_t port = 0;
    return len == 0 ||
           (len <= 5 && wf_http1_parse_length(digits, len, &port) && port <= UINT16_MAX);
}

bool wf_http1_is_authority(const char *text, size_t len, size_t *port_len)
{
    *port_len = 0;
    if (len == 0)
        return false;
    size_t host = text[0] == '[' ? literal_len(text, len) : name_len(text, len);
    if (host == 0 || host == len)
        return host > 0;
    *port_len = len - host - 1;
    return text[host] == ':' && is_port(text + host + 1, *port_len);
}

int wf_http1_hex_digit(char byte)
{
    if (!wf_http1_is(byte, WF_HTTP1_HEX))
        return -1;
    return wf_http1_is(byte, WF_HTTP1_DIGIT) ? byte - '0' : (byte | 0x20) - 'a' + 10;
}

bool wf_http1_parse_length(const char *text, size_t len, uint64_t *value)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        if (!wf_http1_is(text[i], WF_HTTP1_DIGIT))
            return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (sum > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return len > 0;
}

static size_t trim(const char **text, size_t len)
{
    while (len > 0 && wf_http1_is(**text, WF_HTTP1_BLANK)) {
        (*text)++;
        len--;
    }
    while (len > 0 && wf_http1_is((*text)[len - 1], WF_HTTP1_BLANK))
        len--;
    return len;
}

bool wf_http1_list_has(const char *list, size_t len, const char *token)
{
    const char *end = list + len;
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *item = list;
        size_t item_len = trim(&item, (size_t)((comma ? comma : end) - list));
        if (wf_http1_same_nocase(item, item_len, token, strlen(token)))
            return true;
        list = comma ? comma + 1 : end;
    }
    return false;
}
