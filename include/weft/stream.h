#ifndef WEFT_STREAM_H
#define WEFT_STREAM_H

/* Streams: byte pipes with backpressure, over TCP, Unix sockets and memory.
 *
 * Addresses are text: "host:port", "127.0.0.1:8080", "[::1]:0", ":8080" (all interfaces; to
 * connect: this machine), "unix:/path", "mem:name". A mem: address is a name inside the loop: the
 * same calls, no kernel. "tcp:" may stand before a host, and must before one that is called unix or
 * mem.
 *
 * One task reads and one task writes at a time; a further one gets -EBUSY, with the name of the
 * first in weft_error_detail(). After a timeout or a cancel the stream is usable and no byte is
 * lost, with the one exception that weft_write() names.
 *
 * Every function marked WEFT_SUSPENDS may give up the processor, even where its comment says
 * "unless …": once in 128 such calls of a task that did not have to wait, and in a cancelled scope
 * at every call after the first. So nothing may be assumed unchanged across such a call, neither
 * what tasks share nor the stream itself; where that matters use weft_read_try() and
 * weft_write_try(). */

#include <weft/buffer.h>
#include <weft/define.h>
#include <weft/loop.h>
#include <weft/task.h>

WEFT_BEGIN_DECLS

typedef struct weft_stream weft_stream;
typedef struct weft_listener weft_listener;

/* What serves one client: `client` is borrowed, the server closes it afterwards, unless the return
 * is weft_park()'s. */
typedef int weft_serve_fn(weft_stream *client, void *arg);

/* A client is about to be closed that no handler will see: -ETIMEDOUT, it was parked and silent for
 * too long; -ENOMEM, there is no stack or memory for its handler. A callback: it may not suspend,
 * but weft_write_try() a last word. */
typedef void weft_refused_fn(weft_stream *client, int why, void *arg);

#define WEFT_STREAM_HIGH_MARK ((size_t)64 << 10) /* queued bytes above which a writer waits … */
#define WEFT_STREAM_LOW_MARK  ((size_t)16 << 10) /* … until no more than these are left */
#define WEFT_STREAM_INPUT_MAX ((size_t)1 << 20)  /* read ahead for until, line and fill */
#define WEFT_STREAM_PIECES    16                 /* of one weft_write_pieces() */

/* Options of weft_connect(). */
struct weft_connect_options {
    const char *address; /* the second argument */
    const char *site;    /* set by the macro */
    int64_t linger;      /* how long a close may flush; 0: 5 s, negative: not at all */
    uint32_t high_mark;  /* 0: 64 KiB */
    uint32_t low_mark;   /* 0: 16 KiB */
    uint32_t input_max;  /* 0: 1 MiB; at least 16 KiB */
    bool delay;          /* leave Nagle's algorithm on; a turn's writes are one send anyway */
    size_t size;         /* set by the macro */
};

/* Options of weft_listen(). */
struct weft_listen_options {
    const char *address; /* the second argument */
    const char *site;    /* set by the macro */
    int64_t linger;      /* of the accepted streams, as in weft_connect_options */
    uint32_t high_mark;
    uint32_t low_mark;
    uint32_t input_max;
    int backlog; /* 0: 511; of loops that share an address the first one's holds */
    bool delay;  /* likewise */
    size_t size; /* set by the macro */
};

/* Who accepts, where several loops of a weft_run() serve one address. */
enum weft_hand_out {
    WEFT_HAND_OUT_NEVER,   /* each loop for itself, whoever is idle */
    WEFT_HAND_OUT_IN_TURN, /* the first loop that serves it, for all of them in turn */
    WEFT_HAND_OUT_FEWEST,  /* likewise: for the one that has the fewest clients */
};

/* Options of weft_serve() and weft_serve_on(). */
struct weft_serve_options {
    weft_serve_fn *handler; /* the second argument */
    void *arg;              /* for the handler */
    size_t max_clients;     /* served at one time; the rest waits in the backlog, or takes the place
                               of a client that has been parked longest, a second at least. There
                               may be one more for a moment. 0: 10,000 */
    int64_t drain;          /* how long clients may go on after a cancel; 0: not at all */
    weft_callback *draining;  /* called with .arg when the drain begins, before any cancel; like
                                 every callback it may not suspend */
    const char *name;         /* of the clients' tasks; NULL: "client" */
    const char *site;         /* set by the macro */
    uint32_t stack_size;      /* of the clients' tasks; 0: the default */
    uint16_t size;            /* set by the macro */
    int64_t first_timeout;    /* clients begin parked, and may be silent for so long (WEFT_FOREVER:
                                 for ever) before their handler is called; 0: it is called at once */
    weft_refused_fn *refused; /* NULL: they are closed without a word */
    int64_t send_timeout;     /* parked clients that still read what was written to them: so long
                                 for each byte, then their park's time; 0: that alone counts */
    enum weft_hand_out hand_out; /* the same in all loops that serve the address */
};

