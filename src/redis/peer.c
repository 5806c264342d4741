#include "redis/peer.h"

#include "base/compiler.h"
#include "redis/blocked.h"
#include "redis/channel.h"
#include "redis/execute.h"
#include "redis/keys.h"
#include "redis/multi.h"

#include <weft/error.h>
#include <weft/log.h>
#include <weft/memory.h>
#include <weft/scope.h>
#include <weft/task.h>

#include <errno.h>
#include <string.h>

#define OUT_MAX    ((size_t)64 << 10) /* replies that gather before they go to the stream … */
#define QUEUED_MAX ((size_t)64 << 10) /* … and that it may not have sent while we execute */
#define TURN       256                /* commands in a row, then others have their turn */
#define ARGS_KEPT  1024               /* room for arguments that is kept between clients */

/* --- what it needs while it is served --- */

struct wf_redis_work *wf_redis_work_take(weft_redis_server *server)
{
    struct wf_list *link = wf_list_pop_front(&server->spare);
    if (link) {
        server->spare_count--;
        struct wf_redis_work *spare = wf_container(link, struct wf_redis_work, link);
        spare->out.limit = server->options.output_max; /* it may have changed */
        return spare;
    }
    struct wf_redis_work *work = weft_alloc(sizeof *work);
    if (work)
        weft_buffer_init(&work->out, server->options.output_max);
    return work;
}

void wf_redis_work_free(struct wf_redis_work *work)
{
    weft_free(work->parser.args);
    weft_buffer_fini(&work->out);
    weft_free(work);
}

void wf_redis_work_give(weft_redis_server *server, struct wf_redis_work *work)
{
    if (!work)
        return;
    if (server->spare_count == WF_REDIS_WORK_MAX) {
        wf_redis_work_free(work);
        return;
    }
    weft_buffer_consume(&work->out, weft_buffer_readable(&work->out));
    if (work->out.capacity > OUT_MAX)
        weft_buffer_fini(&work->out);
    if (work->parser.room > ARGS_KEPT) {
        weft_free(work->parser.args);
        work->parser.args = NULL;
        work->parser.room = 0;
    }
    server->spare_count++;
    wf_list_push_front(&server->spare, &work->link);
}

/* --- coming and going --- */

/* Whether more waits for it than should for long, from when on; the server's cron looks again. */
static void set_over(struct wf_redis_peer *peer, bool is_over)
{
    weft_redis_server *server = peer->request.server;
    if (is_over == (peer->over_since != 0))
        return;
    peer->over_since = is_over ? weft_now() : 0;
    server->over_count += is_over ? 1 : (size_t)-1;
    if (is_over)
        wf_redis_server_apply(server);
}

void wf_redis_peer_leave(struct wf_redis_peer *peer)
{
    weft_redis_server *server = peer->request.server;
    if (!server)
        return;
    wf_redis_queue_discard(peer);
    wf_redis_unwatch(peer);
    wf_redis_unblock(peer);
    wf_redis_unsubscribe_all(peer);
    wf_list_remove_init(&peer->monitor);
    set_over(peer, false);
    wf_list_remove(&peer->link);
    server->peer_count--;
    server->held -= peer->held;
    peer->held = 0;
    peer->closing = true;
    peer->request.server = NULL;
}

static void drop(void *arg)
{
    struct wf_redis_peer *peer = arg;
    wf_redis_peer_leave(peer);
    if (peer->drop)
        peer->drop(peer->data);
    if (peer->pushed)
        weft_buffer_fini(peer->pushed);
    weft_free(peer->pushed);
    weft_free(peer->names);
    weft_free(peer);
}

static struct wf_redis_peer *make(weft_redis_server *server, weft_stream *stream)
{
    struct wf_redis_peer *peer = weft_alloc(sizeof *peer);
    if (!peer)
        return NULL;
    peer->request.server = server;
    peer->request.version = 2;
    peer->stream = stream;
    peer->flags = server->options.authenticate ? 0 : WF_REDIS_PEER_KNOWN;
    peer->id = ++server->last_id;
    peer->created = peer->active = weft_now();
    wf_list_init(&peer->watches);
    wf_list_init(&peer->monitor);
    wf_list_push_back(&server->peers, &peer->link);
    server->peer_count++;
    server->count.connections++;
    weft_stream_set_data(stream, peer, drop);
    return peer;
}

/* NULL: there is no room, and the client was told so. */
static struct wf_redis_peer *welcome(weft_redis_server *server, weft_stream *stream)
{
    static const char full[] = "-ERR max number of clients reached\r\n";
    static const char poor[] = "-OOM out of memory\r\n";
    bool has_room = server->peer_count < server->options.max_clients;
    struct wf_redis_peer *peer = has_room ? make(server, stream) : NULL;
    if (peer)
        return peer;
    server->count.refused++;
    weft_write_try(stream, has_room ? poor : full, strlen(has_room ? poor : full));
    return NULL;
}

