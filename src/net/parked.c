/* Clients that wait without a stack.
 *
 *             bytes ──────────────────┐
 *     PARKED ─its end, an error───────┼──> READY ──its turn──> a task with the handler, or closed
 *             time over, a drain, ────┘
 *             a cancel
 *
 * A parked client is a waiter like any other, whose wake is not a task's, and a member of the
 * server's clients like their tasks, so that drain, cancel and join see both. What it costs is its
 * stream and this struct: no stack, no buffer, no task.
 *
 * Who is woken gets a turn in the loop's queue, and only then a task, whose stack is the one that
 * the client before it has just left. */

#include "base/error.h"
#include "net/serve.h"

#include <weft/error.h>

#define LAST_LOOK  WEFT_MILLISECOND /* for bytes that the kernel has when the drain begins */
#define IDLE_LEAST WEFT_SECOND      /* before a client's place is given to another */

static struct wf_parked *parked_of_member(const struct wf_member *member)
{
    return wf_container(member, struct wf_parked, member);
}

static struct wf_slab *slab_of(weft_loop *loop)
{
    struct wf_net *net = loop->net;
    return &net->parked;
}

static const char *member_name(const struct wf_member *member)
{
    (void)member;
    return "a parked client";
}

/* Whoever is woken already is served: its bytes are there. */
static void give_up(struct wf_parked *parked, bool timed_out)
{
    if (parked->wait.waiter.state == WF_WAIT_ARMED)
        parked->wait.stream->park_timed_out = timed_out;
    wf_abort(&parked->wait.waiter);
}

static void member_cancelled(struct wf_member *member)
{
    give_up(parked_of_member(member), false);
}

static const struct wf_member_ops member_ops = { member_name, member_cancelled, NULL };

static void limit(weft_stream *client, int64_t timeout);

/* A client that still reads what was written to it is not silent: as long as some of it goes it has
 * its server's .send_timeout anew, and when all is gone the park's time. 0: it has not read. Who
 * may take for ever is looked at again after the park's time: then it may have read all. */
static int64_t time_left(weft_stream *client)
{
    int64_t send_timeout = client->server->options->send_timeout;
    size_t in_flight = weft_stream_in_flight(client);
    uint32_t before = client->park_pending;
    uint32_t pending = in_flight < UINT32_MAX ? (uint32_t)in_flight : UINT32_MAX - 1;
    if (send_timeout == 0 || client->server->draining)
        return 0;
    client->park_pending = pending > 0 ? pending : UINT32_MAX;
    if (pending == 0)
        return before == UINT32_MAX ? 0 : client->park_timeout;
    if (send_timeout == WEFT_FOREVER)
        return client->park_timeout;
    return pending < before ? send_timeout : 0;
}

static void time_over(struct wf_timer *timer)
{
    weft_stream *client = wf_container(timer, weft_stream, timer);
    int64_t left = time_left(client);
    if (left > 0)
        limit(client, left);
    else
        give_up(client->parked, true);
}

static void woken(struct wf_waiter *w)
{
    struct wf_parked *parked = w->owner;
    weft_stream *client = parked->wait.stream;
    weft_loop *loop = client->loop;
    wf_timer_cancel(&loop->timers, &client->timer);
    wf_ready_push(&loop->ready, &parked->ready);
}

/* Back among the clients with a task, or gone: which, is not the park's any more. */
static weft_stream *leave(struct wf_parked *parked, int64_t result)
{
    weft_stream *client = parked->wait.stream;
    if (client->park_is_lent && result > 0)
        wf_stream_adopt(client, &parked->wait.op, (size_t)result);
    client->reader = NULL;
    client->parked = NULL;
    return client;
}

static void end_or_serve(struct wf_server *server, weft_stream *client, int64_t result)
{
    if (result > 0)
        wf_server_start(server, client);
    else if (client->park_timed_out && !server->draining)
        wf_server_refuse(server, client, -ETIMEDOUT);
    else
        wf_stream_close_alone(client, false); /* another task may write to it */
}

static void take_turn(struct wf_ready *item, bool closed)
{
    struct wf_parked *parked = wf_container(item, struct wf_parked, ready);
    struct wf_server *server = parked->wait.stream->server;
    if (closed)
        return;
    int64_t result = parked->wait.waiter.result;
    end_or_serve(server, leave(parked, result), result);
    wf_scope_part(&server->clients, &parked->member, 0, NULL); /* after a task has joined */
    wf_slab_put(slab_of(server->clients.loop), parked);
}

/* Wait for bytes, unless they are there. */
static void begin_wait(struct wf_parked *parked, weft_stream *client)
{
    struct wf_waiter *w = &parked->wait.waiter;
    int64_t result = 1;
    wf_stream_arm(client, &parked->wait);
    w->wake = woken;
    w->owner = parked;
    client->park_is_lent = weft_buffer_readable(&client->input) == 0;
    if (client->park_is_lent)
        result = wf_stream_wait_lent(client, &parked->wait);
    if (result != WF_PENDING)
        wf_wake(w, result);
    else if (client->server->clients.region.effective)
        give_up(parked, false);
}