/** Connect a stream. The first address of a name that answers is taken.
 *
 *     weft_stream *db;
 *     int err = weft_connect(&db, "db.local:5432");
 *
 * Returns: 0, and the stream in *stream.
 * Errors: WEFT_EDNS when the name has no address (the resolver's words are the detail); connect's
 *   own (-ECONNREFUSED, -ETIMEDOUT, …; -EAGAIN from a Unix listener whose backlog is full);
 *   -EINVAL for an address that cannot be read; -EMFILE, -ENOMEM; -ECANCELED; -EPERM outside a
 *   task.
 * Suspends: until connected; with mem: addresses only while the listener's backlog is full.
 * Cancel: at once; the attempt is closed. A lookup that is under way is left to a pool thread.
 * Ownership: gives the stream, ended by weft_close() or weft_abort().
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_connect_with(weft_stream **stream, const struct weft_connect_options *options);

/** Make two streams that are each other's peer, in memory. For tests, and between tasks.
 *
 * Returns: 0.
 * Errors: -ENOMEM; -EPERM without a loop.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: gives both, each ended by weft_close().
 * Threads: the loop's own. */
WEFT_API
int weft_memory_pair(weft_stream **a, weft_stream **b);

/** Read what is there, at most `size` bytes.
 *
 * Returns: bytes read, > 0; 0 at the end of the stream, and for a `size` of 0.
 * Errors: -EBUSY while another task reads; -ECONNRESET and other errors of the connection, again
 *   and again; WEFT_ECLOSED when it was closed meanwhile; -ECANCELED; -EPERM outside a task;
 *   WEFT_ETHREAD.
 * Suspends: until there is a byte or the end.
 * Cancel: loses nothing: bytes that had arrived are returned, and the next call is cancelled.
 * Ownership: borrows the buffer until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_read(weft_stream *stream, void *buffer, size_t size);

/** Read without waiting: what has arrived.
 *
 * Returns: bytes read; 0 at the end of the stream.
 * Errors: -EAGAIN when nothing is there; as weft_read().
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows the buffer during the call.
 * Threads: the loop's own. */
WEFT_API
ssize_t weft_read_try(weft_stream *stream, void *buffer, size_t size);

/** Read exactly `size` bytes.
 *
 * Returns: 0.
 * Errors: WEFT_EEND when the stream ended first, what came stays readable; as weft_read();
 *   -ENOMEM. `size` may be above the stream's input limit: check what a peer asks for.
 * Suspends: until they are there.
 * Cancel: loses nothing: what has arrived stays in the stream.
 * Ownership: borrows the buffer until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_read_exact(weft_stream *stream, void *buffer, size_t size);

/** Read up to and including a delimiter.
 *
 * Returns: bytes copied, delimiter included.
 * Errors: WEFT_ELIMIT when the delimiter is not among the next `size` bytes, or the input limit is
 *   reached before it; they stay in the stream. WEFT_EEND when the stream ended before it, what
 *   came stays readable. -EINVAL for an empty delimiter. As weft_read().
 * Suspends: until the delimiter is there.
 * Cancel: loses nothing: what has arrived stays in the stream.
 * Ownership: borrows buffer and delimiter until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_read_until(weft_stream *stream, void *buffer, size_t size, const void *delimiter,
                        size_t delimiter_size);

/** Read a line. Its end ("\n" or "\r\n") is dropped and a NUL is set instead.
 *
 * Returns: the line's length, without the NUL; WEFT_EEND is returned once the stream has ended and
 *   everything was read; a last line without an end counts.
 * Errors: WEFT_ELIMIT when the line and its NUL do not fit, it stays in the stream; as weft_read().
 * Suspends: until the line is there.
 * Cancel: loses nothing: what has arrived stays in the stream.
 * Ownership: borrows the buffer until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_read_line(weft_stream *stream, char *line, size_t size);

/** Wait for more bytes in the stream's own input, for parsers that work in place.
 *
 *     weft_buffer *input = weft_stream_input(stream);
 *     while (!complete(weft_buffer_data(input), weft_buffer_readable(input)))
 *         if ((n = weft_fill(stream)) <= 0)
 *             break;
 *
 * Returns: bytes added, > 0; 0 at the end of the stream.
 * Errors: WEFT_ELIMIT when the input is full; -ENOMEM; as weft_read().
 * Suspends: until there is a byte or the end. No memory is held for an empty input meanwhile.
 * Cancel: loses nothing.
 * Ownership: the bytes are the stream's.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_fill(weft_stream *stream);

/** The bytes that were read ahead. Consume what you have used; do not add.
 *
 * Returns: the buffer, never NULL; it moves its bytes in weft_fill() and the read functions.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the stream's.
 * Threads: the loop's own. */
