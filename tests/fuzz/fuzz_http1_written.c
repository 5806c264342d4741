/* What is written, read again: heads, URLs, escapes, queries, JSON strings.
 *
 * The input is a few numbers and three texts, and goes through every property at once:
 *
 *     byte 0, 1   sizes of the first two texts; the third is what remains
 *     byte 2, 3   a status, and bits that say what else a head has
 *     byte 4      a Content-Length (or whether the body is chunked), and the size of a window that
 *                 is mostly too small
 *
 *     head        is refused, or the parser reads exactly what was to be written; it fits a window
 *                 of its size and none that is smaller; a search meets its headers in order
 *     URL         is refused, or a server reads its host and its target as they are, and the
 *                 address to connect to is TCP's, with a port
 *     escape      stands as it is in a path and in a query, and gives the text back from both
 *     unescape    never makes longer or adds a NUL, works in place, and survives another round
 *     JSON        is one string in UTF-8, which gives back a text that was
 *
 * Windows are allocations of exactly their size, as the sanitizers like them. */

#include "base/compiler.h"
#include "codec/http1.h"
#include "http/exchange.h"
#include "http/url.h"
#include "net/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PREFIX = 5, TEXTS = 3, WINDOW = 1 << 14 };

#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct text {
    const char *data; /* with a NUL behind it */
    size_t size;      /* NULs inside count */
};

struct input {
    struct text texts[TEXTS];
    int status;
    unsigned bits, length;
};

static weft_arena *arena; /* this input's */

static bool cut(struct input *input, const uint8_t *data, size_t size)
{
    if (size < PREFIX)
        return false;
    const uint8_t *at = data + PREFIX, *end = data + size;
    input->status = data[2] | (data[3] & 3) << 8;
    input->bits = data[3] >> 2;
    input->length = data[4];
    for (int i = 0; i < TEXTS; i++) {
        size_t piece = (size_t)(end - at);
        if (i < TEXTS - 1 && data[i] < piece)
            piece = data[i];
        input->texts[i] = (struct text){ weft_arena_copy(arena, at, piece), piece };
        PROMISE(input->texts[i].data);
        at += piece;
    }
    return true;
}

static void *allocate(size_t size)
{
    void *memory = malloc(size ? size : 1);
    PROMISE(memory);
    return memory;
}

/* --- heads --- */

/* One of the two. */
struct head_out {
    const struct wf_http1_response_out *response;
    const struct wf_http1_request_out *request;
};

static ptrdiff_t write_head(char *window, size_t size, struct head_out out)
{
    return out.response ? wf_http1_write_response(window, size, out.response)
                        : wf_http1_write_request(window, size, out.request);
}

static ptrdiff_t write_into(size_t size, struct head_out out)
{
    char *window = allocate(size);
    ptrdiff_t written = write_head(window, size, out);
    PROMISE(written <= (ptrdiff_t)size);
    free(window);
    return written;
}

/* The head in a window that it fills, to be freed; NULL if it is refused, or too large for us. */
static char *write_exactly(struct head_out out, unsigned some_size, size_t *size)
{
    ptrdiff_t need = write_into(WINDOW, out);
    ptrdiff_t less = write_into(some_size, out);
    PROMISE(need > 0 || need == -EINVAL || need == -ENOSPC);
    PROMISE(need > 0 ? less == need || less == -ENOSPC : less < 0);
    if (need < 0)
        return NULL;
    *size = (size_t)need;
    PROMISE(write_into(*size - 1, out) == -ENOSPC);
    char *window = allocate(*size);
    PROMISE(write_head(window, *size, out) == need);
    return window;
}

