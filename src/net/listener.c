#include "net/listener.h"

#include "base/error.h"
#include "base/memory.h"
#include "net/memory.h"
#include "net/socket.h"

#include <stdio.h>
#include <string.h>
#include <weft/error.h>

#define BACKLOG 511

/* Names in the loop. */

static weft_listener *find_name(const struct wf_net *net, const char *name)
{
    WF_LIST_EACH(link, &net->names) {
        weft_listener *listener = wf_container(link, weft_listener, name_link);
        if (strcmp(listener->name, name) == 0)
            return listener;
    }
    return NULL;
}

static int listen_in_memory(weft_listener *listener, const char *text, const char *name)
{
    struct wf_net *net = listener->loop->net;
    if (find_name(net, name))
        return wf_fail(-EADDRINUSE, "somebody listens on 'mem:%s' already", name);
    size_t size = strlen(name) + 1;
    listener->name = wf_alloc(size);
    if (!listener->name || (listener->loop->group && wf_share_open_name(listener, text) < 0))
        return wf_fail(-ENOMEM, "no memory for a listener");
    memcpy(listener->name, name, size);
    wf_list_push_back(&net->names, &listener->name_link);
    snprintf(listener->text, sizeof listener->text, "mem:%s", name);
    return 0;
}

/* Sockets. */

static int open_socket(weft_listener *listener, const char *text)
{
    if (listener->loop->group)
        return wf_share_open(listener, text);
    return wf_socket_listen(&listener->address, (int)listener->backlog_max, listener->options.delay,
                            &listener->file);
}

static int listen_on_socket(weft_listener *listener, const char *address,
                            const struct wf_address_text *text)
{
    weft_loop *loop = listener->loop;
    int err = wf_address_resolve(loop, text, true, &listener->address, 1);
    if (err < 0)
        return err;
    int fd = open_socket(listener, address);
    if (fd < 0)
        return wf_fail(fd, "cannot listen: %s", weft_error_text(fd));
    listener->descriptor.listening = true;
    listener->descriptor.shared = listener->seat.share != NULL;
    err = loop->io_ops->attach(loop->io, &listener->descriptor, fd);
    if (err < 0) {
        if (!listener->seat.share) {
            wf_socket_unlink(&listener->address, &listener->file);
            wf_socket_discard(fd);
        }
        return err;
    }
    wf_address_format(&listener->address, listener->text, sizeof listener->text);
    return 0;
}

/* Birth. */

static weft_listener *make(weft_loop *loop, const struct weft_listen_options *options)
{
    struct wf_net *net = wf_net_of(loop);
    weft_listener *listener = net ? wf_alloc_zero(sizeof *listener) : NULL;
    if (!listener)
        return NULL;
    listener->loop = loop;
    listener->options = wf_stream_options_of_listen(options);
    listener->descriptor.fd = -1;
    listener->backlog_max = options->backlog > 0 ? (size_t)options->backlog : BACKLOG;
    wf_list_init(&listener->name_link);
    wf_list_init(&listener->backlog);
    wf_list_init(&listener->connectors);
    wf_list_push_back(&net->listeners, &listener->link);
    return listener;
}

int weft_listen_with(weft_listener **out, const struct weft_listen_options *options)
{
    struct wf_address_text text;
    weft_task *task;
    weft_loop *loop = weft_loop_current();
    if (!loop)
        return wf_misuse(-EPERM, "a listener was made where there is no loop");
    int err = wf_in_task(wf_running) ? wf_enter(&task) : 0;
    if (err == 0)
        err = wf_address_parse(options->address, &text);
    if (err < 0)
        return err;
    weft_listener *listener = make(loop, options);
    if (!listener)
        return wf_fail(-ENOMEM, "no memory for a listener");
    err = text.kind == WF_ADDRESS_MEMORY ? listen_in_memory(listener, options->address, text.path)
                                         : listen_on_socket(listener, options->address, &text);
    if (err < 0) {
        wf_listener_destroy(listener);
        return err;
    }
    *out = listener;
    return 0;
}

const char *weft_listener_address(const weft_listener *listener)
{
    return listener->text;
}

/* Connecting in memory. */

static bool unlink_abort(struct wf_waiter *w)
{
    wf_list_remove_init(&w->link);
    return true;
}

