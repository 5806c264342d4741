/* A command's way:
 *
 *     its name ── unknown, wrong arguments, not allowed now ──────────────> an error
 *        └── between MULTI and EXEC ──> queued
 *        └── CLIENT PAUSE ──> waits
 *        └── called ──> a reply, or the client is blocked
 *               └── keys that it touched: who waits for them is tried anew */

#include "redis/execute.h"

#include "base/compiler.h"
#include "redis/blocked.h"
#include "redis/keys.h"
#include "redis/monitor.h"
#include "redis/multi.h"

#include <weft/error.h>
#include <weft/log.h>
#include <weft/task.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 128 /* bytes of a command that nobody knows */

/* --- refusing --- */

static int print_word(char *text, size_t size, weft_slice word)
{
    int shown = word.size < SHOWN_MAX ? (int)word.size : SHOWN_MAX;
    return snprintf(text, size, "'%.*s' ", shown, word.data);
}

static void refuse_unknown(weft_redis_request *request)
{
    char words[SHOWN_MAX + 160] = "";
    size_t used = 0;
    for (size_t i = 1; i < request->count && used < SHOWN_MAX; i++)
        used += (size_t)print_word(words + used, sizeof words - used, request->args[i]);
    weft_slice name = request->args[0];
    weft_redis_reply_error(request, "ERR unknown command '%.*s', with args beginning with: %s",
                           name.size < SHOWN_MAX ? (int)name.size : SHOWN_MAX, name.data, words);
}

/* What a page in somebody's browser sends to our port is a head, and a body that would be taken for
 * commands. */
static bool is_of_http(weft_slice name)
{
    return weft_redis_is(name, "post") || weft_redis_is(name, "host:");
}

static void refuse_stranger(struct wf_redis_peer *peer)
{
    if (is_of_http(peer->request.args[0]))
        wf_redis_peer_close_for(peer, "it speaks HTTP: perhaps a page that attacks by a browser");
    else
        refuse_unknown(&peer->request);
}

static bool is_subscribed(const struct wf_redis_peer *peer)
{
    return peer->subscriber && peer->request.version < 3;
}

/* Whether it was refused. */
static bool refuse(struct wf_redis_peer *peer, const struct wf_redis_entry *entry)
{
    weft_redis_request *request = &peer->request;
    const weft_redis_command *command = entry->command;
    uint32_t flags = command->flags;
    if (!wf_redis_command_takes(command, request->count))
        weft_redis_reply_error(request, "ERR wrong number of arguments for '%s' command",
                               command->name);
    else if (!(peer->flags & WF_REDIS_PEER_KNOWN) && !(flags & WEFT_REDIS_NO_AUTH))
        weft_redis_reply_error(request, "NOAUTH Authentication required.");
    else if (peer->queue && flags & (WEFT_REDIS_NO_MULTI | WEFT_REDIS_SUSPENDS))
        weft_redis_reply_error(request, "ERR Command not allowed inside a transaction");
    else if (is_subscribed(peer) && !(flags & WEFT_REDIS_SUBSCRIBED))
        weft_redis_reply_error(request,
                               "ERR Can't execute '%s': only (P)SUBSCRIBE / (P)UNSUBSCRIBE / PING "
                               "/ QUIT / RESET are allowed in this context",
                               command->name);
    else
        return false;
    return true;
}

/* --- calling --- */

static bool has_replied(const struct wf_redis_peer *peer)
{
    return peer->closing || peer->blocked ||
           weft_buffer_readable(&peer->work->out) > peer->reply_from;
}

static void log_failure(const struct wf_redis_entry *entry, const char *what)
{
    char task[400];
    weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_ERROR, "the handler of %s %s, in %s",
             entry->command->name, what, weft_task_describe(weft_task_self(), task, sizeof task));
}

static void answer_for(struct wf_redis_peer *peer, const struct wf_redis_entry *entry, int err)
{
    if (err < 0 && err != -ECANCELED)
        log_failure(entry, weft_error_text(err));
    else if (err >= 0)
        log_failure(entry, "has sent no reply");
    weft_redis_reply_error(&peer->request, "ERR %s",
                           err < 0 ? weft_error_text(err) : "the command has no reply");
}

static void note_slow(struct wf_redis_peer *peer, const struct wf_redis_entry *entry, int64_t time)
{
    weft_redis_server *server = peer->request.server;
    int64_t threshold = server->latency.threshold;
    if (server->options.slow_threshold >= 0 && time >= server->options.slow_threshold)
        wf_redis_slow_note(&server->slow, server->options.slow_max, peer->request.args,
                           peer->request.count, time, weft_stream_peer(peer->stream),
                           peer->names ? peer->names->name : "");
    if (threshold > 0 && time >= threshold)
        wf_redis_latency_note(&server->latency,
                              entry->command->flags & WEFT_REDIS_FAST ? "fast-command" : "command",
                              time);
}

static bool is_slow(const weft_redis_server *server, int64_t time)
{
    int64_t slow = server->options.slow_threshold, peak = server->latency.threshold;
    return (slow >= 0 && time >= slow) || (peak > 0 && time >= peak);
}

