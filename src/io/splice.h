#ifndef WF_IO_SPLICE_H
#define WF_IO_SPLICE_H

/* From socket to socket inside the kernel: pages go into a pipe at one end, and leave it at the
 * other, and nobody has copied them. Of sockets that are O_NONBLOCK; then none of these waits.
 *
 * A pipe that is empty has room for a piece at least, so that -EAGAIN is the socket's. It takes two
 * descriptors, and a part of what the kernel lets a user have in pipes (64 MiB, usually). */

#include <stddef.h>
#include <stdint.h>

#define WF_SPLICE_SIZE ((size_t)256 << 10) /* of the pipe */

struct wf_splice {
    int in, out; /* -1: not open */
    size_t size; /* bytes in it */
};

/* Errors: -EMFILE, -ENFILE, -ENOMEM; -EPERM: this user has too much in pipes. */
int wf_splice_open(struct wf_splice *pipe);

/* What is in it is lost. */
void wf_splice_close(struct wf_splice *pipe);

/* From a socket into the pipe, which is empty: bytes, 0 at the end of the stream. Errors: -EAGAIN,
 * the connection's, -EINVAL: it cannot be done with such a socket. */
int64_t wf_splice_take(struct wf_splice *pipe, int from, size_t size);

/* From the pipe to a socket, likewise. */
int64_t wf_splice_give(struct wf_splice *pipe, int to);

/* From the pipe to memory, at most what is in it. */
void wf_splice_read(struct wf_splice *pipe, char *data, size_t size);

#endif
