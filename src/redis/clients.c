/* CLIENT: what a client may know and do about itself and others. */

#include "redis/blocked.h"
#include "redis/channel.h"
#include "redis/multi.h"
#include "redis/own.h"

#include <weft/memory.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *wf_redis_class_of(const struct wf_redis_peer *peer)
{
    return wf_redis_peer_is_pushed_to(peer) ? "pubsub" : "normal";
}

/* --- lines --- */

static void print_flags(const struct wf_redis_peer *peer, char *out)
{
    char *at = out;
    if (!wf_list_is_empty(&peer->monitor))
        *at++ = 'O';
    if (peer->subscriber)
        *at++ = 'P';
    if (peer->queue)
        *at++ = 'x';
    if (peer->blocked)
        *at++ = 'b';
    if (peer->flags & WF_REDIS_PEER_DIRTY)
        *at++ = 'd';
    if (peer->flags & WF_REDIS_PEER_CLOSE_AFTER)
        *at++ = 'c';
    if (peer->closing)
        *at++ = 'A';
    if (peer->flags & WF_REDIS_PEER_NO_EVICT)
        *at++ = 'e';
    if (at == out)
        *at++ = 'N';
    *at = '\0';
}

static int append_line(weft_buffer *text, struct wf_redis_peer *peer)
{
    static const struct wf_redis_names nameless = { .user = "default" };
    const struct wf_redis_names *names = peer->names ? peer->names : &nameless;
    const struct wf_redis_subscriber *subscriber = peer->subscriber;
    int64_t now = weft_now();
    char flags[16];
    print_flags(peer, flags);
    return weft_buffer_append_format(
        text,
        "id=%llu addr=%s name=%s age=%lld idle=%lld flags=%s db=0 sub=%u psub=%u multi=%d "
        "qbuf=%zu multi-mem=%zu omem=%zu tot-mem=%zu cmd=%s user=%s resp=%d lib-name=%s "
        "lib-ver=%s\n",
        (unsigned long long)peer->id, weft_stream_peer(peer->stream), names->name,
        (long long)((now - peer->created) / WEFT_SECOND),
        (long long)((now - peer->active) / WEFT_SECOND), flags,
        subscriber ? subscriber->channel_count : 0, subscriber ? subscriber->pattern_count : 0,
        peer->queue ? (int)wf_redis_queue_count(peer->queue) : -1,
        weft_buffer_readable(weft_stream_input(peer->stream)), wf_redis_queue_bytes(peer->queue),
        weft_stream_queued(peer->stream), peer->held + sizeof *peer,
        peer->last ? peer->last->command->name : "NULL", *names->user ? names->user : "default",
        peer->request.version, names->library, names->library_version);
}

static struct wf_redis_peer *next_peer(weft_redis_server *server, struct wf_redis_peer *peer)
{
    struct wf_list *link = peer ? peer->link.next : server->peers.next;
    return link == &server->peers ? NULL : wf_container(link, struct wf_redis_peer, link);
}

static struct wf_redis_peer *find_peer(weft_redis_server *server, int64_t id)
{
    struct wf_redis_peer *peer = NULL;
    while ((peer = next_peer(server, peer)))
        if (peer->id == (uint64_t)id)
            return peer;
    return NULL;
}

/* --- LIST, INFO --- */

static bool is_listed(weft_redis_request *request, const struct wf_redis_peer *peer)
{
    bool by_id = request->count > 3 && weft_redis_is(request->args[2], "id");
    if (request->count == 4 && weft_redis_is(request->args[2], "type"))
        return weft_redis_is(request->args[3], wf_redis_class_of(peer));
    for (size_t i = 3; by_id && i < request->count; i++) {
        weft_slice text = request->args[i];
        int64_t id;
        if (wf_resp_read_integer(text.data, text.size, &id) && peer->id == (uint64_t)id)
            return true;
    }
    return !by_id;
}

static int list(weft_redis_request *request)
{
    struct wf_redis_peer *peer = NULL;
    weft_buffer text;
    int err = 0;
    if (request->count == 3)
        return weft_redis_reply_error(request, "ERR syntax error");
    weft_buffer_init(&text, SIZE_MAX);
    while (err == 0 && (peer = next_peer(request->server, peer)))
        if (is_listed(request, peer))
            err = append_line(&text, peer);
    if (err == 0)
        err = weft_redis_reply_verbatim(request,
                                        weft_buffer_data(&text) ? weft_buffer_data(&text) : "",
                                        weft_buffer_readable(&text));
    weft_buffer_fini(&text);
    return err;
}

static int info(weft_redis_request *request)
{
    weft_buffer text;
    weft_buffer_init(&text, SIZE_MAX);
    int err = append_line(&text, wf_redis_peer_of(request));
    if (err == 0)
        err = weft_redis_reply_verbatim(request, weft_buffer_data(&text),
                                        weft_buffer_readable(&text));
    weft_buffer_fini(&text);
    return err;
}

/* --- KILL --- */

struct filter {
    int64_t id;      /* 0: any */
    int64_t age;     /* seconds; -1: any */
    weft_slice addr; /* empty: any */
    weft_slice user, type;
    bool spares_me;
};

