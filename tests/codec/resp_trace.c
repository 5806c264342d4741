#include "resp_trace.h"

#include "base/compiler.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void promise(bool kept, const char *what)
{
    if (kept)
        return;
    fprintf(stderr, "broken promise of the codec: %s\n", what);
    abort();
}

/* --- text --- */

static void put(struct resp_trace *trace, const char *data, size_t size)
{
    if (trace->len + size + 1 > trace->size) {
        trace->size = (trace->len + size + 1) * 2;
        trace->text = realloc(trace->text, trace->size);
        promise(trace->text != NULL, "memory");
    }
    memcpy(trace->text + trace->len, data, size);
    trace->len += size;
    trace->text[trace->len] = '\0';
}

WF_PRINTF(2, 3)
static void say(struct resp_trace *trace, const char *format, ...)
{
    char text[128];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    promise(size >= 0 && (size_t)size < sizeof text, "a short line");
    put(trace, text, (size_t)size);
}

static void say_text(struct resp_trace *trace, const char *data, size_t size)
{
    put(trace, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)data[i];
        if (isprint(byte) && byte != '"' && byte != '\\')
            put(trace, (const char *)&data[i], 1);
        else
            say(trace, "\\x%02x", byte);
    }
    put(trace, "\"", 1);
}

/* --- messages --- */

static void say_command(struct resp_trace *trace, const struct wf_resp_command *command)
{
    for (uint32_t i = 0; i < command->count; i++) {
        put(trace, " ", i > 0);
        say_text(trace, command->args[i].data, command->args[i].size);
    }
    put(trace, "\n", 1);
}

static bool is_aggregate(uint8_t kind)
{
    return strchr("*%~|>;", kind) != NULL;
}

static void say_leaf(struct resp_trace *trace, const struct wf_resp_node *node)
{
    char text[WF_RESP_DOUBLE_MAX];
    put(trace, (const char *)&node->kind, 1);
    if (node->kind == WF_RESP_INTEGER || node->kind == WF_RESP_BOOLEAN)
        say(trace, "%lld", (long long)node->as.integer);
    else if (node->kind == WF_RESP_DOUBLE)
        put(trace, text, wf_resp_print_double(text, node->as.number));
    else if (node->kind != WF_RESP_NULL)
        say_text(trace, node->as.text, node->len);
}

static void say_reply(struct resp_trace *trace, const struct wf_resp_reply *reply)
{
    uint32_t ends[WF_RESP_DEPTH_MAX];
    uint32_t depth = 0;
    for (uint32_t i = 0; i < reply->count; i++) {
        const struct wf_resp_node *node = &reply->nodes[i];
        promise(node->end > i && node->end <= reply->count, "a value ends behind itself");
        promise(depth == 0 || node->end <= ends[depth - 1], "inside of the one around it");
        put(trace, " ", i > 0);
        if (!is_aggregate(node->kind)) {
            promise(node->end == i + 1, "nothing is in a leaf");
            say_leaf(trace, node);
        } else {
            promise(depth < WF_RESP_DEPTH_MAX, "the limit of the depth");
            say(trace, "%c", node->kind == '*' ? '[' : node->kind == '%' ? '{' : node->kind);
            ends[depth++] = node->end;
        }
        while (depth > 0 && ends[depth - 1] == i + 1) {
            put(trace, ")", 1);
            depth--;
        }
    }
    promise(reply->nodes[reply->value].end == reply->count, "the value is the last one");
    put(trace, "\n", 1);
}

/* --- feeding --- */

struct player {
    struct resp_trace *trace;
    bool is_reply;
    struct wf_resp_limits limits;
    struct wf_resp_command command;
    struct wf_resp_reply reply;
    char *window; /* what is not used up, in an allocation of its size */
    size_t len;
};

static void begin_message(struct player *p)
{
    free(p->command.args);
    free(p->reply.nodes);
    p->command.args = NULL;
    p->reply.nodes = NULL;
    p->command.room = p->reply.room = 0;
    wf_resp_command_begin(&p->command, &p->limits);
    wf_resp_reply_begin(&p->reply, &p->limits);
}

static void *longer(void *old, size_t count, size_t need, size_t size)
{
    promise(need > count, "more room than there is");
    void *list = malloc(need * size);
    promise(list != NULL, "memory");
    if (count > 0)
        memcpy(list, old, count * size);
    free(old);
    return list;
}

static void give_room(struct player *p)
{
    if (p->is_reply) {
        p->reply.nodes =
            longer(p->reply.nodes, p->reply.room, p->reply.need, sizeof *p->reply.nodes);
        p->reply.room = p->reply.need;
    } else {
        p->command.args =
            longer(p->command.args, p->command.room, p->command.need, sizeof *p->command.args);
        p->command.room = p->command.need;
    }
}

/* A new home for the bytes from `skip` on, and `size` more. */
static void move(struct player *p, size_t skip, const char *bytes, size_t size)
{
    size_t len = p->len - skip + size;
    char *window = malloc(len ? len : 1);
    promise(window != NULL, "memory");
    if (p->len > skip)
        memcpy(window, p->window + skip, p->len - skip);
    if (size > 0)
        memcpy(window + (p->len - skip), bytes, size);
    free(p->window);
    p->window = window;
    p->len = len;
}

static enum wf_resp_result parse(struct player *p)
{
    enum wf_resp_result result;
    for (;;) {
        result = p->is_reply ? wf_resp_reply_parse(&p->reply, p->window, p->len)
                             : wf_resp_command_parse(&p->command, p->window, p->len);
        if (result != WF_RESP_ROOM)
            return result;
        give_room(p);
    }
}

/* Whether more may come. */
static bool take_messages(struct player *p)
{
    enum wf_resp_result result;
    while ((result = parse(p)) == WF_RESP_COMPLETE) {
        size_t size = p->is_reply ? p->reply.size : p->command.size;
        promise(size > 0 && size <= p->len, "a message has bytes");
        if (p->is_reply)
            say_reply(p->trace, &p->reply);
        else
            say_command(p->trace, &p->command);
        move(p, size, NULL, 0);
        begin_message(p);
    }
    if (result == WF_RESP_REFUSED)
        say(p->trace, "refused: %s\n", p->is_reply ? p->reply.why : p->command.why);
    return result == WF_RESP_MORE;
}

static size_t next_cut(const struct resp_feeding *feeding, size_t index)
{
    if (feeding->byte_by_byte)
        return index + 1;
    return index < feeding->cut_count ? feeding->cuts[index] : feeding->len;
}

void resp_trace_play(struct resp_trace *trace, const struct resp_feeding *feeding)
{
    struct player p = { .trace = trace, .is_reply = feeding->is_reply, .limits = feeding->limits };
    bool goes_on = true;
    trace->len = 0;
    put(trace, "", 0);
    begin_message(&p);
    for (size_t i = 0, at = 0; goes_on && at < feeding->len; i++) {
        size_t cut = next_cut(feeding, i);
        move(&p, 0, feeding->bytes + at, cut - at);
        goes_on = take_messages(&p);
        at = cut;
    }
    if (goes_on)
        say(trace, "%s\n", p.len > 0 ? "cut" : "idle");
    begin_message(&p);
    free(p.window);
}

void resp_trace_finish(struct resp_trace *trace)
{
    free(trace->text);
    *trace = (struct resp_trace){ 0 };
}
