#ifndef WF_NET_SHARED_H
#define WF_NET_SHARED_H

/* Addresses on which several loops of a group listen. The story is in shared.c. */

#include "base/list.h"
#include "net/address.h"

#include <stdbool.h>
#include <stdint.h>
#include <weft/stream.h>

struct wf_stream_options;

/* One loop's listener, among those of an address. */
struct wf_share_seat {
    struct wf_list link;    /* in the address's, the lowest loop first */
    struct wf_share *share; /* NULL: the loop is alone, or it has stopped */
    uint64_t serial;        /* which no other listener of the process has */
    int fd;                 /* of a socket, for others to open it again; -1 */
    bool takes;             /* its server is given clients by the first of those that take */
    unsigned clients;       /* takes: those it has, and those on their way to it */
    unsigned clients_max;
};

/* Open the address for this listener, whose seat is empty: as wf_socket_listen(), or as one more of
 * the loops that listen there. Returns the descriptor. Errors: those; -ENOMEM. */
int wf_share_open(weft_listener *listener, const char *text);

/* The same for a name in memory, which the loop does not have yet. */
int wf_share_open_name(weft_listener *listener, const char *text);

/* Give the seat up, if there is one, and close the socket: whoever is last removes a socket file.
 * The others look whether they have become the first. */
void wf_share_close(weft_listener *listener);

/* Connect to a name in memory that a peer listens on, one after another. -ECONNREFUSED: none does.
 */
int wf_share_connect(weft_loop *loop, const char *text, const struct wf_stream_options *options,
                     weft_stream **stream);

/* weft_serve() with .hand_out: this one takes clients, so many, until it is closed. */
void wf_share_take(weft_listener *listener, size_t clients_max);

/* Whether this loop is the one that accepts for all. */
bool wf_share_is_first(const weft_listener *listener);

/* Whether nobody who takes clients has room. */
bool wf_share_is_full(const weft_listener *listener);

/* Give a socket to whoever's turn it is. False: it is the caller's own, or cannot be given. */
bool wf_share_hand_out(weft_listener *listener, int fd, enum weft_hand_out how);

/* A client that was taken has gone. */
void wf_share_lost(weft_listener *listener);

#endif