static bool is_text(weft_slice text, const char *value)
{
    return text.size == strlen(value) && memcmp(text.data, value, text.size) == 0;
}

static bool is_meant(const struct filter *filter, struct wf_redis_peer *peer,
                     const struct wf_redis_peer *me)
{
    const char *user = peer->names && *peer->names->user ? peer->names->user : "default";
    if (peer->closing || (filter->spares_me && peer == me))
        return false;
    return (!filter->id || (uint64_t)filter->id == peer->id) &&
           (filter->age < 0 || weft_now() - peer->created >= filter->age * WEFT_SECOND) &&
           (!filter->addr.size || is_text(filter->addr, weft_stream_peer(peer->stream))) &&
           (!filter->user.size || is_text(filter->user, user)) &&
           (!filter->type.size || weft_redis_is(filter->type, wf_redis_class_of(peer)));
}

/* Whether it is one of ours that stands at `index`, with its value behind it. */
static bool read_filter(weft_redis_request *request, size_t index, struct filter *filter)
{
    weft_slice name = request->args[index], value = request->args[index + 1];
    if (weft_redis_is(name, "id"))
        return wf_resp_read_integer(value.data, value.size, &filter->id) && filter->id > 0;
    if (weft_redis_is(name, "maxage"))
        return wf_resp_read_integer(value.data, value.size, &filter->age) && filter->age >= 0;
    if (weft_redis_is(name, "addr"))
        filter->addr = value;
    else if (weft_redis_is(name, "user"))
        filter->user = value;
    else if (weft_redis_is(name, "type"))
        filter->type = value;
    else if (weft_redis_is(name, "skipme"))
        filter->spares_me = weft_redis_is(value, "yes");
    else
        return false;
    return true;
}

static int64_t kill_all(weft_redis_request *request, const struct filter *filter)
{
    struct wf_redis_peer *me = wf_redis_peer_of(request), *peer = NULL;
    int64_t count = 0;
    while ((peer = next_peer(request->server, peer))) {
        if (!is_meant(filter, peer, me))
            continue;
        count++;
        if (peer == me)
            me->flags |= WF_REDIS_PEER_CLOSE_AFTER;
        else
            wf_redis_peer_close(peer);
    }
    return count;
}

/* By its address alone, as in old times, or by what follows. */
static int kill_clients(weft_redis_request *request)
{
    struct filter filter = { .age = -1, .spares_me = true };
    bool is_old = request->count == 3;
    if (is_old) {
        filter.addr = request->args[2];
        filter.spares_me = false;
    }
    for (size_t i = 2; !is_old && i < request->count; i += 2)
        if (i + 1 == request->count || !read_filter(request, i, &filter))
            return weft_redis_reply_error(request, "ERR syntax error");
    int64_t count = kill_all(request, &filter);
    if (!is_old)
        return weft_redis_reply_integer(request, count);
    return count > 0 ? weft_redis_reply_status(request, "OK")
                     : weft_redis_reply_error(request, "ERR No such client");
}

/* --- PAUSE --- */

static void end_pause(void *arg)
{
    weft_redis_server *server = arg;
    server->pause_end = (weft_handle){ 0 };
    server->pause = WF_REDIS_PAUSE_NONE;
    weft_event_set(&server->unpaused);
}

static int pause_clients(weft_redis_request *request)
{
    weft_redis_server *server = request->server;
    int64_t milliseconds;
    bool writes_only = request->count == 4 && weft_redis_is(request->args[3], "write");
    if (request->count == 4 && !writes_only && !weft_redis_is(request->args[3], "all"))
        return weft_redis_reply_error(request, "ERR syntax error");
    if (!wf_redis_read_integer(request, 2, 0, INT64_MAX / WEFT_MILLISECOND, &milliseconds))
        return 0;
    weft_handle_cancel(server->pause_end);
    server->pause_end =
        weft_call_later(milliseconds * WEFT_MILLISECOND, end_pause, server, .no_locals = true);
    if (!server->pause_end.id)
        return -ENOMEM;
    server->pause = writes_only ? WF_REDIS_PAUSE_WRITE : WF_REDIS_PAUSE_ALL;
    weft_event_clear(&server->unpaused);
    return weft_redis_reply_status(request, "OK");
}

static int unpause(weft_redis_request *request)
{
    weft_handle_cancel(request->server->pause_end);
    end_pause(request->server);
    return weft_redis_reply_status(request, "OK");
}

/* --- about itself --- */

static int get_name(weft_redis_request *request)
{
    const struct wf_redis_names *names = wf_redis_peer_of(request)->names;
    if (!names || !*names->name)
        return weft_redis_reply_null(request);
    return weft_redis_reply_string(request, names->name, strlen(names->name));
}

