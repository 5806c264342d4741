#ifndef WF_IO_CALL_H
#define WF_IO_CALL_H

/* System calls as the drivers want them: retried after EINTR, counted, open to injected faults,
 * and answering >= 0 or -errno. */

#include "io/io.h"

#include <stddef.h>

/* A short answer means that the kernel had no more: an injected limit lowers `*size` itself. */
int64_t wf_call_recv(struct wf_io_counters *counters, int fd, void *data, size_t *size);

/* `*size` out: how many bytes the kernel was asked to take. */
int64_t wf_call_send(struct wf_io_counters *counters, int fd, const struct iovec *vector, int count,
                     size_t *size);

/* Non-blocking and close-on-exec. Connections that died in the queue are skipped. */
int64_t wf_call_accept(struct wf_io_counters *counters, int fd);

/* Whether an accept() failed for the connection it was about to hand out and not for us. */
bool wf_call_is_about_peer(int error);

int wf_call_connect(struct wf_io_counters *counters, int fd, const struct sockaddr *address,
                    socklen_t size);

/* What poll() says of a descriptor now: 0 when it is not ready. */
int wf_call_poll(struct wf_io_counters *counters, int fd, short events, short *ready);

/* The error that waits on a socket, negative; 0: none. */
int wf_call_socket_error(struct wf_io_counters *counters, int fd);

#endif