static const struct wf_wait_ops connector_ops = { .kind = "room in a listener's backlog",
                                                  .abort = unlink_abort };

static int wait_for_backlog(weft_listener *listener)
{
    struct wf_waiter w;
    wf_waiter_arm(&w, &connector_ops, listener);
    wf_list_push_back(&listener->connectors, &w.link);
    return (int)wf_park(&w);
}

/* The first in the queue may try; who tries and fails passes it on. */
static void admit_connector(weft_listener *listener)
{
    struct wf_list *link = wf_list_pop_front(&listener->connectors);
    if (link)
        wf_wake(wf_container(link, struct wf_waiter, link), 0);
}

/* The listener with that name, when its backlog has room. While we wait it may be closed, and
 * another one may take the name. */
static int find_room(weft_loop *loop, const char *name, weft_listener **found)
{
    struct wf_net *net = wf_net_of(loop);
    if (!net)
        return wf_fail(-ENOMEM, "no memory to connect to 'mem:%s'", name);
    for (;;) {
        weft_listener *listener = find_name(net, name);
        *found = listener;
        if (!listener)
            return 0;
        if (listener->backlog_size < listener->backlog_max)
            return 0;
        int err = wait_for_backlog(listener);
        if (err < 0)
            return err;
    }
}

static void arrive(weft_listener *listener, weft_stream *client)
{
    wf_list_push_back(&listener->backlog, &client->client_link);
    listener->backlog_size++;
    struct wf_waiter *w = listener->arriving;
    if (!w)
        return;
    listener->arriving = NULL;
    wf_wake(w, 0);
}

/* No loop of the group may listen on it either. */
static int connect_to_peer(weft_loop *loop, const char *name,
                           const struct wf_stream_options *options, weft_stream **stream)
{
    char text[sizeof "mem:" + WF_ADDRESS_NAME_MAX];
    snprintf(text, sizeof text, "mem:%s", name);
    int err = wf_share_connect(loop, text, options, stream);
    if (err == -ECONNREFUSED)
        return wf_fail(err, "nobody listens on '%s'", text);
    return err < 0 ? wf_fail(err, "cannot connect to '%s': %s", text, weft_error_text(err)) : 0;
}

int wf_listener_connect(weft_loop *loop, const char *name, const struct wf_stream_options *options,
                        weft_stream **stream)
{
    weft_stream *client;
    weft_listener *listener = NULL;
    int err = find_room(loop, name, &listener);
    if (err < 0)
        return err;
    if (!listener)
        return connect_to_peer(loop, name, options, stream);
    err = wf_memory_pair(loop, options, &listener->options, name, stream, &client);
    if (err < 0) {
        admit_connector(listener);
        return wf_fail(err, "no memory to connect to 'mem:%s'", name);
    }
    arrive(listener, client);
    return 0;
}

/* Beyond the backlog it is refused, as far as that can still be said. */
void wf_listener_receive(weft_listener *listener, int fd)
{
    weft_stream *client;
    if (listener->backlog_size >= listener->backlog_max) {
        wf_socket_discard(fd);
        wf_share_lost(listener);
    } else if (wf_socket_stream(listener->loop, fd, &listener->options, &client) < 0) {
        wf_share_lost(listener);
    } else {
        if (listener->name)
            wf_stream_name_peer(client, listener->text);
        arrive(listener, client);
        wf_listener_look_again(listener); /* who accepts for all waits for the kernel */
    }
}

/* Accepting. */

static bool arriving_abort(struct wf_waiter *w)
{
    weft_listener *listener = w->object;
    listener->arriving = NULL;
    return true;
}

static const struct wf_wait_ops arriving_ops = { .kind = "a client", .abort = arriving_abort };

/* From the backlog, which is full of streams. */
static int accept_arrived(weft_listener *listener, weft_stream **client)
{
    struct wf_list *link;
    while (!(link = wf_list_pop_front(&listener->backlog))) {
        struct wf_waiter w;
        if (listener->stopped) /* and what had arrived is gone */
            return WEFT_ECLOSED;
        wf_waiter_arm(&w, &arriving_ops, listener);
        listener->arriving = &w;
        int err = (int)wf_park(&w);
        if (err < 0)
            return err;
    }
    listener->backlog_size--;
    admit_connector(listener);
    *client = wf_container(link, weft_stream, client_link);
    return 0;
}

