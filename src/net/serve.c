/* Serving: a task for each client, until cancelled or stopped.
 *
 *     ACCEPTING ──max_clients──> FULL ──a client leaves, or one is idle──> ACCEPTING
 *         │  └──an error of the kernel's──> PAUSED ──a client leaves, or 50 ms──> ACCEPTING
 *         │
 *         ├── stop ────> DRAINING ──last client──> 0
 *         └── cancel ──> DRAINING, then cancelled ──last client──> -ECANCELED
 *
 * A client has a task, or is parked (parked.c).
 *
 * The clients must not feel the cancel that ends the accepting. So they live in a scope of their
 * own that shields and isolates, and hangs in the tree as a member of a plain scope around the
 * accepting:
 *
 *     the task ── scope `around` ── member ── scope `clients` (shield, isolate) ── a member each */

#include "net/serve.h"

#include "base/error.h"

#include <string.h>
#include <weft/error.h>
#include <weft/log.h>

#define MAX_CLIENTS 10000
#define PAUSE       (50 * WEFT_MILLISECOND)
#define SAY_AGAIN   (10 * WEFT_SECOND) /* that it pauses, at most so often */

/* One client. */

/* A peer that went away, or talks nonsense, is everyday life, not an error of the handler. */
static bool is_everyday(int err)
{
    switch (err) {
    case -ECONNRESET:
    case -EPIPE:
    case -ETIMEDOUT:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case WEFT_EEND:
    case WEFT_ECLOSED:
    case WEFT_ELIMIT:
    case WEFT_EPROTOCOL:
        return true;
    default:
        return false;
    }
}

void wf_server_wake(struct wf_server *server)
{
    struct wf_waiter *w = server->listener->serving;
    server->listener->serving = NULL;
    if (w)
        wf_wake(w, 0);
}

/* What a client holds is held until its stream is gone, which may be after its task. */
void wf_server_lost(weft_stream *client)
{
    struct wf_server *server = client->server;
    client->server = NULL;
    wf_list_remove(&client->client_link);
    server->active--;
    wf_share_lost(server->listener);
    wf_server_wake(server);
}

/* The server ends, and its clients linger on. */
static void forget_streams(struct wf_server *server)
{
    struct wf_list *link;
    while ((link = wf_list_pop_front(&server->streams)))
        wf_container(link, weft_stream, client_link)->server = NULL;
}

/* A handler's tasks live in scopes of the handler, so none of them can still be here. To a parked
 * client anybody may write. */
static bool has_left(const weft_stream *client, bool parks)
{
    const struct wf_member *inside = client->reader;
    char text[160];
    if (!inside && !parks)
        inside = client->writer;
    if (inside)
        wf_misuse(-EBUSY, "a handler returned while %s was in its client",
                  wf_member_describe(inside, text, sizeof text));
    return !inside;
}

void wf_server_refuse(struct wf_server *server, weft_stream *client, int why)
{
    if (server->options->refused)
        server->options->refused(client, why, server->arg);
    wf_stream_close_alone(client, false);
}

/* In a cancelled scope there is nobody left to park for. */
static bool is_parked(int result)
{
    return result == WEFT_PARKED && weft_cancelled() == 0;
}

static int end_client(struct wf_server *server, weft_stream *client, int err)
{
    weft_close(client);
    wf_server_wake(server);
    if (err >= 0 || !is_everyday(err))
        return err < 0 ? err : 0;
    weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_DEBUG, "a client left: %s", weft_error_text(err));
    return 0;
}

static int serve_client(void *arg)
{
    weft_stream *client = arg;
    struct wf_server *server = client->server;
    wf_running->current->drop = NULL; /* from here on the stream is closed below */
    wf_task_calls((wf_entry_fn *)server->handler);
    int err = server->handler(client, server->arg);
    bool parks = is_parked(err);
    if (!has_left(client, parks) || !parks)
        return end_client(server, client, err);
    wf_server_park(server, client, client->park_timeout);
    return 0;
}

/* Instead of serve_client(), when the task ended before it began. */
static void drop_client(void *arg)
{
    wf_stream_close_alone(arg, true);
}

/* A task that cannot begin is not to be reported: the client is told, and that is the end of it. */
static void refuse_start(struct wf_server *server, weft_stream *client, weft_task *task, int err)
{
    if (task) {
        task->drop = NULL;
        weft_task_cancel(task, "no stack");
    }
    wf_server_refuse(server, client, err);
}

int wf_server_start(struct wf_server *server, weft_stream *client)
{
    const struct weft_serve_options *given = server->options;
    weft_task *task = NULL;
    struct weft_spawn_options options = { .arg = client,
                                          .task = &task,
                                          .function = given->name ? given->name : "client",
                                          .site = given->site,
                                          .drop = drop_client,
                                          .stack_size = given->stack_size,
                                          .eager = !wf_in_task(client->loop) };
    int err = weft_spawn_with((weft_scope *)&server->clients, serve_client, &options);
    if (err == 0 && task->state == WF_TASK_NEW)
        err = wf_task_prepare(task);
    if (err < 0)
        refuse_start(server, client, task, err);
    weft_task_release(task);
    return err;
}