/* A parser that has read the whole window as one head. */
static void read_head(struct wf_http1_parser *parser, bool is_response, const char *window,
                      size_t size)
{
    static struct wf_http1_header headers[8];
    static const struct wf_http1_limits limits = { .line_max = WINDOW,
                                                   .block_max = WINDOW,
                                                   .header_max = WF_ARRAY_SIZE(headers) };
    if (is_response)
        wf_http1_response_begin(parser, &limits, headers, false);
    else
        wf_http1_request_begin(parser, &limits, headers);
    PROMISE(wf_http1_parse(parser, window, size - 1) == WF_HTTP1_MORE);
    PROMISE(wf_http1_parse(parser, window, size) == WF_HTTP1_COMPLETE);
    PROMISE(parser->head.size == size);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool span_is(const char *window, struct wf_http1_span span, struct text text)
{
    return span.len == text.size && memcmp(window + span.offset, text.data, text.size) == 0;
}

static struct text value_of(const struct wf_http1_field *field)
{
    struct text value = { field->value, field->value_len };
    for (; value.size > 0 && is_blank(value.data[0]); value.size--)
        value.data++;
    while (value.size > 0 && is_blank(value.data[value.size - 1]))
        value.size--;
    return value;
}

static bool is_found(const struct wf_http1_head *head, const char *window, const char *name,
                     const struct wf_http1_header *wanted)
{
    const struct wf_http1_header *found = NULL;
    do
        found = wf_http1_find(head, window, name, found);
    while (found && found < wanted);
    return found == wanted;
}

/* There are `own` headers that the writer makes, and then these fields. */
static void expect_headers(const struct wf_http1_head *head, const char *window, int own,
                           const struct wf_http1_field *fields, size_t count)
{
    PROMISE(head->header_count == (size_t)own + count);
    for (size_t i = 0; i < count; i++) {
        const struct wf_http1_header *header = &head->headers[(size_t)own + i];
        struct text name = { fields[i].name, fields[i].name_len };
        PROMISE(span_is(window, header->name, name));
        PROMISE(span_is(window, header->value, value_of(&fields[i])));
        PROMISE(is_found(head, window, name.data, header));
    }
    PROMISE(!wf_http1_find(head, window, "no token", NULL));
}

static int64_t length_of(const struct input *input)
{
    if (input->bits & 4)
        return input->length;
    return input->length & 1 ? WF_HTTP1_LENGTH_CHUNKED : WF_HTTP1_LENGTH_UNSAID;
}

static void check_response(const struct input *input)
{
    const struct text *texts = input->texts;
    const struct wf_http1_field fields[] = {
        { texts[0].data, texts[0].size, texts[1].data, texts[1].size },
        { "X", 1, texts[2].data, texts[2].size },
    };
    struct wf_http1_response_out out = {
        .status = input->status,
        .connection = input->bits % 3,
        .content_length = length_of(input),
        .date = input->bits & 8 ? "Sun, 06 Nov 1994 08:49:37 GMT" : NULL,
        .content_type = input->bits & 16 ? texts[2].data : NULL,
        .fields = fields,
        .field_count = input->bits & 32 ? 2 : 1,
    };
    size_t size;
    char *window = write_exactly((struct head_out){ .response = &out }, input->length, &size);
    if (!window)
        return;
    struct wf_http1_parser parser;
    read_head(&parser, true, window, size);
    const struct wf_http1_head *head = &parser.head;
    bool says_length =
        out.content_length != WF_HTTP1_LENGTH_UNSAID && out.status >= 200 && out.status != 204;
    bool has_length = says_length && out.content_length >= 0;
    expect_headers(head, window,
                   says_length + (out.date != NULL) + (out.content_type != NULL) +
                       (out.connection != WF_HTTP1_CONNECTION_UNSAID),
                   fields, out.field_count);
    PROMISE(head->status == out.status);
    PROMISE(head->has_length == has_length);
    PROMISE(!has_length || head->content_length == input->length);
    PROMISE((head->framing == WF_HTTP1_FRAMING_CHUNKED) ==
            (says_length && !has_length && out.status != 304));
    PROMISE(out.connection != WF_HTTP1_CONNECTION_CLOSE || !head->keep_alive);
    free(window);
}

/* --- URLs, and the requests for them --- */

static bool parse_url(struct wf_http_url *url, const char *text)
{
    const char *why;
    int err = wf_http_url_parse(url, text, arena, &why);
    if (err < 0) {
        PROMISE((err == -EINVAL || err == -EPROTONOSUPPORT) && why);
        return false;
    }
    PROMISE(*url->host && !strpbrk(url->host, "/?#@"));
    PROMISE(*url->target == '/' && !strchr(url->target, '#'));
    return true;
}

static void expect_tcp(const struct wf_http_url *url)
{
    struct wf_address_text address;
    int err = wf_address_parse(url->address, &address);
    PROMISE(err == 0 || strlen(url->host) > WF_ADDRESS_HOST_MAX);
    PROMISE(err < 0 || (address.kind == WF_ADDRESS_INET && *address.host && *address.port));
}

static void check_request(const struct input *input)
{
    const struct text *texts = input->texts;
    struct wf_http_url url;
    if (!parse_url(&url, weft_arena_format(arena, "http://%s%s", texts[0].data, texts[1].data)))
        return;
    struct wf_http1_field field = { texts[1].data, texts[1].size, texts[2].data, texts[2].size };
    struct wf_http1_request_out out = {
        .method = input->bits & 8 ? texts[2].data : "GET",
        .target = url.target,
        .host = url.host,
        .content_length = length_of(input),
        .content_type = input->bits & 16 ? texts[2].data : NULL,
        .fields = &field,
        .field_count = input->bits >> 5,
    };
    size_t size;
    char *window = write_exactly((struct head_out){ .request = &out }, input->length, &size);
    if (!window)
        return;
    expect_tcp(&url);
    struct wf_http1_parser parser;
    if (strcmp(out.method, "CONNECT") != 0) { /* which has no such target */
        read_head(&parser, false, window, size);
        const struct wf_http1_head *head = &parser.head;
        expect_headers(head, window,
                       1 + (out.content_length != WF_HTTP1_LENGTH_UNSAID) +
                           (out.content_type != NULL),
                       &field, out.field_count);
        PROMISE((head->framing == WF_HTTP1_FRAMING_CHUNKED) ==
                (out.content_length == WF_HTTP1_LENGTH_CHUNKED));
        PROMISE(head->form == WF_HTTP1_FORM_ORIGIN);
        PROMISE(wf_http1_span_is(window, head->method_name, out.method));
        PROMISE(wf_http1_span_is(window, head->target, url.target));
        PROMISE(wf_http1_span_is(window, head->host, url.host));
    }
    free(window);
}

/* --- escapes --- */

static const char *escape(const char *text)
{
    const char *escaped = weft_http_escape(arena, text);
    PROMISE(escaped && strlen(escaped) <= 3 * strlen(text));
    return escaped;
}

/* The text that a segment stands for, to be freed; NULL if it stands for none. */
static char *unescape(struct text segment, size_t *size)
{
    char *text = allocate(segment.size), *in_place = allocate(segment.size);
    memcpy(in_place, segment.data, segment.size);
    ptrdiff_t n = wf_http1_decode_path(text, segment.size, segment.data, segment.size);
    PROMISE(n == -EINVAL || (n >= 0 && (size_t)n <= segment.size));
    PROMISE(wf_http1_decode_path(in_place, segment.size, in_place, segment.size) == n);
    PROMISE(n <= 0 || memcmp(text, in_place, (size_t)n) == 0);
    PROMISE(n <= 0 || !memchr(text, '\0', (size_t)n) || memchr(segment.data, '\0', segment.size));
    free(in_place);
    if (n >= 0)
        *size = (size_t)n;
    else
        free(text);
    return n >= 0 ? text : NULL;
}

static void expect_back(const char *escaped, const char *text)
{
    size_t size = strlen(text), len = strlen(escaped);
    char *back = allocate(size);
    PROMISE(wf_http1_decode_path(back, size, escaped, len) == (ptrdiff_t)size);
    PROMISE(memcmp(back, text, size) == 0);
    PROMISE(size == 0 || wf_http1_decode_path(back, size - 1, escaped, len) == -ENOSPC);
    free(back);
}

static void check_escape(const char *text)
{
    struct wf_http_url url;
    const char *escaped = escape(text);
    expect_back(escaped, text);
    PROMISE(parse_url(&url, weft_arena_format(arena, "http://host/%s", escaped)));
    PROMISE(strcmp(url.target + 1, escaped) == 0 && !strpbrk(escaped, "/?&=+"));
}

static void check_unescape(struct text segment)
{
    size_t size;
    char *text = unescape(segment, &size);
    if (!text)
        return;
    const char *copy = weft_arena_copy(arena, text, size);
    PROMISE(copy);
    if (!memchr(text, '\0', size))
        expect_back(escape(copy), copy);
    free(text);
}

static const char *query(const char *text, const char *name)
{
    static struct wf_http_exchange exchange;
    exchange.http.arena = arena;
    exchange.query = text;
    const char *value = weft_http_query(&exchange.http, name);
    PROMISE(!value || strlen(value) <= strlen(text));
    return value;
}

static bool is_same(const char *text, const char *other)
{
    return text && strcmp(text, other) == 0;
}

static void check_query(const struct text *texts)
{
    const char *name = texts[0].data, *value = texts[1].data, *other = texts[2].data;
    const char *text =
        weft_arena_format(arena, "%s=%s&%s=", escape(name), escape(value), escape(other));
    PROMISE(is_same(query(text, name), value));
    PROMISE(is_same(query(text, other), strcmp(name, other) == 0 ? value : ""));
    query(name, value); /* whatever they are */
}

/* --- JSON --- */

/* Read one character of a string into *end; returns what follows it. */
static const char *read_character(const char *json, char **end)
{
    static const char letters[] = "\"\\bfnrt", bytes[] = "\"\\\b\f\n\r\t";
    PROMISE((unsigned char)*json >= 0x20);
    if (*json != '\\') {
        *(*end)++ = *json;
        return json + 1;
    }
    const char *letter = json[1] ? strchr(letters, json[1]) : NULL;
    if (letter) {
        *(*end)++ = bytes[letter - letters];
        return json + 2;
    }
    PROMISE(strncmp(json, "\\u00", 4) == 0 && strspn(json + 4, "0123456789abcdef") >= 2);
    char digits[] = { json[4], json[5], '\0' };
    *(*end)++ = (char)strtol(digits, NULL, 16);
    return json + 6;
}

static const char *read_json(const char *json)
{
    char *text = weft_arena_alloc(arena, strlen(json)), *end = text;
    PROMISE(text && *json == '"');
    for (json++; *json != '"';)
        json = read_character(json, &end);
    PROMISE(!json[1]);
    *end = '\0';
    return text;
}

/* The length of the first character, by its code point (RFC 3629); 0 if it is none. */
static size_t character(const char *text)
{
    static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
    unsigned char lead = (unsigned char)*text;
    size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t point = size == 1 ? lead : lead & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (((unsigned char)text[i] & 0xC0) != 0x80)
            return 0;
        point = point << 6 | ((unsigned char)text[i] & 0x3F);
    }
    bool is_lead = lead < 0x80 || (lead >= 0xC0 && lead < 0xF8);
    bool is_surrogate = point >= 0xD800 && point < 0xE000;
    return is_lead && point >= least[size - 1] && point < 0x110000 && !is_surrogate ? size : 0;
}

static bool is_utf8(const char *text)
{
    while (*text && character(text))
        text += character(text);
    return !*text;
}

static void check_json(const char *text)
{
    const char *json = weft_json_string(arena, text);
    PROMISE(json);
    const char *back = read_json(json);
    PROMISE(is_utf8(back));
    PROMISE(strcmp(back, text) == 0 || !is_utf8(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input;
    PROMISE(weft_arena_new(&arena, SIZE_MAX) == 0);
    if (cut(&input, data, size)) {
        struct wf_http_url url;
        check_response(&input);
        check_request(&input);
        parse_url(&url, input.texts[0].data);
        for (int i = 0; i < TEXTS; i++) {
            check_escape(input.texts[i].data);
            check_unescape(input.texts[i]);
            check_json(input.texts[i].data);
        }
        check_query(input.texts);
    }
    weft_arena_free(arena);
    return 0;
}