WEFT_API
weft_buffer *weft_stream_input(weft_stream *stream);

/** Write all of `data`.
 *
 * First waits for room, while nothing is taken: when the high mark is reached, until no more than
 * the low mark is queued. Then up to the high mark's size is taken whole and the call returns; the
 * stream sends it, together with whatever else was written in the turn. More than that is taken in
 * pieces of the high mark's size, so that less than twice the high mark is ever queued.
 *
 * Returns: 0 when all was taken.
 * Errors: -EBUSY while another task writes; -EPIPE after weft_shutdown_write(), after a write that
 *   was cut, and when the peer has closed; -ECONNRESET and other errors of the connection, also of
 *   earlier writes; WEFT_ECLOSED; -ENOMEM; -ECANCELED; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: unless there is room.
 * Cancel: while it waits for room: nothing was taken. In the middle of a write above the high mark
 *   (and where memory runs out in the middle) the write side is torn: the detail says "after k of n
 *   bytes", later writes answer -EPIPE, reads go on, weft_close() resets.
 * Ownership: borrows `data` until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_write(weft_stream *stream, const void *data, size_t size);

/** Write all of `data` or nothing, without waiting: for callbacks, and for one message to many
 * peers of which none may hold up the others.
 *
 *     for (size_t i = 0; i < count; i++)
 *         if (weft_write_try(members[i], line, size) == -EAGAIN)
 *             missed[i]++;
 *
 * Returns: 0 when all was taken, as by weft_write().
 * Errors: -EAGAIN while the high mark is reached, whatever the size; -EINVAL for more than the high
 *   mark; -EBUSY while a task is inside the write side: writes, flushes or shuts down; as
 *   weft_write() but for -ECANCELED and -EPERM. Where memory runs out in the middle the write side
 *   is torn; else nothing was taken.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows `data` during the call.
 * Threads: the loop's own; also from callbacks. */
WEFT_API
int weft_write_try(weft_stream *stream, const void *data, size_t size);

