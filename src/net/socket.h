#ifndef WF_NET_SOCKET_H
#define WF_NET_SOCKET_H

/* Streams over sockets, and the system calls that make sockets. */

#include "net/address.h"
#include "net/stream.h"

extern const size_t wf_socket_stream_size;

/* A stream over a connected socket, which it owns from here on, also when this fails.
 * Errors: -ENOMEM, the driver's. */
int wf_socket_stream(weft_loop *loop, int fd, const struct wf_stream_options *options,
                     weft_stream **stream);

/* Connect a new socket to an address and make a stream of it. Suspends. */
int wf_socket_connect(weft_loop *loop, const struct wf_address *address,
                      const struct wf_stream_options *options, weft_stream **stream);

/* A socket that listens: its descriptor, or -errno. *address becomes the real one. */
int wf_socket_listen(struct wf_address *address, int backlog);

/* Close a descriptor that no stream or listener has taken. */
void wf_socket_discard(int fd);

/* Remove a unix: path whose socket is ours. */
void wf_socket_unlink(const struct wf_address *address);

#endif
