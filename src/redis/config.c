/* CONFIG: the server's own parameters by their usual names, and the application's behind them. */

#include "redis/own.h"

#include "base/compiler.h"

#include <weft/memory.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VALUE_MAX    512
#define OUTPUT_LIMIT ((size_t)1 << 30) /* above which a server goes for nobody */

/* How a number of ours is written: so many of our units are one of theirs. */
enum kind { BYTES, COUNT, SECONDS, MICROSECONDS, MILLISECONDS };

struct own {
    const char *name;
    enum kind kind;
    size_t offset; /* in the server */
    size_t size;   /* of the field: 4 or 8 bytes */
    int64_t least;
};

#define OPTION(field)                                                                              \
    offsetof(struct weft_redis_server, options.field),                                             \
        sizeof(((struct weft_redis_server *)0)->options.field)

/* clang-format off */
static const struct own owns[] = {
    { "maxclients", COUNT, OPTION(max_clients), 1 },
    { "timeout", SECONDS, OPTION(idle_timeout), 0 },
    { "proto-max-bulk-len", BYTES, OPTION(string_max), 1024 * 1024 },
    { "client-query-buffer-limit", BYTES, OPTION(query_max), 1024 * 1024 },
    { "maxmemory-clients", BYTES, OPTION(total_max), 0 },
    { "slowlog-log-slower-than", MICROSECONDS, OPTION(slow_threshold), -1 },
    { "slowlog-max-len", COUNT, OPTION(slow_max), 0 },
    { "latency-monitor-threshold", MILLISECONDS, offsetof(struct weft_redis_server, latency.threshold), 8, 0 },
};
/* clang-format on */

static int64_t unit_of(enum kind kind)
{
    static const int64_t units[] = { 1, 1, WEFT_SECOND, WEFT_MICROSECOND, WEFT_MILLISECOND };
    return units[kind];
}