static int set_info(weft_redis_request *request)
{
    struct wf_redis_names *names = wf_redis_peer_names(wf_redis_peer_of(request));
    weft_slice value = request->args[3];
    bool is_name = weft_redis_is(request->args[2], "lib-name");
    if (!names)
        return -ENOMEM;
    if (!is_name && !weft_redis_is(request->args[2], "lib-ver"))
        return weft_redis_reply_error(request, "ERR Unrecognized option '%.*s'",
                                      request->args[2].size < 64 ? (int)request->args[2].size : 64,
                                      request->args[2].data);
    char *out = is_name ? names->library : names->library_version;
    size_t room = is_name ? sizeof names->library : sizeof names->library_version;
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] < '!' || value.data[i] > '~' || value.size >= room)
            return weft_redis_reply_error(request,
                                          "ERR lib-name and lib-ver cannot contain spaces, "
                                          "newlines or special characters.");
    memcpy(out, value.data, value.size);
    out[value.size] = '\0';
    return weft_redis_reply_status(request, "OK");
}

static int set_reply(weft_redis_request *request)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    weft_slice mode = request->args[2];
    if (weft_redis_is(mode, "on")) {
        peer->flags &= (uint16_t) ~(WF_REDIS_PEER_SILENT | WF_REDIS_PEER_SKIP);
        return weft_redis_reply_status(request, "OK");
    }
    if (weft_redis_is(mode, "off"))
        peer->flags |= WF_REDIS_PEER_SILENT;
    else if (weft_redis_is(mode, "skip"))
        peer->flags |= WF_REDIS_PEER_SKIP | WF_REDIS_PEER_SKIP_NEXT;
    else
        return weft_redis_reply_error(request, "ERR syntax error");
    return weft_redis_reply_status(request, "OK"); /* which is dropped */
}

static int set_no_evict(weft_redis_request *request)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    bool on = weft_redis_is(request->args[2], "on");
    if (!on && !weft_redis_is(request->args[2], "off"))
        return weft_redis_reply_error(request, "ERR syntax error");
    peer->flags = (uint16_t)(on ? peer->flags | WF_REDIS_PEER_NO_EVICT
                                : peer->flags & ~WF_REDIS_PEER_NO_EVICT);
    return weft_redis_reply_status(request, "OK");
}

static int unblock(weft_redis_request *request)
{
    bool with_error = request->count == 4 && weft_redis_is(request->args[3], "error");
    int64_t id;
    if (request->count == 4 && !with_error && !weft_redis_is(request->args[3], "timeout"))
        return weft_redis_reply_error(request,
                                      "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    if (!wf_redis_read_integer(request, 2, 0, INT64_MAX, &id))
        return 0;
    struct wf_redis_peer *peer = find_peer(request->server, id);
    bool is_blocked = peer && peer->blocked;
    if (is_blocked)
        wf_redis_blocked_end(peer,
                             with_error ? "UNBLOCKED client unblocked via CLIENT UNBLOCK" : NULL);
    return weft_redis_reply_integer(request, is_blocked);
}

static int help(weft_redis_request *request)
{
    static const char *const lines[] = {
        "CLIENT <subcommand> [<arg> ...]. Subcommands are:",
        "GETNAME, SETNAME <name>: the name of this connection",
        "ID, INFO: the number and the state of this connection",
        "LIST [TYPE normal|pubsub] [ID <id> ...]: the connections there are",
        "KILL <ip:port> | KILL [ID <id>] [ADDR <ip:port>] [USER <name>] [TYPE <type>] "
        "[MAXAGE <seconds>] [SKIPME yes|no]: close some",
        "NO-EVICT on|off: whether this one may be closed for its memory",
        "PAUSE <milliseconds> [WRITE|ALL], UNPAUSE: hold commands up",
        "REPLY on|off|skip: whether commands of this connection are answered",
        "SETINFO lib-name|lib-ver <value>: what speaks to us",
        "UNBLOCK <id> [TIMEOUT|ERROR]: end the waiting of one",
        NULL,
    };
    return wf_redis_reply_help(request, lines);
}

int wf_redis_client(weft_redis_request *request, void *app)
{
    static const struct {
        const char *name;
        int (*handler)(weft_redis_request *request);
        size_t least, most;
    } subcommands[] = {
        { "id", NULL, 2, 2 },
        { "getname", get_name, 2, 2 },
        { "help", help, 2, 2 },
        { "info", info, 2, 2 },
        { "kill", kill_clients, 3, SIZE_MAX },
        { "list", list, 2, SIZE_MAX },
        { "no-evict", set_no_evict, 3, 3 },
        { "pause", pause_clients, 3, 4 },
        { "reply", set_reply, 3, 3 },
        { "setinfo", set_info, 4, 4 },
        { "unblock", unblock, 3, 4 },
        { "unpause", unpause, 2, 2 },
    };
    (void)app;
    if (weft_redis_is(request->args[1], "setname") && request->count == 3)
        return wf_redis_set_name(request, request->args[2]) < 0
                   ? 0
                   : weft_redis_reply_status(request, "OK");
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
        if (!weft_redis_is(request->args[1], subcommands[i].name) ||
            request->count < subcommands[i].least || request->count > subcommands[i].most)
            continue;
        if (!subcommands[i].handler)
            return weft_redis_reply_integer(request, (int64_t)wf_redis_peer_of(request)->id);
        return subcommands[i].handler(request);
    }
    return wf_redis_reply_unknown_subcommand(request);
}
