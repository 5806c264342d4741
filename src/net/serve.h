#ifndef WF_NET_SERVE_H
#define WF_NET_SERVE_H

/* A server and its clients: those that have a task, and those that are parked. */

#include "core/loop.h"
#include "net/listener.h"
#include "net/stream.h"

struct wf_server {
    weft_listener *listener;
    weft_serve_fn *handler;
    void *arg;
    const struct weft_serve_options *options;
    struct wf_member member; /* what hangs `clients` into the scope around the server */
    struct wf_scope clients; /* their tasks, and the parked ones */
    struct wf_list streams;  /* the clients': of those two, and those that linger after them */
    size_t active;           /* streams */
    int64_t say_after;       /* when a pause is worth a line again */
    bool draining;
    bool wants_parked; /* it is full, waits, and nobody is parked */
};

/* A client that waits for bytes without a task. Serves also between its wake and its turn. */
struct wf_parked {
    struct wf_member member; /* of the server's clients */
    struct wf_stream_wait wait;
    struct wf_ready ready;
};

/* Park a client: the server's handler is called when bytes are there, now or within `timeout`.
 * Without memory it is refused. */
void wf_server_park(struct wf_server *server, weft_stream *client, int64_t timeout);

/* The drain begins: parked clients have one last look at what the kernel has for them. */
void wf_server_drain_parked(struct wf_server *server);

/* Whether a parked client would give its place to another: none is parked; they are, but not long
 * enough; there is one. */
enum wf_server_idle { WF_SERVER_BUSY, WF_SERVER_RESTING, WF_SERVER_IDLE };

/* *longest is the last one it looked at. */
enum wf_server_idle wf_server_idle(struct wf_server *server, struct wf_parked **longest);

/* Close the one that has been idle longest. */
void wf_server_evict_idle(struct wf_server *server);

/* Somebody who was waited for: a client has left, or the first one is parked. */
void wf_server_wake(struct wf_server *server);

/* Start a task for a client, at once: there may be no stack when it is its turn. Without one the
 * client is refused: -ENOMEM. */
int wf_server_start(struct wf_server *server, weft_stream *client);

/* Close a client that its handler will not see. */
void wf_server_refuse(struct wf_server *server, weft_stream *client, int why);

#endif