static int64_t get_number(const weft_redis_server *server, const struct own *own)
{
    const char *field = (const char *)server + own->offset;
    uint32_t narrow;
    uint64_t wide;
    if (own->size == sizeof narrow) {
        memcpy(&narrow, field, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, field, sizeof wide);
    if (wide > INT64_MAX && own->kind <= COUNT) /* no limit */
        return 0;
    return (int64_t)wide < 0 ? -1 : (int64_t)wide / unit_of(own->kind);
}

static void set_number(weft_redis_server *server, const struct own *own, int64_t value)
{
    char *field = (char *)server + own->offset;
    uint64_t wide = value < 0 ? UINT64_MAX : (uint64_t)(value * unit_of(own->kind));
    uint32_t narrow = (uint32_t)value;
    if (own->size == sizeof narrow)
        memcpy(field, &narrow, sizeof narrow);
    else
        memcpy(field, &wide, sizeof wide);
}

/* --- numbers and their units --- */

/* A number, of bytes also with a unit: "100mb". */
static bool read_number(const char *text, enum kind kind, int64_t *value)
{
    static const struct {
        const char *name;
        int64_t factor;
    } units[] = { { "", 1 },        { "b", 1 },        { "k", 1000 },       { "kb", 1024 },
                  { "m", 1000000 }, { "mb", 1 << 20 }, { "g", 1000000000 }, { "gb", 1 << 30 } };
    size_t digits = text[0] == '-';
    while (text[digits] >= '0' && text[digits] <= '9')
        digits++;
    if (!wf_resp_read_integer(text, digits, value))
        return false;
    weft_slice unit = { text + digits, strlen(text + digits) };
    for (size_t i = 0; i < (kind == BYTES ? WF_ARRAY_SIZE(units) : 1); i++)
        if (weft_redis_is(unit, units[i].name))
            return !__builtin_mul_overflow(*value, units[i].factor, value);
    return false;
}

/* --- the limits of what waits for a client --- */

#define OUTPUT      "client-output-buffer-limit"
#define CLASSES_MAX 4

/* Three classes, as they are usually written; there are no replicas, so theirs may be any. 0: no
 * limit but our own. */
static void get_output(const weft_redis_server *server, char *text, size_t size)
{
    const weft_redis_serve_options *options = &server->options;
    int64_t soft_time = options->push_soft_time;
    snprintf(text, size, "normal %zu 0 0 slave 0 0 0 pubsub %zu %zu %" PRId64, options->output_max,
             options->push_max, options->push_soft,
             soft_time == WEFT_FOREVER ? 0 : soft_time / WEFT_SECOND);
}

static bool read_size(const char *word, size_t *size)
{
    int64_t value;
    if (!read_number(word, BYTES, &value) || value < 0 || value > (int64_t)OUTPUT_LIMIT)
        return false;
    *size = value ? (size_t)value : OUTPUT_LIMIT;
    return true;
}

/* A class, its limit, and the lower one that holds for what lasts longer than so many seconds. */
static bool read_class(weft_redis_serve_options *options, char *const words[4])
{
    size_t hard, soft;
    int64_t seconds;
    if (!read_size(words[1], &hard) || !read_size(words[2], &soft) ||
        !read_number(words[3], SECONDS, &seconds) || seconds < 0 || seconds > INT32_MAX)
        return false;
    weft_slice class = { words[0], strlen(words[0]) };
    if (weft_redis_is(class, "pubsub")) {
        options->push_max = hard;
        options->push_soft = soft;
        options->push_soft_time = seconds ? seconds * WEFT_SECOND : WEFT_FOREVER;
        return true;
    }
    if (weft_redis_is(class, "slave") || weft_redis_is(class, "replica"))
        return true;
    if (!weft_redis_is(class, "normal"))
        return false;
    options->output_max = hard;
    return soft == OUTPUT_LIMIT && seconds == 0; /* there is no lower one */
}

/* Those classes that are named. */
static int set_output(weft_redis_server *server, char *text)
{
    weft_redis_serve_options options = server->options;
    char *words[4 * CLASSES_MAX], *rest = NULL;
    size_t count = 0;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (count == WF_ARRAY_SIZE(words))
            return -EINVAL;
        words[count++] = word;
    }
    for (size_t i = 0; i < count; i += 4)
        if (i + 4 > count || !read_class(&options, words + i))
            return -EINVAL;
    server->options = options;
    wf_redis_server_apply(server);
    return 0;
}

/* --- GET --- */

static bool is_asked(const weft_redis_request *request, const char *name)
{
    for (size_t i = 2; i < request->count; i++) {
        char pattern[64];
        if (request->args[i].size >= sizeof pattern)
            continue;
        for (size_t k = 0; k < request->args[i].size; k++)
            pattern[k] = (char)(request->args[i].data[k] >= 'A' && request->args[i].data[k] <= 'Z'
                                    ? request->args[i].data[k] + 32
                                    : request->args[i].data[k]);
        if (weft_redis_match((weft_slice){ pattern, request->args[i].size },
                             (weft_slice){ name, strlen(name) }))
            return true;
    }
    return false;
}

static void reply_pair(weft_redis_request *request, const char *name, const char *value)
{
    weft_redis_reply_string(request, name, strlen(name));
    weft_redis_reply_string(request, value, strlen(value));
}

static const weft_redis_parameter *parameters_of(const weft_redis_request *request)
{
    static const weft_redis_parameter none = { NULL, NULL, NULL };
    const weft_redis_parameter *list = request->server->options.parameters;
    return list ? list : &none;
}

static int get(weft_redis_request *request)
{
    weft_redis_mark mark = weft_redis_reply_defer(request);
    char value[VALUE_MAX];
    size_t count = 0;
    for (size_t i = 0; i < WF_ARRAY_SIZE(owns); i++) {
        if (!is_asked(request, owns[i].name))
            continue;
        snprintf(value, sizeof value, "%" PRId64, get_number(request->server, &owns[i]));
        reply_pair(request, owns[i].name, value);
        count++;
    }
    if (is_asked(request, OUTPUT)) {
        get_output(request->server, value, sizeof value);
        reply_pair(request, OUTPUT, value);
        count++;
    }
    for (const weft_redis_parameter *p = parameters_of(request); p->name; p++) {
        if (!is_asked(request, p->name))
            continue;
        p->get(request->server->options.app, value, sizeof value);
        reply_pair(request, p->name, value);
        count++;
    }
    return weft_redis_reply_map_deferred(request, mark, count);
}