/** Write what fits: waits for room as weft_write(), then takes at most the high mark's size.
 *
 * Returns: bytes taken, > 0 (0 for size 0).
 * Errors: as weft_write().
 * Suspends: unless there is room.
 * Cancel: loses nothing: -ECANCELED means that no byte was taken.
 * Ownership: borrows `data` until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_write_some(weft_stream *stream, const void *data, size_t size);

/** Write several pieces as one: takes all of them, or waits for room like weft_write().
 *
 * Returns: 0 when all was taken.
 * Errors: as weft_write(); -EINVAL for more than 16 pieces, or when they exceed the high mark
 *   together.
 * Suspends: unless there is room.
 * Cancel: loses nothing: -ECANCELED means that no byte was taken.
 * Ownership: borrows the pieces until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_write_pieces(weft_stream *stream, const weft_slice *pieces, size_t count);

/** Wait until everything that was taken is with the kernel (or the peer, in memory).
 *
 * Returns: 0.
 * Errors: as weft_write().
 * Suspends: unless nothing is queued.
 * Cancel: loses nothing: the stream goes on sending.
 * Ownership: borrows the stream.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_flush(weft_stream *stream);

/** Write `size` bytes of a file, beginning at `offset`, behind what is queued. Over a socket the
 * kernel moves what is large, without copies.
 *
 * Returns: bytes written: fewer than `size` only at the end of the file. As with weft_write() some
 *   may still be queued.
 * Errors: those of weft_write() and weft_file_read_at(); -EINVAL: the offset, for which there is no
 *   WEFT_FILE_POSITION here, or the size is below 0. After a part the stream is torn, as
 *   weft_write() says.
 * Suspends: until all is taken.
 * Cancel: as weft_write(); a call of the kernel's that has begun is waited for.
 * Ownership: borrows the descriptor until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int64_t weft_send_file(weft_stream *stream, int fd, int64_t offset, int64_t size);

/** Copy from one stream to another: `size` bytes, or until `from` has ended. INT64_MAX: all. From
 * socket to socket the kernel moves what is much, without copies, through a pipe: two descriptors
 * and 256 KiB while it lasts, for 64 copies of a loop at a time. Both ways are two tasks:
 *
 *     static int forward(void *arg)
 *     {
 *         struct way *way = arg;
 *         int err = weft_stream_copy(way->from, way->to, INT64_MAX, NULL);
 *         return err < 0 ? err : weft_shutdown_write(way->to);
 *     }
 *
 * Returns: 0, and in *copied, which may be NULL, how many bytes; so where there is an error too.
 *   As with weft_write() some may still be queued.
 * Errors: those of weft_read() on `from`, and of weft_write() on `to`: which it is, the next read
 *   tells; WEFT_ECLOSED when either was closed meanwhile; -EINVAL: a size below 0. What was read
 *   and not written stays in `from`, and another call goes on with it. Where there is no memory to
 *   keep it in, 256 KiB at most, `from` answers -ENOMEM from then on. A close of `to` would be a
 *   clean end behind a part: weft_stream_tear() it first, where that matters.
 * Suspends: until all is taken.
 * Cancel: loses nothing, as after an error; the write side is not torn.
 * Ownership: borrows both. They may be one stream, whose peer hears what it says.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_stream_copy(weft_stream *from, weft_stream *to, int64_t size, int64_t *copied);

/** Half-close: after what was written the peer reads the end of the stream. Reading goes on.
 *
 * Returns: 0; again: 0.
 * Errors: as weft_flush().
 * Suspends: until everything is sent.
 * Cancel: the end is still sent after what was written.
 * Ownership: borrows the stream.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_shutdown_write(weft_stream *stream);

/** Close a stream.
 *
 * Whoever reads or writes gets WEFT_ECLOSED; the call waits until they have left. What weft_write()
 * took is still sent, by the loop, for at most `.linger`. In a cancelled scope and after a torn
 * write the connection is reset instead.
 *
 * Returns: 0. NULL is allowed.
 * Errors: none that a right program sees: -EALREADY while it is being closed; -EPERM outside a task
 *   while others are in the stream; WEFT_ETHREAD. The stream stays as it is then.
 * Suspends: only while others are in the stream.
 * Cancel: never delivered here.
 * Ownership: takes the stream.
 * Threads: the loop's own; also from callbacks, when nobody reads or writes. */
WEFT_API
WEFT_SUSPENDS
int weft_close(weft_stream *stream);

/** Close at once: what is queued is dropped and the peer sees a reset.
 *
 * A Unix socket cannot say that: there the peer sees the end.
 *
 * Returns: 0. NULL is allowed.
 * Errors: as weft_close().
 * Suspends: only while others are in the stream.
 * Cancel: never delivered here.
 * Ownership: takes the stream.
 * Threads: as weft_close(). */
WEFT_API
WEFT_SUSPENDS
int weft_abort(weft_stream *stream);

/** The peer's address as text: "127.0.0.1:40312", "[::1]:40312", "unix:", "mem:name".
 *
 * Returns: the text; "unknown" when the kernel does not tell any more, "" without memory.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the stream's.
 * Threads: the loop's own. */
WEFT_API
const char *weft_stream_peer(weft_stream *stream);

/** Bytes that were taken and are not with the kernel yet.
 *
 * Returns: the count.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the stream.
 * Threads: the loop's own. */
WEFT_API
size_t weft_stream_queued(const weft_stream *stream);

/** How many bytes may be queued before a write waits: while fewer are, a write is taken at once.
 *
 * Returns: the stream's high mark.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the stream.
 * Threads: the loop's own. */
WEFT_API
size_t weft_stream_high_mark(const weft_stream *stream);