static int add_client(struct wf_server *server, weft_stream *client)
{
    int64_t timeout = server->options->first_timeout;
    client->server = server;
    wf_list_push_back(&server->streams, &client->client_link);
    server->active++;
    if (timeout == 0)
        return wf_server_start(server, client);
    wf_server_park(server, client, timeout);
    return 0;
}

/* Waiting for a client to leave. */

struct leave_wait {
    struct wf_waiter waiter;
    struct wf_timer timer;
};

static weft_listener *listener_of(const struct wf_waiter *w)
{
    return w->object;
}

/* A client may have left in the same turn: then the wait is over already. */
static void leave_wait_over(struct wf_timer *timer)
{
    struct leave_wait *wait = wf_container(timer, struct leave_wait, timer);
    weft_listener *listener = listener_of(&wait->waiter);
    if (listener->serving != &wait->waiter)
        return;
    listener->serving = NULL;
    wf_wake(&wait->waiter, 0);
}

static bool leave_wait_abort(struct wf_waiter *w)
{
    listener_of(w)->serving = NULL;
    return true;
}

static const struct wf_wait_ops leave_wait_ops = { .kind = "a client to leave",
                                                   .abort = leave_wait_abort };

/* What is waited for may come while wf_enter() gives up the processor: `is_needed` (NULL: always)
 * is asked after it. */
static int wait_for_leave(struct wf_server *server, bool (*is_needed)(const struct wf_server *),
                          int64_t timeout)
{
    weft_task *task;
    struct leave_wait wait;
    int err = wf_enter(&task);
    if (err < 0 || (is_needed && !is_needed(server)))
        return err;
    wf_timer_init(&wait.timer, leave_wait_over);
    if (timeout != WEFT_FOREVER)
        wf_timer_add(&task->future.loop->timers, &wait.timer,
                     wf_deadline_after(task->future.loop, timeout));
    wf_waiter_arm(&wait.waiter, &leave_wait_ops, server->listener);
    server->listener->serving = &wait.waiter;
    err = (int)wf_park(&wait.waiter);
    wf_timer_cancel(&task->future.loop->timers, &wait.timer);
    return err;
}

/* Accepting. */

/* What the kernel refuses may go better next time; what the library answers will not, nor what the
 * kernel says of a socket that listens no more. */
static bool ends_server(int err)
{
    return err == -ECANCELED || err == -EBUSY || err == -EINVAL || err <= WEFT_ECLOSED;
}

static int pause_accepting(struct wf_server *server, int err)
{
    int64_t now = weft_now();
    if (now >= server->say_after) {
        weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING, "%s pauses accepting with %zu clients: %s",
                 server->listener->text, server->active, weft_error_text(err));
        server->say_after = now + SAY_AGAIN;
    }
    return wait_for_leave(server, NULL, PAUSE);
}

static size_t clients_max(const struct wf_server *server)
{
    return server->options->max_clients ? server->options->max_clients : MAX_CLIENTS;
}

static bool is_full_itself(const struct wf_server *server)
{
    return server->active >= clients_max(server) && !server->listener->stopped;
}

/* Who accepts for other loops too goes on while one of them has room. */
static bool is_full(const struct wf_server *server)
{
    const weft_listener *listener = server->listener;
    if (listener->hand_out && !listener->stopped && wf_share_is_first(listener))
        return wf_share_is_full(listener);
    return is_full_itself(server);
}

/* Nobody says when a client of another loop leaves. */
static int64_t patience_of(const struct wf_server *server, enum wf_server_idle idle)
{
    return idle == WF_SERVER_BUSY && !server->listener->hand_out ? WEFT_FOREVER : PAUSE;
}

/* The driver may accept clients before we ask, as long as there is room for the whole backlog. */
static void allow_ahead(struct wf_server *server)
{
    weft_listener *listener = server->listener;
    listener->descriptor.takes_all =
        !listener->hand_out && server->active + listener->backlog_max < clients_max(server);
}

/* Who comes to a full server gets the place of the client that has been idle longest. */
static int accept_one(struct wf_server *server)
{
    weft_stream *client;
    struct wf_parked *longest;
    enum wf_server_idle idle = is_full(server) ? wf_server_idle(server, &longest) : WF_SERVER_IDLE;
    server->wants_parked = idle == WF_SERVER_BUSY;
    if (idle != WF_SERVER_IDLE)
        return wait_for_leave(server, is_full, patience_of(server, idle));
    allow_ahead(server);
    int err = weft_accept(server->listener, &client);
    if (err == -EAGAIN) /* somebody else's, or the roles have changed */
        return 0;
    if (err == 0 && is_full_itself(server))
        wf_server_evict_idle(server);
    if (err == 0)
        err = add_client(server, client);
    return err == 0 || ends_server(err) ? err : pause_accepting(server, err);
}