struct wf_redis_names *wf_redis_peer_names(struct wf_redis_peer *peer)
{
    if (!peer->names)
        peer->names = weft_alloc(sizeof *peer->names);
    return peer->names;
}

void wf_redis_peer_reset(struct wf_redis_peer *peer)
{
    wf_redis_queue_discard(peer);
    wf_redis_unwatch(peer);
    wf_redis_unsubscribe_all(peer);
    wf_list_remove_init(&peer->monitor);
    peer->flags = peer->request.server->options.authenticate ? 0 : WF_REDIS_PEER_KNOWN;
    peer->request.version = 2;
    if (peer->names)
        peer->names->name[0] = peer->names->user[0] = '\0';
}

/* --- limits --- */

bool wf_redis_peer_is_pushed_to(const struct wf_redis_peer *peer)
{
    return peer->subscriber || !wf_list_is_empty(&peer->monitor);
}

static size_t bytes_of(const struct wf_redis_peer *peer)
{
    size_t bytes = weft_buffer_readable(weft_stream_input(peer->stream)) +
                   weft_stream_queued(peer->stream) + wf_redis_queue_bytes(peer->queue);
    if (peer->pushed)
        bytes += weft_buffer_readable(peer->pushed);
    return bytes;
}

static struct wf_redis_peer *largest(weft_redis_server *server)
{
    struct wf_redis_peer *found = NULL;
    WF_LIST_EACH(link, &server->peers) {
        struct wf_redis_peer *peer = wf_container(link, struct wf_redis_peer, link);
        bool may_go = !peer->closing && !(peer->flags & WF_REDIS_PEER_NO_EVICT);
        if (may_go && peer->held > (found ? found->held : 0))
            found = peer;
    }
    return found;
}

static void relieve(weft_redis_server *server)
{
    while (server->held > server->options.total_max) {
        struct wf_redis_peer *peer = largest(server);
        if (!peer)
            return;
        weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_WARNING,
                 "client %llu is closed: it holds %zu bytes, more than any other",
                 (unsigned long long)peer->id, peer->held);
        server->count.evicted++;
        server->held -= peer->held;
        peer->held = 0;
        wf_redis_peer_close(peer);
    }
}

void wf_redis_peer_count(struct wf_redis_peer *peer)
{
    weft_redis_server *server = peer->request.server;
    size_t bytes = peer->closing ? 0 : bytes_of(peer);
    server->held += bytes - peer->held;
    peer->held = bytes;
    if (WF_UNLIKELY(server->held > server->options.total_max))
        relieve(server);
}

static bool is_over_for_long(const struct wf_redis_peer *peer)
{
    int64_t time = peer->request.server->options.push_soft_time;
    return peer->over_since && time != WEFT_FOREVER && weft_now() - peer->over_since >= time;
}

/* Whether so many bytes more may wait for it. */
static bool has_room_for(struct wf_redis_peer *peer, size_t size)
{
    const weft_redis_serve_options *options = &peer->request.server->options;
    bool is_pushed_to = wf_redis_peer_is_pushed_to(peer);
    size_t waiting = weft_stream_queued(peer->stream) + size;
    if (peer->pushed)
        waiting += weft_buffer_readable(peer->pushed);
    if (waiting > (is_pushed_to ? options->push_max : options->output_max))
        return false;
    set_over(peer, is_pushed_to && waiting > options->push_soft);
    return !is_over_for_long(peer);
}

void wf_redis_peer_close_for(struct wf_redis_peer *peer, const char *why)
{
    weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_WARNING, "client %llu (%s) is closed: %s",
             (unsigned long long)peer->id, weft_stream_peer(peer->stream), why);
    wf_redis_peer_close(peer);
}

/* --- what others do to it --- */

void wf_redis_peer_wake(struct wf_redis_peer *peer)
{
    if (peer->waiting)
        weft_scope_cancel(peer->waiting, "there is something to do");
}

void wf_redis_peer_close(struct wf_redis_peer *peer)
{
    if (peer->closing)
        return;
    peer->closing = true;
    weft_stream_tear(peer->stream); /* what is queued is dropped */
    wf_redis_peer_wake(peer);
    if (!peer->work)
        weft_park_close(peer->stream);
}

void wf_redis_peer_fail(struct wf_redis_peer *peer, int err)
{
    if (peer->closing)
        return;
    peer->request.server->count.too_much += err == WEFT_ELIMIT;
    wf_redis_peer_close_for(peer, err == WEFT_ELIMIT
                                      ? "its replies are too large"
                                      : "there is no memory for what it is to be sent");
}