static const struct wf_wait_ops accept_ops = { .kind = "a client", .abort = wf_operation_abort };

static bool is_given_clients(const weft_listener *listener)
{
    return !wf_list_is_empty(&listener->backlog) ||
           (listener->hand_out && !wf_share_is_first(listener));
}

static int accept_from_socket(weft_listener *listener, weft_stream **client)
{
    struct wf_operation operation = { .op = { .code = WF_OP_ACCEPT } };
    operation.op.descriptor = &listener->descriptor;
    listener->accepting = &operation;
    int64_t fd = wf_operate(listener->loop, &operation, &accept_ops);
    listener->accepting = NULL;
    if (fd < 0)
        return (int)fd;
    if (listener->hand_out && wf_share_hand_out(listener, (int)fd, listener->hand_out))
        return -EAGAIN;
    int err = wf_socket_stream(listener->loop, (int)fd, &listener->options, client);
    if (err < 0 && listener->hand_out) /* it was counted as ours */
        wf_share_lost(listener);
    return err;
}

int wf_listener_accept_now(weft_listener *listener, weft_stream **client)
{
    struct wf_op op = { .code = WF_OP_ACCEPT, .now = true };
    weft_loop *loop = listener->loop;
    if (listener->name || listener->hand_out || listener->descriptor.fd < 0)
        return -EAGAIN;
    op.descriptor = &listener->descriptor;
    int64_t fd = loop->io_ops->submit(loop->io, &op);
    return fd < 0 ? (int)fd : wf_socket_stream(loop, (int)fd, &listener->options, client);
}

/* What other loops have given is served, also after a stop. */
static bool is_over(const weft_listener *listener)
{
    return listener->stopped && wf_list_is_empty(&listener->backlog);
}

/* -EAGAIN: it was for another loop, or there is something new to see. A server looks for itself. */
static int accept_any(weft_listener *listener, weft_stream **client)
{
    weft_task *task;
    int err = wf_enter(&task);
    while (err == 0) {
        if (is_over(listener))
            return WEFT_ECLOSED;
        err = listener->name || is_given_clients(listener) ? accept_arrived(listener, client)
                                                           : accept_from_socket(listener, client);
        if (err != -EAGAIN || listener->hand_out)
            return err;
        err = wf_enter(&task); /* a cancel may have come meanwhile */
    }
    return err;
}

static void close_socket(weft_listener *listener)
{
    if (listener->descriptor.reader)
        return;
    wf_share_close(listener);
    if (listener->descriptor.fd < 0)
        return;
    wf_socket_unlink(&listener->address, &listener->file);
    listener->loop->io_ops->release(listener->loop->io, &listener->descriptor);
}

static void leave(weft_listener *listener)
{
    listener->acceptor = NULL;
    if (listener->stopped)
        close_socket(listener);
    wf_listener_left(listener);
}

static int check(const weft_listener *listener)
{
    weft_task *task;
    if (!wf_in_task(wf_running))
        return wf_enter(&task);
    if (listener->loop != wf_running)
        return wf_misuse(WEFT_ETHREAD, "a listener was used by another loop than its own");
    if (is_over(listener))
        return WEFT_ECLOSED;
    const weft_task *other = listener->acceptor ? listener->acceptor : listener->server;
    if (other && other != wf_running->current)
        return wf_misuse(-EBUSY, "task '%s' (spawned at %s) accepts from %s already", other->name,
                         other->future.site, listener->text);
    return 0;
}

/* The listener is taken before wf_enter(), which may give up the processor: whoever closes it
 * meanwhile waits for us. */
int weft_accept(weft_listener *listener, weft_stream **client)
{
    int err = check(listener);
    if (err < 0)
        return err;
    listener->acceptor = wf_running->current;
    err = accept_any(listener, client);
    if (WF_UNLIKELY(listener->loop->notes_work) && err == 0)
        wf_shutdown_note(listener->loop);
    leave(listener);
    return err;
}

/* The end. */