static int accept_all(struct wf_server *server)
{
    int err;
    do
        err = accept_one(server);
    while (err >= 0);
    return err == WEFT_ECLOSED && server->listener->stopped ? 0 : err;
}

/* Draining. */

static void limit_drain(struct wf_server *server)
{
    struct wf_scope *clients = &server->clients;
    if (server->options->drain <= 0)
        wf_region_cancel(&clients->region, "the server was cancelled");
    else
        wf_scope_limit(clients, wf_deadline_after(clients->loop, server->options->drain));
}

/* After a stop the drain has no limit, until a cancel gives it one. */
static bool has_tasks(const struct wf_server *server)
{
    return server->clients.live > 0;
}

static int drain_after_stop(struct wf_server *server)
{
    int err = 0;
    while (err >= 0 && has_tasks(server))
        err = wait_for_leave(server, has_tasks, WEFT_FOREVER);
    return err;
}

/* Who has come before the end is told by its kernel that it is connected, and may have asked
 * already: where there is time to drain, it is served like the others. */
static void accept_last(struct wf_server *server)
{
    weft_listener *listener = server->listener;
    weft_stream *client;
    for (size_t i = 0; i < listener->backlog_max && !is_full(server); i++)
        if (wf_listener_accept_now(listener, &client) < 0 || add_client(server, client) < 0)
            return;
}

static int drain(struct wf_server *server, int err)
{
    if (server->options->drain > 0)
        accept_last(server);
    weft_listener_stop(server->listener);
    wf_listener_drop_backlog(server->listener); /* none is there but after a cancel */
    server->draining = true;
    wf_server_drain_parked(server);
    if (server->options->draining)
        wf_drop(server->clients.loop, server->options->draining, server->arg);
    if (err == 0)
        err = drain_after_stop(server);
    if (err < 0)
        limit_drain(server);
    wf_scope_join_all(&server->clients);
    wf_scope_limit(&server->clients, WEFT_FOREVER);
    return err;
}

/* The tree. */

static const char *member_name(const struct wf_member *member)
{
    return wf_container(member, struct wf_server, member)->listener->text;
}

static void member_cancelled(struct wf_member *member)
{
    (void)member;
}

static const struct wf_member_ops member_ops = { member_name, member_cancelled, NULL };

static int check(const weft_listener *listener, const struct weft_serve_options *options)
{
    if (!wf_in_task(wf_running))
        return wf_misuse(-EPERM, "weft_serve() outside a task, at %s", options->site);
    if (listener->loop != wf_running)
        return wf_misuse(WEFT_ETHREAD, "a listener was used by another loop than its own");
    const weft_task *other = listener->server ? listener->server : listener->acceptor;
    if (other)
        return wf_misuse(-EBUSY, "task '%s' (spawned at %s) accepts from %s already", other->name,
                         other->future.site, listener->text);
    return 0;
}

/* Callers that were compiled for an older library know fewer options. */
static struct weft_serve_options options_of(const struct weft_serve_options *given)
{
    struct weft_serve_options options = { 0 };
    bool is_shorter = given->size && given->size < sizeof options;
    memcpy(&options, given, is_shorter ? given->size : sizeof options);
    return options;
}

/* A name in memory has its clients in its own loop, and a loop that is alone has nobody to give to.
 * The drain ends it: it stops the listener. */
static void hand_out(const struct wf_server *server)
{
    weft_listener *listener = server->listener;
    if (!listener->seat.share || listener->name || !server->options->hand_out)
        return;
    listener->hand_out = server->options->hand_out;
    wf_share_take(listener, clients_max(server));
}

int weft_serve_on_with(weft_listener *listener, const struct weft_serve_options *given)
{
    struct weft_serve_options options;
    struct wf_server server = { .listener = listener, .options = &options };
    weft_scope around;
    int err = check(listener, given);
    if (err < 0)
        return err;
    options = options_of(given);
    server.handler = options.handler;
    server.arg = options.arg;
    listener->server = wf_running->current;
    wf_list_init(&server.streams);
    hand_out(&server);
    weft_scope_begin(&around, .name = "server");
    server.member.ops = &member_ops;
    wf_scope_hang(&server.clients, &server.member, (struct wf_scope *)&around, "clients",
                  options.site);
    err = drain(&server, accept_all(&server));
    forget_streams(&server);
    wf_scope_part((struct wf_scope *)&around, &server.member, 0, NULL);
    weft_scope_end(&around);
    listener->server = NULL;
    listener->hand_out = WEFT_HAND_OUT_NEVER;
    wf_listener_left(listener);
    return err;
}

int weft_serve_with(const char *address, const struct weft_serve_options *options)
{
    weft_listener *listener;
    struct weft_listen_options listen = { .address = address, .site = options->site };
    if (!wf_in_task(wf_running))
        return wf_misuse(-EPERM, "weft_serve() outside a task, at %s", options->site);
    int err = weft_listen_with(&listener, &listen);
    if (err < 0)
        return err;
    err = weft_serve_on_with(listener, options);
    weft_listener_close(listener);
    return err;
}
