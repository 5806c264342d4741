/* Routes: the table is walked line by line, path and pattern segment by segment.
 *
 * A match has a rank, one bit a segment, 1 for a literal, the first segment highest: among patterns
 * that match the same path the greatest rank is the one with a literal where they first differ.
 * Equal ranks: the earlier line.
 *
 * Segments are split before they are decoded, so that %2F is part of a name and never a border.
 * Literals are compared with what was decoded too: "/%61" and "/a" are the same resource. */

#include "http/route.h"

#include <weft/log.h>

#include <errno.h>
#include <string.h>

#define SEGMENTS_MAX 32  /* in a pattern; a rank is 32 bits wide */
#define SEGMENT_MAX  255 /* bytes of a literal */

/* Take the next segment of what is behind a slash; `at` becomes NULL behind the last. */
static weft_slice next_segment(const char **at)
{
    const char *begin = *at, *end = strchrnul(begin, '/');
    *at = *end ? end + 1 : NULL;
    return (weft_slice){ begin, (size_t)(end - begin) };
}

/* --- the table --- */

static const char *check_pattern(const char *pattern)
{
    unsigned segments = 0, params = 0;
    if (*pattern != '/')
        return "the path does not begin with a slash";
    for (const char *at = pattern + 1; at; segments++) {
        weft_slice segment = next_segment(&at);
        params += segment.size > 0 && segment.data[0] == ':';
        if (segment.size > SEGMENT_MAX)
            return "a segment is longer than 255 bytes";
        if (segment.size == 1 && segment.data[0] == ':')
            return "a \":\" without a name";
    }
    if (segments > SEGMENTS_MAX)
        return "more than 32 segments";
    return params > WF_HTTP_PARAMS_MAX ? "more than 16 parameters" : NULL;
}

static const char *check_route(const weft_http_route *route)
{
    if (!*route->method || strpbrk(route->method, " \t\r\n,"))
        return "the method is no token";
    if (!route->path)
        return "no path";
    if (!route->handler)
        return "no handler";
    return check_pattern(route->path);
}

int wf_http_routes_check(const weft_http_route *routes)
{
    for (const weft_http_route *route = routes; route && route->method; route++) {
        const char *why = check_route(route);
        if (why) {
            weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_ERROR, "route %s %s: %s", route->method,
                     route->path ? route->path : "(null)", why);
            return -EINVAL;
        }
    }
    return 0;
}

size_t wf_http_routes_count(const weft_http_route *routes)
{
    size_t count = 0;
    while (routes && routes[count].method)
        count++;
    return count;
}

/* --- one line --- */

static bool is_literal(weft_slice pattern, weft_slice segment)
{
    char decoded[SEGMENT_MAX];
    ptrdiff_t size = (ptrdiff_t)segment.size;
    const char *text = segment.data;
    if (memchr(text, '%', segment.size)) {
        size = wf_http1_decode_path(decoded, pattern.size, segment.data, segment.size);
        text = decoded;
    }
    return size == (ptrdiff_t)pattern.size && memcmp(text, pattern.data, pattern.size) == 0;
}

/* The rank of a pattern that matches, behind the bit that marks a match; 0 for none. */
static uint64_t rank(const char *pattern, const char *path)
{
    uint64_t rank = 1;
    const char *pattern_at = pattern + 1, *at = path + 1;
    if (*path != '/') /* CONNECT's has none */
        return 0;
    while (pattern_at && at) {
        weft_slice wanted = next_segment(&pattern_at), segment = next_segment(&at);
        bool is_param = wanted.size > 0 && wanted.data[0] == ':';
        if (is_param ? segment.size == 0 : !is_literal(wanted, segment))
            return 0;
        rank = rank << 1 | !is_param;
    }
    return pattern_at || at ? 0 : rank;
}

/* 2: the method itself; 1: GET's handler for HEAD; 0: no. */
static int serves(const weft_http_route *route, const char *method)
{
    if (strcmp(route->method, method) == 0)
        return 2;
    return strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0;
}