/* --- SET --- */

static bool fits(const struct own *own, int64_t value)
{
    int64_t most = own->size == 4 ? 1 << 20 : INT64_MAX / unit_of(own->kind);
    if (own->offset == offsetof(struct weft_redis_server, options.string_max) ||
        own->offset == offsetof(struct weft_redis_server, options.query_max))
        most = INT64_C(1) << 30;
    return value >= own->least && value <= most;
}

static int set_own(weft_redis_server *server, const struct own *own, const char *text)
{
    int64_t value;
    if (!read_number(text, own->kind, &value) || !fits(own, value))
        return -EINVAL;
    bool is_total = own->offset == offsetof(struct weft_redis_server, options.total_max);
    set_number(server, own, is_total && value == 0 ? -1 : value);
    wf_redis_server_apply(server);
    return 0;
}

/* -ENOENT: there is none of that name. */
static int set_one(weft_redis_request *request, weft_slice name, char *text)
{
    if (weft_redis_is(name, OUTPUT))
        return set_output(request->server, text);
    for (size_t i = 0; i < WF_ARRAY_SIZE(owns); i++)
        if (weft_redis_is(name, owns[i].name))
            return set_own(request->server, &owns[i], text);
    for (const weft_redis_parameter *p = parameters_of(request); p->name; p++)
        if (weft_redis_is(name, p->name))
            return p->set ? p->set(request->server->options.app, text) : -EPERM;
    return -ENOENT;
}

static int refuse_set(weft_redis_request *request, weft_slice name, int err)
{
    int shown = name.size < 64 ? (int)name.size : 64;
    if (err == -ENOENT)
        return weft_redis_reply_error(request,
                                      "ERR Unknown option or number of arguments for CONFIG SET - "
                                      "'%.*s'",
                                      shown, name.data);
    return weft_redis_reply_error(request,
                                  "ERR CONFIG SET failed (possibly related to argument "
                                  "'%.*s') - %s",
                                  shown, name.data,
                                  err == -EPERM
                                      ? "can't set immutable config"
                                      : "argument couldn't be parsed, or is out of range");
}

static int set(weft_redis_request *request)
{
    for (size_t i = 2; i < request->count; i += 2) {
        char text[VALUE_MAX];
        if (i + 1 == request->count || request->args[i + 1].size >= sizeof text)
            return refuse_set(request, request->args[i], -ENOENT);
        memcpy(text, request->args[i + 1].data, request->args[i + 1].size);
        text[request->args[i + 1].size] = '\0';
        int err = set_one(request, request->args[i], text);
        if (err < 0)
            return refuse_set(request, request->args[i], err);
    }
    return weft_redis_reply_status(request, "OK");
}

/* --- all of it --- */

static int help(weft_redis_request *request)
{
    static const char *const lines[] = {
        "CONFIG <subcommand> [<arg> ...]. Subcommands are:",
        "GET <pattern> [<pattern> ...]: the parameters of such names",
        "SET <name> <value> [<name> <value> ...]: change some",
        "RESETSTAT: forget what INFO has counted",
        NULL,
    };
    return wf_redis_reply_help(request, lines);
}

int wf_redis_config(weft_redis_request *request, void *app)
{
    (void)app;
    if (weft_redis_is(request->args[1], "get") && request->count > 2)
        return get(request);
    if (weft_redis_is(request->args[1], "set") && request->count > 3)
        return set(request);
    if (weft_redis_is(request->args[1], "resetstat") && request->count == 2) {
        wf_redis_commands_reset(&request->server->commands);
        memset(&request->server->count, 0, sizeof request->server->count);
        return weft_redis_reply_status(request, "OK");
    }
    if (weft_redis_is(request->args[1], "help") && request->count == 2)
        return help(request);
    return wf_redis_reply_unknown_subcommand(request);
}
