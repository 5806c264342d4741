#include "net/socket.h"

#include "core/operation.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct socket_stream {
    weft_stream stream;
    struct wf_descriptor descriptor;
};

_Static_assert(sizeof(struct socket_stream) <= 512, "a connection takes 64 bytes more");

const size_t wf_socket_stream_size = sizeof(struct socket_stream);

static struct socket_stream *inside(weft_stream *stream)
{
    return wf_container(stream, struct socket_stream, stream);
}

/* The transport: the driver's operations on the stream's descriptor. */

static int64_t socket_submit(weft_stream *stream, struct wf_op *op)
{
    weft_loop *loop = stream->loop;
    op->descriptor = &inside(stream)->descriptor;
    return loop->io_ops->submit(loop->io, op);
}

static bool socket_cancel(weft_stream *stream, struct wf_op *op)
{
    weft_loop *loop = stream->loop;
    return loop->io_ops->cancel(loop->io, op);
}

static void socket_lend_return(weft_stream *stream, char *block)
{
    weft_loop *loop = stream->loop;
    loop->io_ops->lend_return(loop->io, block);
}

static int socket_shutdown(weft_stream *stream)
{
    return shutdown(inside(stream)->descriptor.fd, SHUT_WR) < 0 ? -errno : 0;
}

static int socket_descriptor(weft_stream *stream)
{
    return inside(stream)->descriptor.fd;
}

static bool socket_is_ahead(weft_stream *stream)
{
    return inside(stream)->descriptor.ahead;
}

static size_t socket_in_flight(weft_stream *stream)
{
    int bytes;
    return ioctl(inside(stream)->descriptor.fd, SIOCOUTQ, &bytes) == 0 ? (size_t)bytes : 0;
}

static void socket_forsake(weft_stream *stream)
{
    struct wf_descriptor *descriptor = &inside(stream)->descriptor;
    weft_loop *loop = stream->loop;
    if (descriptor->reader)
        wf_io_drop(loop->io_ops, loop->io, descriptor->reader);
    if (descriptor->writer && descriptor->writer != &stream->send)
        wf_io_drop(loop->io_ops, loop->io, descriptor->writer);
}

static void socket_release(weft_stream *stream, bool reset)
{
    struct socket_stream *socket = inside(stream);
    weft_loop *loop = stream->loop;
    struct wf_net *net = loop->net;
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    if (reset)
        setsockopt(socket->descriptor.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    loop->io_ops->release(loop->io, &socket->descriptor);
    wf_slab_put(&net->sockets, socket);
}

static void socket_peer(weft_stream *stream, char *text, size_t size)
{
    struct wf_address address = { .size = sizeof address.storage };
    if (getpeername(inside(stream)->descriptor.fd, &address.any, &address.size) == 0)
        wf_address_format(&address, text, size);
    else
        snprintf(text, size, "unknown");
}

static const struct wf_transport_ops socket_ops = {
    .name = "socket",
    .submit = socket_submit,
    .cancel = socket_cancel,
    .lend_return = socket_lend_return,
    .shutdown = socket_shutdown,
    .descriptor = socket_descriptor,
    .is_ahead = socket_is_ahead,
    .in_flight = socket_in_flight,
    .forsake = socket_forsake,
    .release = socket_release,
    .peer = socket_peer,
};

/* A turn's writes are one send, so holding the last one back (Nagle) would only delay it. */
static void set_no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a Unix socket says no: fine */
}

int wf_socket_stream(weft_loop *loop, int fd, const struct wf_stream_options *options,
                     weft_stream **stream)
{
    struct wf_net *net = wf_net_of(loop);
    struct socket_stream *socket = net ? wf_slab_get(&net->sockets) : NULL;
    if (!socket) {
        close(fd);
        return -ENOMEM;
    }
    socket->descriptor = (struct wf_descriptor){ .fd = -1 };
    int err = loop->io_ops->attach(loop->io, &socket->descriptor, fd);
    if (err < 0) {
        close(fd);
        wf_slab_put(&net->sockets, socket);
        return err;
    }
    wf_stream_init(&socket->stream, loop, &socket_ops, options);
    *stream = &socket->stream;
    return 0;
}

/* Connecting. */

static const struct wf_wait_ops connect_ops = { .kind = "a connection",
                                                .abort = wf_operation_abort };

int wf_socket_connect(weft_loop *loop, const struct wf_address *address,
                      const struct wf_stream_options *options, weft_stream **out)
{
    weft_stream *stream;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (!options->delay)
        set_no_delay(fd);
    int err = wf_socket_stream(loop, fd, options, &stream);
    if (err < 0)
        return err;
    struct wf_operation operation = { .op = { .code = WF_OP_CONNECT } };
    operation.op.descriptor = &inside(stream)->descriptor;
    operation.op.connect.address = &address->any;
    operation.op.connect.size = address->size;
    err = (int)wf_operate(loop, &operation, &connect_ops);
    if (err < 0)
        wf_stream_destroy(stream, false);
    else
        *out = stream;
    return err;
}

/* Listening. */

static int bind_and_listen(int fd, const struct wf_address *address, int backlog)
{
    int on = 1, off = 0;
    if (address->any.sa_family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->any.sa_family == AF_INET6) /* [::] takes IPv4 clients too */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, &address->any, address->size) < 0 || listen(fd, backlog) < 0)
        return -errno;
    return 0;
}

/* The socket file at a path; .inode 0: there is none. */
static struct wf_socket_file file_at(const struct wf_address *address)
{
    struct stat status;
    struct wf_socket_file file = { 0, 0 };
    if (address->any.sa_family != AF_UNIX || lstat(address->local.sun_path, &status) < 0)
        return file;
    if (S_ISSOCK(status.st_mode)) {
        file.device = status.st_dev;
        file.inode = status.st_ino;
    }
    return file;
}

/* Whether a socket file has nobody behind it: a server that ended without removing it. */
static bool is_stale(const struct wf_address *address)
{
    if (file_at(address).inode == 0)
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, &address->any, address->size) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

int wf_socket_listen(struct wf_address *address, int backlog, bool delay,
                     struct wf_socket_file *file)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (!delay)
        set_no_delay(fd);
    int err = bind_and_listen(fd, address, backlog);
    if (err == -EADDRINUSE && is_stale(address)) {
        unlink(address->local.sun_path);
        err = bind_and_listen(fd, address, backlog);
    }
    if (err < 0) {
        close(fd);
        return err;
    }
    address->size = sizeof address->storage;
    getsockname(fd, &address->any, &address->size);
    *file = file_at(address);
    return fd;
}

int wf_socket_duplicate(int fd)
{
    int other = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return other < 0 ? -errno : other;
}

int wf_socket_pair(int fds[2])
{
    int err = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
    return err < 0 ? -errno : 0;
}

void wf_socket_discard(int fd)
{
    close(fd);
}

void wf_socket_unlink(const struct wf_address *address, const struct wf_socket_file *file)
{
    struct wf_socket_file now = file_at(address);
    if (now.inode != 0 && now.inode == file->inode && now.device == file->device)
        unlink(address->local.sun_path);
}