/** Bytes that were taken and have not arrived: those queued, and those that the kernel has and the
 * peer's kernel has not acknowledged (of a Unix socket and in memory: that the peer has not read).
 * While it falls, the peer reads. Costs a system call.
 *
 * Returns: the count.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the stream.
 * Threads: the loop's own. */
WEFT_API
size_t weft_stream_in_flight(weft_stream *stream);

/** Say that what was written ends in the middle of something, as when a message had to be given up:
 * later writes are answered with -EPIPE, weft_close() resets, reading goes on.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the stream.
 * Threads: the loop's own. */
WEFT_API
void weft_stream_tear(weft_stream *stream);

/** Take an address, so that clients can connect. Port 0 picks a free one. Of a name's addresses it
 * is the first.
 *
 * Where a weft_run() has several loops they listen on one address together: each takes its own
 * listener, with the same text, and clients come to whichever loop waits for one.
 *
 * Returns: 0, and the listener in *listener.
 * Errors: -EADDRINUSE, -EACCES and others of bind; -EINVAL for an address that cannot be read;
 *   WEFT_EDNS; -EMFILE, -ENOMEM; -ECANCELED; -EPERM without a loop.
 * Suspends: only for a name that has to be looked up.
 * Cancel: loses nothing.
 * Ownership: gives the listener, ended by weft_listener_close(). A unix: path is removed with it,
 *   unless somebody else has taken it since; one that a dead server has left is taken over.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_listen_with(weft_listener **listener, const struct weft_listen_options *options);

/** Accept one client.
 *
 * Returns: 0, and the stream in *client.
 * Errors: -EBUSY while another task accepts or serves; -EMFILE, -ENFILE, -ENOBUFS (the client stays
 *   in the backlog); -ENOMEM (it may be lost); other errors of accept, after which the next call
 *   may go well; WEFT_ECLOSED; -ECANCELED; -EPERM outside a task.
 * Suspends: until there is one.
 * Cancel: loses nothing.
 * Ownership: gives the stream.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_accept(weft_listener *listener, weft_stream **client);

/** The address it listens on, as text, with the real port.
 *
 * Returns: the text.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the listener's.
 * Threads: the loop's own. */
WEFT_API
const char *weft_listener_address(const weft_listener *listener);

/** Accept no more: new clients are refused (or come to the other loops that listen there), whoever
 * accepts gets WEFT_ECLOSED, and a server on it drains: it returns when its clients are done.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is cancelled.
 * Ownership: the listener stays the caller's.
 * Threads: the loop's own. */
WEFT_API
void weft_listener_stop(weft_listener *listener);

/** End a listener: as weft_listener_stop(), and its memory is gone.
 *
 * Returns: 0. NULL is allowed.
 * Errors: none that a right program sees: -EALREADY while it is being closed; -EPERM outside a task
 *   while others use it; -EDEADLK from a handler of its own server, which may stop it instead;
 *   WEFT_ETHREAD.
 * Suspends: only while somebody accepts, or serves: until the last client is done.
 * Cancel: never delivered here.
 * Ownership: takes the listener.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_listener_close(weft_listener *listener);

/** Serve clients on an address: a task of its own for each, until cancelled.
 *
 * Out of descriptors or memory it pauses and goes on when there are some again. Between two
 * messages a client may wait without its task: weft_park(). A handler's error is logged and ends
 * its client alone; that the peer went away is no error. When the serving task
 * is cancelled the address is given up and the clients have `.drain` to finish. Several loops
 * each serve those that they accept, or, with `.hand_out`, are given by the lowest of them;
 * `.max_clients`, `.drain`, a stop and a cancel are each loop's own.
 *
 * Returns: 0 after weft_listener_stop() and the last client.
 * Errors: as weft_listen(); -EBUSY when another task accepts or serves; -ECANCELED after a cancel,
 *   when all clients are gone.
 * Suspends: always.
 * Cancel: see above; no client is left behind.
 * Ownership: each client is borrowed to the handler and closed after it.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_serve_with(const char *address, const struct weft_serve_options *options);

/** Serve clients on a listener: as weft_serve(), but the port is known before.
 *
 * Returns: as weft_serve().
 * Errors: as weft_serve().
 * Suspends: always.
 * Cancel: as weft_serve(); the listener is stopped.
 * Ownership: borrows the listener.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_serve_on_with(weft_listener *listener, const struct weft_serve_options *options);

/** Let a client wait without a task: the return of a handler that has nothing to do until more
 * bytes come.
 *
 *     return weft_park(client, WEFT_MINUTE);      the handler is called anew with the next bytes
 *
 * A parked client costs some 800 bytes and no stack. Bytes that are in its input already count:
 * then the handler is called again in the next turn, so it parks with nothing there or a message
 * that is whole, and waits for the rest of one by reading: else it would be called for ever. When
 * the peer ends, or nothing has come for `timeout`, it is closed; when the server drains, at once.
 *
 * Other tasks may write to it, not read. Their writes answer WEFT_ECLOSED when it is closed; the
 * drop of weft_stream_set_data() says when it is gone.
 *
 * Returns: WEFT_PARKED, for the handler to return; it says nothing where the client's task is
 *   cancelled, which closes it.
 * Errors: -EPERM for a stream that is no client of weft_serve(), or in another thread.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the client stays the server's.
 * Threads: the loop's own. */