/* It is in the middle of something: behind the reply that is being written. */
static int keep(struct wf_redis_peer *peer, const char *data, size_t size)
{
    if (!peer->pushed) {
        peer->pushed = weft_alloc(sizeof *peer->pushed);
        if (!peer->pushed)
            return -ENOMEM;
        weft_buffer_init(peer->pushed, SIZE_MAX);
    }
    return weft_buffer_append(peer->pushed, data, size);
}

void wf_redis_peer_push(struct wf_redis_peer *peer, const char *data, size_t size)
{
    if (peer->closing)
        return;
    if (!has_room_for(peer, size)) {
        peer->request.server->count.too_much++;
        wf_redis_peer_close_for(peer, "it does not read what it is sent");
        return;
    }
    bool fits = size <= weft_stream_high_mark(peer->stream);
    int err = peer->busy ? keep(peer, data, size)
              : fits     ? weft_write_try(peer->stream, data, size)
                         : -EAGAIN;
    if (err == -ENOMEM)
        wf_redis_peer_close_for(peer, "there is no memory for what it is to be sent");
    else if (err < 0)
        wf_redis_peer_close(peer); /* it does not read, or is gone */
    else
        wf_redis_peer_count(peer);
}

/* --- sending --- */

/* A wake is no error. */
static int end_waiting(struct wf_redis_peer *peer, weft_scope *scope, int err)
{
    peer->waiting = NULL;
    return weft_scope_leave(scope, err);
}

static int wait_until_sent(struct wf_redis_peer *peer)
{
    int64_t timeout = peer->request.server->options.send_timeout;
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = timeout == WEFT_FOREVER ? 0 : timeout, .name = "send");
    peer->waiting = &scope;
    return end_waiting(peer, &scope, weft_flush(peer->stream));
}

/* As long as it reads at all it has its time anew. */
static int wait_until_read(struct wf_redis_peer *peer)
{
    size_t before;
    int err;
    do {
        before = weft_stream_in_flight(peer->stream);
        err = wait_until_sent(peer);
        if (peer->closing)
            return WEFT_ECLOSED;
    } while ((err == -ETIMEDOUT && weft_stream_in_flight(peer->stream) < before) ||
             (err == 0 && weft_stream_queued(peer->stream) > QUEUED_MAX));
    return err;
}

/* More than the stream takes at once. */
static int send_in_pieces(struct wf_redis_peer *peer, const char *data, size_t size)
{
    size_t piece = weft_stream_high_mark(peer->stream);
    int err = 0;
    for (size_t done = 0; err == 0 && done < size; done += piece) {
        size_t rest = size - done;
        err = wait_until_read(peer);
        if (err == 0)
            err = weft_write_try(peer->stream, data + done, rest < piece ? rest : piece);
    }
    return err;
}

static int send(struct wf_redis_peer *peer, weft_buffer *bytes)
{
    size_t size = weft_buffer_readable(bytes);
    if (size == 0)
        return 0;
    const char *data = weft_buffer_data(bytes);
    int err = size <= weft_stream_high_mark(peer->stream) ? weft_write_try(peer->stream, data, size)
                                                          : -EAGAIN;
    if (err == -EAGAIN)
        err = send_in_pieces(peer, data, size);
    weft_buffer_consume(bytes, size);
    peer->request.server->count.out += size;
    return err;
}

/* Replies, and what was pushed meanwhile. */
static int flush(struct wf_redis_peer *peer)
{
    int err = send(peer, &peer->work->out);
    if (err == 0 && weft_stream_queued(peer->stream) > QUEUED_MAX)
        err = wait_until_read(peer);
    return err;
}

/* Between two replies. */
static int take_pushed(struct wf_redis_peer *peer)
{
    weft_buffer *pushed = peer->pushed;
    peer->pushed = NULL;
    int err = weft_buffer_append(&peer->work->out, weft_buffer_data(pushed),
                                 weft_buffer_readable(pushed));
    weft_buffer_fini(pushed);
    weft_free(pushed);
    return err;
}

int wf_redis_peer_flush(struct wf_redis_peer *peer)
{
    int err = peer->pushed ? take_pushed(peer) : 0;
    if (err == 0)
        err = flush(peer);
    wf_redis_work_begin(peer->work);
    return err;
}

/* --- executing --- */

static int give_room(struct wf_resp_command *parser)
{
    void *args = weft_realloc(parser->args, parser->need * sizeof *parser->args);
    if (!args)
        return -ENOMEM;
    parser->args = args;
    parser->room = parser->need;
    return 0;
}

static void begin_command(struct wf_redis_peer *peer)
{
    weft_redis_server *server = peer->request.server;
    bool is_known = peer->flags & WF_REDIS_PEER_KNOWN;
    wf_resp_command_begin(&peer->work->parser, is_known ? &server->limits : &server->strangers);
}