/* --- the table, for a request --- */

/* A line without parameters whose path is the request's, byte for byte: none has a greater rank. */
static const weft_http_route *find_plain(struct wf_http_exchange *x)
{
    for (const weft_http_route *route = x->server->options.routes; route && route->method; route++)
        if (strcmp(route->path, x->path) == 0 && strcmp(route->method, x->method) == 0)
            return strstr(route->path, "/:") ? NULL : route;
    return NULL;
}

static const weft_http_route *find(struct wf_http_exchange *x)
{
    const weft_http_route *best = NULL;
    uint64_t best_rank = 0;
    for (const weft_http_route *route = x->server->options.routes; route && route->method;
         route++) {
        int how = serves(route, x->method);
        uint64_t this_rank = how ? rank(route->path, x->path) << 1 | (how == 2) : 0;
        if (this_rank > 1 && this_rank > best_rank) {
            best = route;
            best_rank = this_rank;
        }
    }
    return best;
}

static int add_param(struct wf_http_exchange *x, weft_slice name, weft_slice segment)
{
    char *value = weft_arena_copy(x->http.arena, segment.data, segment.size);
    if (!value)
        return 503;
    ptrdiff_t size = wf_http1_decode_path(value, segment.size, value, segment.size);
    if (size < 0)
        return 400;
    value[size] = '\0';
    x->params[x->param_count++] = (struct wf_http_param){ name, value };
    return 200;
}

static int fill_params(struct wf_http_exchange *x)
{
    const char *pattern_at = x->route->path + 1, *at = x->path + 1;
    int status = 200;
    while (pattern_at && status == 200) {
        weft_slice wanted = next_segment(&pattern_at), segment = next_segment(&at);
        if (wanted.size > 0 && wanted.data[0] == ':')
            status = add_param(x, (weft_slice){ wanted.data + 1, wanted.size - 1 }, segment);
    }
    return status;
}

/* Whether a name stands in a list like "GET, HEAD". */
static bool is_listed(const char *list, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += size)
        if ((at == list || at[-1] == ' ') && (at[size] == ',' || !at[size]))
            return true;
    return false;
}

/* Append a method to the list; NULL stays NULL. */
static const char *list(weft_arena *arena, const char *allow, const char *method)
{
    if (!allow || is_listed(allow, method))
        return allow;
    return weft_arena_format(arena, "%s%s%s", allow, *allow ? ", " : "", method);
}

/* What may be done with the path; "" when there is nothing there, NULL without memory. */
static const char *allowed(struct wf_http_exchange *x)
{
    const char *allow = "";
    bool all = x->parser.head.form == WF_HTTP1_FORM_ASTERISK;
    for (const weft_http_route *route = x->server->options.routes; route && route->method;
         route++) {
        if (!all && !rank(route->path, x->path))
            continue;
        allow = list(x->http.arena, allow, route->method);
        if (strcmp(route->method, "GET") == 0)
            allow = list(x->http.arena, allow, "HEAD");
    }
    return allow && (*allow || all) ? list(x->http.arena, allow, "OPTIONS") : allow;
}

static bool is_decodable(struct wf_http_exchange *x)
{
    size_t size = strlen(x->path);
    char *scratch = weft_arena_alloc(x->http.arena, size);
    return !scratch || wf_http1_decode_path(scratch, size, x->path, size) >= 0;
}

int wf_http_route_find(struct wf_http_exchange *x)
{
    bool has_escapes = strchr(x->path, '%') != NULL;
    if (has_escapes && !is_decodable(x))
        return 400;
    x->route = has_escapes ? NULL : find_plain(x);
    if (x->route)
        return 200;
    x->route = find(x);
    if (x->route)
        return fill_params(x);
    const char *allow = allowed(x);
    if (!allow || (*allow && weft_http_set_header(&x->http, "Allow", allow) < 0))
        return 503;
    if (!*allow)
        return 404;
    return x->parser.head.method == WF_HTTP1_METHOD_OPTIONS ? 204 : 405;
}