WEFT_API
int weft_park(weft_stream *client, int64_t timeout);

/** What weft_park() returns. */
#define WEFT_PARKED 0x7061726b

/** Close the parked client that holds the most bytes, among those of the server that `client`
 * belongs to: what is queued for one that does not read goes with it.
 *
 * Returns: the bytes it held; 0 when none holds `least` bytes, or any at all.
 * Errors: none.
 * Suspends: never. Looks at every client of the server.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
size_t weft_park_evict(const weft_stream *client, size_t least);

/** Close a parked client of your choice. What was written to it is still sent.
 *
 * Returns: 0.
 * Errors: -EAGAIN: it is not parked, or bytes have come and its handler is about to be called;
 *   -EPERM for a stream that is no client of weft_serve(), or in another thread.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the client stays the server's, which closes it in the next turn.
 * Threads: the loop's own. */
WEFT_API
int weft_park_close(weft_stream *client);

/** Let a stream carry a pointer of yours, in place of the last one, which is dropped.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: keeps `data`; `drop` (NULL: nothing is to be done) gets it when the stream is gone.
 * Threads: the loop's own. */
WEFT_API
void weft_stream_set_data(weft_stream *stream, void *data, weft_drop_fn *drop);

/** The pointer that a stream carries.
 *
 * Returns: the last one that was set; NULL when none was.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
void *weft_stream_data(const weft_stream *stream);

WEFT_END_DECLS

#ifndef __cplusplus
#    define weft_connect(stream, ...)                                                              \
        weft_connect_with((stream), &(struct weft_connect_options){                                \
                                        .address = __VA_ARGS__,                                    \
                                        .site = WEFT_SITE,                                         \
                                        .size = sizeof(struct weft_connect_options) })
#    define weft_listen(listener, ...)                                                             \
        weft_listen_with((listener), &(struct weft_listen_options){                                \
                                         .address = __VA_ARGS__,                                   \
                                         .site = WEFT_SITE,                                        \
                                         .size = sizeof(struct weft_listen_options) })
#    define WEFT_SERVE_OPTIONS_(...)                                                               \
        &(struct weft_serve_options)                                                               \
        {                                                                                          \
            .handler = __VA_ARGS__, .site = WEFT_SITE, .size = sizeof(struct weft_serve_options)   \
        }
#    define weft_serve(address, ...) weft_serve_with((address), WEFT_SERVE_OPTIONS_(__VA_ARGS__))
#    define weft_serve_on(listener, ...)                                                           \
        weft_serve_on_with((listener), WEFT_SERVE_OPTIONS_(__VA_ARGS__))
#else
static inline int weft_connect(weft_stream **stream, const char *address,
                               weft_connect_options options = {})
{
    options.address = address;
    options.size = sizeof options;
    return weft_connect_with(stream, &options);
}

static inline int weft_listen(weft_listener **listener, const char *address,
                              weft_listen_options options = {})
{
    options.address = address;
    options.size = sizeof options;
    return weft_listen_with(listener, &options);
}

static inline int weft_serve(const char *address, weft_serve_fn *handler,
                             weft_serve_options options = {})
{
    options.handler = handler;
    options.size = static_cast<uint16_t>(sizeof options);
    return weft_serve_with(address, &options);
}

static inline int weft_serve_on(weft_listener *listener, weft_serve_fn *handler,
                                weft_serve_options options = {})
{
    options.handler = handler;
    options.size = static_cast<uint16_t>(sizeof options);
    return weft_serve_on_with(listener, &options);
}
#endif

#endif
