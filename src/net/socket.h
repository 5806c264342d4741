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

/* The file of a unix: listener: somebody else's may have its name by now. */
struct wf_socket_file {
    uint64_t device, inode; /* inode 0: none */
};

/* A socket that listens: its descriptor, or -errno. *address becomes the real one. `delay` (Nagle's
 * algorithm) is inherited by whom it accepts. */
int wf_socket_listen(struct wf_address *address, int backlog, bool delay,
                     struct wf_socket_file *file);

/* Another descriptor of the same socket, or -errno. */
int wf_socket_duplicate(int fd);

/* Two sockets that are each other's peer. 0 or -errno. */
int wf_socket_pair(int fds[2]);

/* Close a descriptor that no stream or listener has taken. */
void wf_socket_discard(int fd);

/* Remove a unix: path if it still is that file. */
void wf_socket_unlink(const struct wf_address *address, const struct wf_socket_file *file);

#endif