static void refuse(struct wf_redis_peer *peer)
{
    weft_redis_reply_error(&peer->request, "ERR Protocol error: %s", peer->work->parser.why);
    peer->flags |= WF_REDIS_PEER_CLOSE_AFTER;
}

static int execute(struct wf_redis_peer *peer)
{
    struct wf_resp_command *parser = &peer->work->parser;
    if (parser->count > 0) {
        peer->request.args = parser->args;
        peer->request.count = parser->count;
        wf_redis_execute(peer);
    }
    int err = WF_UNLIKELY(peer->pushed != NULL) ? take_pushed(peer) : 0;
    if (err < 0)
        return err;
    begin_command(peer);
    return weft_buffer_readable(&peer->work->out) > OUT_MAX ? wf_redis_peer_flush(peer) : 0;
}

static bool goes_on(const struct wf_redis_peer *peer)
{
    return !peer->closing && !peer->blocked && !(peer->flags & WF_REDIS_PEER_CLOSE_AFTER);
}

/* The next command, behind the `used` bytes of the input. */
static enum wf_resp_result parse(struct wf_redis_peer *peer, size_t used)
{
    weft_buffer *input = weft_stream_input(peer->stream);
    size_t size = weft_buffer_readable(input) - used;
    if (size == 0)
        return WF_RESP_MORE;
    return wf_resp_command_parse(&peer->work->parser, weft_buffer_data(input) + used, size);
}

/* All commands that are whole in the input; how many, or an error. */
static int run(struct wf_redis_peer *peer)
{
    weft_buffer *input = weft_stream_input(peer->stream);
    struct wf_redis_work *work = peer->work;
    size_t used = 0;
    int count = 0, err = 0;
    wf_redis_work_begin(work);
    while (err == 0 && goes_on(peer)) {
        enum wf_resp_result result = parse(peer, used);
        if (result == WF_RESP_MORE)
            break;
        if (result == WF_RESP_REFUSED) {
            refuse(peer);
        } else if (result == WF_RESP_ROOM) {
            err = give_room(&work->parser);
        } else {
            used += work->parser.size;
            count++;
            err = execute(peer);
        }
    }
    weft_buffer_consume(input, used);
    peer->request.server->count.in += used;
    return err < 0 ? err : count;
}

/* For more bytes, or a wake. */
static int wait_for_more(struct wf_redis_peer *peer)
{
    weft_scope scope;
    weft_scope_begin(&scope, .name = "more of a command");
    peer->waiting = &scope;
    ssize_t n = weft_fill(peer->stream);
    int err = n > 0 ? 0 : n == 0 ? WEFT_EEND : (int)n;
    return end_waiting(peer, &scope, err);
}

/* Execute and send. Returns how many commands there were, or an error: then it is over. */
static int serve_input(struct wf_redis_peer *peer)
{
    peer->busy = true;
    int count = run(peer);
    int err = count < 0 ? count : wf_redis_peer_flush(peer);
    while (err == 0 && peer->pushed) /* while it was waited for */
        err = wf_redis_peer_flush(peer);
    peer->busy = false;
    wf_redis_peer_count(peer);
    if (err == 0 && (peer->closing || peer->flags & WF_REDIS_PEER_CLOSE_AFTER))
        return WEFT_ECLOSED;
    return err < 0 ? err : count;
}

static bool is_idle(const struct wf_redis_peer *peer)
{
    return weft_buffer_readable(weft_stream_input(peer->stream)) == 0;
}

static int serve(struct wf_redis_peer *peer)
{
    int in_a_row = 0;
    for (;;) {
        int count = serve_input(peer);
        if (count < 0)
            return count;
        if (is_idle(peer))
            return weft_park(peer->stream, WEFT_FOREVER);
        if (peer->request.server->stopping)
            return WEFT_ECLOSED;
        in_a_row += count;
        if (in_a_row >= TURN)
            in_a_row = 0, weft_sleep(0);
        int err = wait_for_more(peer);
        if (err < 0)
            return err;
    }
}

int wf_redis_peer_serve(weft_stream *stream, void *arg)
{
    weft_redis_server *server = arg;
    struct wf_redis_peer *peer = weft_stream_data(stream);
    if (!peer)
        peer = welcome(server, stream);
    if (!peer)
        return 0;
    peer->work = wf_redis_work_take(server);
    if (!peer->work)
        return -ENOMEM;
    begin_command(peer);
    int result = serve(peer);
    wf_redis_work_give(server, peer->work);
    peer->work = NULL;
    if (result != WEFT_PARKED)
        wf_redis_peer_leave(peer);
    return result == WEFT_ECLOSED ? 0 : result;
}