static void note(struct wf_redis_peer *peer, struct wf_redis_entry *entry)
{
    weft_redis_server *server = peer->request.server;
    struct wf_redis_work *work = peer->work;
    int64_t time = wf_redis_work_lap(work);
    wf_redis_entry_note(entry, time);
    server->count.commands++;
    if (WF_UNLIKELY(is_slow(server, time)))
        note_slow(peer, entry, time);
    const char *reply = weft_buffer_data(&work->out);
    bool replied = weft_buffer_readable(&work->out) > peer->reply_from;
    if (replied && reply[peer->reply_from] == WF_RESP_ERROR) {
        entry->failed++;
        server->count.failed++;
    }
}

void wf_redis_call(struct wf_redis_peer *peer, struct wf_redis_entry *entry)
{
    weft_redis_server *server = peer->request.server;
    peer->last = entry;
    peer->reply_from = (uint32_t)weft_buffer_readable(&peer->work->out);
    if (WF_UNLIKELY(!wf_list_is_empty(&server->monitors)))
        wf_redis_monitor_show(peer, entry->command);
    int err = entry->command->handler(&peer->request, server->options.app);
    if (WF_UNLIKELY(!has_replied(peer)))
        answer_for(peer, entry, err);
    note(peer, entry);
    peer->active = peer->work->clock;
}

/* --- CLIENT PAUSE --- */

static bool is_paused(const weft_redis_server *server, const struct wf_redis_entry *entry)
{
    if (server->pause == WF_REDIS_PAUSE_NONE)
        return false;
    return server->pause == WF_REDIS_PAUSE_ALL || entry->command->flags & WEFT_REDIS_WRITE;
}

static WF_COLD void wait_for_end_of_pause(struct wf_redis_peer *peer,
                                          const struct wf_redis_entry *entry)
{
    weft_redis_server *server = peer->request.server;
    int err = wf_redis_peer_flush(peer);
    while (err == 0 && !peer->closing && !server->stopping && is_paused(server, entry)) {
        weft_scope scope;
        weft_scope_begin(&scope, .name = "paused");
        peer->waiting = &scope;
        err = weft_event_wait(&server->unpaused);
        peer->waiting = NULL;
        err = weft_scope_leave(&scope, err);
    }
    if (err < 0)
        wf_redis_peer_close(peer);
    wf_redis_work_begin(peer->work);
}

/* --- all of it --- */

/* Commands that are executed although they stand between MULTI and EXEC. */
static bool is_of_transaction(const struct wf_redis_entry *entry)
{
    static const char *const names[] = { "exec", "discard", "multi", "watch", "quit", "reset" };
    for (size_t i = 0; i < WF_ARRAY_SIZE(names); i++)
        if (strcmp(entry->command->name, names[i]) == 0)
            return true;
    return false;
}

static void drop_reply(struct wf_redis_peer *peer, size_t from)
{
    weft_buffer *out = &peer->work->out;
    out->write = out->read + from;
}

/* CLIENT REPLY OFF, or SKIP for this command. */
static void keep_silent(struct wf_redis_peer *peer, size_t from)
{
    if (peer->flags & (WF_REDIS_PEER_SILENT | WF_REDIS_PEER_SKIP))
        drop_reply(peer, from);
    bool skips = peer->flags & WF_REDIS_PEER_SKIP_NEXT;
    peer->flags &= (uint16_t) ~(WF_REDIS_PEER_SKIP | WF_REDIS_PEER_SKIP_NEXT);
    peer->flags |= skips ? WF_REDIS_PEER_SKIP : 0;
}

static void execute(struct wf_redis_peer *peer, struct wf_redis_entry *entry)
{
    weft_redis_server *server = peer->request.server;
    if (!entry || refuse(peer, entry)) {
        if (!entry)
            refuse_stranger(peer);
        else
            entry->rejected++;
        peer->flags |= peer->queue ? WF_REDIS_PEER_REFUSED : 0;
        server->count.failed++;
        return;
    }
    if (WF_UNLIKELY(peer->queue) && !is_of_transaction(entry)) {
        wf_redis_queue_add(peer, entry);
        return;
    }
    if (WF_UNLIKELY(is_paused(server, entry)))
        wait_for_end_of_pause(peer, entry);
    if (WF_UNLIKELY(peer->closing))
        return;
    wf_redis_call(peer, entry);
    if (WF_UNLIKELY(!wf_list_is_empty(&server->ready)))
        wf_redis_keys_serve(server);
}

/* Clients ask for the same again and again. */
static struct wf_redis_entry *find(const struct wf_redis_peer *peer, weft_slice name)
{
    if (peer->last && wf_redis_entry_is(peer->last, name))
        return peer->last;
    return wf_redis_commands_find(&peer->request.server->commands, name);
}

void wf_redis_execute(struct wf_redis_peer *peer)
{
    size_t from = weft_buffer_readable(&peer->work->out);
    uint16_t quiet = WF_REDIS_PEER_SILENT | WF_REDIS_PEER_SKIP | WF_REDIS_PEER_SKIP_NEXT;
    execute(peer, find(peer, peer->request.args[0]));
    if (WF_UNLIKELY(peer->flags & quiet))
        keep_silent(peer, from);
}