static void wake_acceptor(weft_listener *listener, int why)
{
    struct wf_operation *operation = listener->accepting;
    weft_loop *loop = listener->loop;
    if (operation && operation->waiter.state == WF_WAIT_ARMED &&
        loop->io_ops->cancel(loop->io, &operation->op))
        wf_wake(&operation->waiter, why);
    struct wf_waiter *w = listener->arriving;
    listener->arriving = NULL;
    if (w)
        wf_wake(w, why);
}

void wf_listener_look_again(weft_listener *listener)
{
    wake_acceptor(listener, -EAGAIN);
}

static void evict_connectors(weft_listener *listener)
{
    struct wf_list *link;
    while ((link = wf_list_pop_front(&listener->connectors)))
        wf_wake(wf_container(link, struct wf_waiter, link), -ECONNREFUSED);
}

/* It is to see that nobody comes any more. */
static void wake_server(weft_listener *listener)
{
    struct wf_waiter *w = listener->serving;
    listener->serving = NULL;
    if (w)
        wf_wake(w, 0);
}

void wf_listener_drop_backlog(weft_listener *listener)
{
    struct wf_list *link;
    while ((link = wf_list_pop_front(&listener->backlog)))
        wf_stream_destroy(wf_container(link, weft_stream, client_link), true);
    listener->backlog_size = 0;
}

static void give_up_address(weft_listener *listener)
{
    close_socket(listener);
    wf_list_remove_init(&listener->name_link);
    if (!listener->hand_out)
        wf_listener_drop_backlog(listener);
}

void weft_listener_stop(weft_listener *listener)
{
    if (listener->loop->thread != wf_this_thread())
        wf_misuse(WEFT_ETHREAD, "a listener was stopped by another thread than its own");
    if (listener->loop->thread != wf_this_thread() || listener->stopped)
        return;
    listener->stopped = true;
    wake_acceptor(listener, WEFT_ECLOSED);
    evict_connectors(listener);
    wake_server(listener);
    give_up_address(listener);
}

/* Waiters that are left are frames of abandoned tasks: nobody wakes these. */
void wf_listener_destroy(weft_listener *listener)
{
    weft_loop *loop = listener->loop;
    if (listener->descriptor.reader)
        wf_io_drop(loop->io_ops, loop->io, listener->descriptor.reader);
    give_up_address(listener);
    wf_listener_drop_backlog(listener);
    wf_list_remove(&listener->link);
    wf_free(listener->name);
    wf_free(listener);
}

void wf_listener_left(weft_listener *listener)
{
    struct wf_waiter *w = listener->closer;
    if (!w || listener->acceptor || listener->server)
        return;
    listener->closer = NULL;
    wf_wake(w, 0);
}

static const struct wf_wait_ops leave_ops = { .kind = "others to leave the listener" };

static void wait_until_left(weft_listener *listener)
{
    while (listener->acceptor || listener->server) {
        struct wf_waiter w;
        wf_waiter_arm(&w, &leave_ops, listener);
        listener->closer = &w;
        wf_park(&w);
    }
}

static int check_close(const weft_listener *listener)
{
    const weft_task *server = listener->server;
    const weft_task *inside = listener->acceptor ? listener->acceptor : server;
    if (listener->loop->thread != wf_this_thread())
        return wf_misuse(WEFT_ETHREAD, "a listener was closed by another thread than its own");
    if (listener->closed)
        return wf_misuse(-EALREADY, "a listener was closed twice");
    if (inside && !wf_in_task(listener->loop))
        return wf_misuse(-EPERM, "a listener was closed outside a task while task '%s' uses it",
                         inside->name);
    if (server && wf_region_is_inside(wf_running->current->innermost, &server->member.region))
        return wf_misuse(-EDEADLK,
                         "task '%s' (spawned at %s) would wait for its own end: it closes the "
                         "listener whose server, task '%s', it lives in",
                         wf_running->current->name, wf_running->current->future.site, server->name);
    return 0;
}

int weft_listener_close(weft_listener *listener)
{
    int err = listener ? check_close(listener) : 0;
    if (!listener || err < 0)
        return err;
    listener->closed = true;
    weft_listener_stop(listener);
    wait_until_left(listener);
    wf_listener_destroy(listener);
    return 0;
}