static void limit(weft_stream *client, int64_t timeout)
{
    weft_loop *loop = client->loop;
    wf_timer_cancel(&loop->timers, &client->timer);
    bool has_limit = timeout != WEFT_FOREVER;
    int64_t deadline = wf_deadline_after(loop, has_limit ? timeout : 0);
    if (has_limit && client->parked->wait.waiter.state == WF_WAIT_ARMED)
        wf_timer_add(&loop->timers, &client->timer, deadline);
    else
        client->timer.deadline = deadline; /* since when it is parked */
}

void wf_server_park(struct wf_server *server, weft_stream *client, int64_t timeout)
{
    weft_loop *loop = client->loop;
    struct wf_parked *parked = wf_slab_get(slab_of(loop));
    if (!parked) {
        wf_server_refuse(server, client, -ENOMEM);
        return;
    }
    parked->member.ops = &member_ops;
    parked->ready.run = take_turn;
    wf_region_init(&parked->member.region, &server->clients.region, WF_REGION_MEMBER, false);
    wf_scope_join(&server->clients, &parked->member);
    wf_timer_init(&client->timer, time_over);
    client->park_timed_out = false;
    if (server->wants_parked)
        wf_server_wake(server);
    client->parked = parked;
    client->park_timeout = timeout;
    client->park_pending = UINT32_MAX;
    client->reader = &parked->member; /* nobody else reads it */
    begin_wait(parked, client);
    limit(client, server->draining && timeout > LAST_LOOK ? LAST_LOOK : timeout);
}

void wf_server_drain_parked(struct wf_server *server)
{
    WF_LIST_EACH(link, &server->clients.members) {
        struct wf_member *member = wf_container(link, struct wf_member, link);
        if (member->ops == &member_ops)
            limit(parked_of_member(member)->wait.stream, LAST_LOOK);
    }
}

/* What a member holds of buffers, if it is parked and waits: nothing is in its input. */
static size_t bytes_of(const struct wf_member *member)
{
    const struct wf_parked *parked = parked_of_member(member);
    if (member->ops != &member_ops || parked->wait.waiter.state != WF_WAIT_ARMED)
        return 0;
    return weft_chain_size(&parked->wait.stream->output);
}

static struct wf_parked *largest(struct wf_server *server, size_t *size)
{
    struct wf_parked *found = NULL;
    WF_LIST_EACH(link, &server->clients.members) {
        struct wf_member *member = wf_container(link, struct wf_member, link);
        size_t bytes = bytes_of(member);
        if (bytes < *size)
            continue;
        found = parked_of_member(member);
        *size = bytes;
    }
    return found;
}

size_t weft_park_evict(const weft_stream *client, size_t least)
{
    size_t size = least > 0 ? least : 1;
    struct wf_parked *found = client->server ? largest(client->server, &size) : NULL;
    if (!found)
        return 0;
    found->wait.stream->torn = true; /* what is queued is dropped */
    give_up(found, false);
    return size;
}

/* A client between two requests is not idle yet. */
static bool is_idle(const struct wf_parked *parked)
{
    const weft_stream *client = parked->wait.stream;
    bool has_limit = wf_timer_is_armed(&client->timer);
    int64_t since = client->timer.deadline - (has_limit ? client->park_timeout : 0);
    return wf_clock_now(&client->loop->clock) - since >= IDLE_LEAST;
}

/* It was woken, or still reads what was written to it. */
static bool is_busy(const struct wf_parked *parked)
{
    return parked->wait.waiter.state != WF_WAIT_ARMED ||
           weft_chain_size(&parked->wait.stream->output) > 0;
}

/* They stand in the order in which they were parked: the first one has been idle longest. */
enum wf_server_idle wf_server_idle(struct wf_server *server, struct wf_parked **longest)
{
    enum wf_server_idle idle = WF_SERVER_BUSY;
    WF_LIST_EACH(link, &server->clients.members) {
        struct wf_member *member = wf_container(link, struct wf_member, link);
        if (member->ops != &member_ops)
            continue;
        *longest = parked_of_member(member);
        if (!is_busy(*longest))
            return is_idle(*longest) ? WF_SERVER_IDLE : WF_SERVER_RESTING;
        idle = WF_SERVER_RESTING;
    }
    return idle;
}

void wf_server_evict_idle(struct wf_server *server)
{
    struct wf_parked *longest;
    if (wf_server_idle(server, &longest) == WF_SERVER_IDLE)
        give_up(longest, false);
}

int weft_park(weft_stream *client, int64_t timeout)
{
    if (!client->server || client->loop->thread != wf_this_thread())
        return wf_misuse(-EPERM, "weft_park() of a stream that is no client of weft_serve()");
    client->park_timeout = timeout;
    return WEFT_PARKED;
}

int weft_park_close(weft_stream *client)
{
    struct wf_parked *parked = client->parked;
    if (!client->server || client->loop->thread != wf_this_thread())
        return wf_misuse(-EPERM, "weft_park_close() of a stream that is no client of weft_serve()");
    if (!parked || parked->wait.waiter.state != WF_WAIT_ARMED)
        return -EAGAIN;
    give_up(parked, false);
    return 0;
}
