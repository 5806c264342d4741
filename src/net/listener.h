#ifndef WF_NET_LISTENER_H
#define WF_NET_LISTENER_H

/* What is behind weft_listener: a socket that accepts, or a name in the loop with a queue of
 * streams that were connected to it. */

#include "core/operation.h"
#include "net/address.h"
#include "net/net.h"
#include "net/shared.h"
#include "net/socket.h"
#include "net/stream.h"

struct weft_listener {
    weft_loop *loop;
    struct wf_list link;              /* in the loop's listeners */
    struct wf_stream_options options; /* of the streams it accepts */
    struct wf_address address;        /* sockets */
    struct wf_descriptor descriptor;  /* sockets */
    struct wf_socket_file file;       /* unix: sockets */
    char *name;                       /* mem: the name; NULL for sockets */
    struct wf_list name_link;         /* mem: in the loop's names */
    struct wf_share_seat seat;        /* among the listeners of other loops */
    enum weft_hand_out hand_out;      /* of the server: who accepts, and for whom */
    struct wf_list backlog;           /* mem: connected streams, through client_link; and those that
                                         other loops have given */
    struct wf_list connectors;        /* mem: waiters for room in the backlog */
    size_t backlog_size;
    size_t backlog_max;
    weft_task *server;         /* in weft_serve_on() */
    struct wf_waiter *serving; /* the server's, until a client leaves */
    weft_task *acceptor;
    struct wf_operation *accepting; /* sockets: the acceptor's, while it is parked */
    struct wf_waiter *arriving;     /* for the backlog: likewise */
    struct wf_waiter *closer;
    bool stopped;
    bool closed; /* weft_listener_close() is on its way: its memory goes when it returns */
    char text[128];
};

/* Connect in memory: finds the name, waits for room in its backlog. */
int wf_listener_connect(weft_loop *loop, const char *name, const struct wf_stream_options *options,
                        weft_stream **stream);

/* A socket that another loop has accepted, or connected, for this one. */
void wf_listener_receive(weft_listener *listener, int fd);

/* Accept from a socket whoever waits there, without waiting: 0; -EAGAIN: nobody; an error. */
int wf_listener_accept_now(weft_listener *listener, weft_stream **client);

/* Reset those that have come and were not accepted. */
void wf_listener_drop_backlog(weft_listener *listener);

/* Something has changed at its address: whoever accepts looks again. */
void wf_listener_look_again(weft_listener *listener);

/* An acceptor or server has left: whoever closes may go on. */
void wf_listener_left(weft_listener *listener);

/* Close and free without ceremony, at the loop's end or when its birth failed half way. */
void wf_listener_destroy(weft_listener *listener);

#endif
