#ifndef WF_NET_STREAM_H
#define WF_NET_STREAM_H

/* What is behind weft_stream.
 *
 *      read side      transport ──RECV──> the reader's buffer, or input (read ahead)
 *      write side     weft_write ──> output ──turn hook──> SEND ──> transport
 *
 * A transport carries bytes: a socket, or the other half of a pair in memory. It is asked in the
 * same operations as the kernel, so the stream's code does not know which it has.
 *
 *     OPEN ──weft_close──> CLOSING ──> LINGERING ──> gone      (nothing queued: straight to gone)
 *                          others leave  flushes in the background, at most .linger
 *
 * Write side: queued bytes are the chain `output`. What the transport takes at once goes in several
 * pieces; else a SEND of the first one stays with it, while `sending`, for the chain never moves
 * bytes, so appending goes on. A failure is kept in
 * write_error, drops what is queued, and is what every later write answers.
 *
 * One task in each side: `reader`, `writer` (which is also who flushes or shuts down). It may be a
 * stackless one; a parked client is the reader of its stream. */

#include "core/loop.h"
#include "core/stackless.h"
#include "net/net.h"

#include <weft/buffer.h>
#include <weft/stream.h>

#define WF_SEND_DIRECT 4096 /* from this size on, bytes are sent from the caller's memory first */
#define WF_SEND_PIECES 4    /* of the chain in one SEND: 52 KiB of full blocks */
#define WF_READ_CHUNK  4096 /* room made for reading ahead when more is wanted */
#define WF_READ_STEP   (64u << 10) /* and at most, however much is wanted */
#define WF_LEND_SIZE   (16u << 10) /* of a block that a transport lends */
#define WF_LINGER      (5 * WEFT_SECOND)
#define WF_PEER_TEXT   128 /* an address as text: "unix:" and a path are 113 */

struct wf_transport_ops {
    const char *name;
    bool eager; /* sending costs no system call: do not gather the turn's writes */
    int64_t (*submit)(weft_stream *stream, struct wf_op *op); /* RECV, RECV_LEND, SEND */
    bool (*cancel)(weft_stream *stream, struct wf_op *op);
    void (*lend_return)(weft_stream *stream, char *block);
    int (*shutdown)(weft_stream *stream);     /* nothing more will be sent */
    int (*descriptor)(weft_stream *stream);   /* of a socket that carries the bytes as they are; no
                                                 function: there is none */
    bool (*is_ahead)(weft_stream *stream);    /* of that: what has come may lie with the driver */
    size_t (*in_flight)(weft_stream *stream); /* sent, and not arrived */
    /* Take back what frames of abandoned tasks have submitted, at the loop's end; may wait. */
    void (*forsake)(weft_stream *stream);
    /* Close and free the stream's memory. No operation is pending. */
    void (*release)(weft_stream *stream, bool reset);
    void (*peer)(weft_stream *stream, char *text, size_t size);
};

/* A task in one side of a stream: its operation, if it has one with the transport. */
struct wf_stream_wait {
    struct wf_op op;
    struct wf_waiter waiter;
    weft_stream *stream;
};

struct weft_stream {
    const struct wf_transport_ops *ops;
    weft_loop *loop;
    struct wf_list link; /* in the loop's streams, or its lingering ones */

    weft_buffer input;
    const struct wf_member *reader;
    struct wf_stream_wait *reading; /* the reader's, while it is parked */

    weft_chain output;
    struct wf_op send;  /* the stream's own, for when what is queued has to wait */
    struct iovec piece; /* what it sends */
    struct wf_turn_hook flush;
    const struct wf_member *writer;
    struct wf_waiter *draining; /* the writer, until queued <= drain_to */
    weft_stream *copies_to;     /* by its reader, who may wait there; and … */
    weft_stream *copies_from;   /* … by its writer */

    struct wf_waiter *closer; /* until reader and writer have left */
    struct wf_timer timer;    /* how long it may be parked, and in the end how long it lingers */
    int64_t linger_time;
    struct wf_server *server; /* whose client it is */
    struct wf_parked *parked; /* it waits without a task */
    int64_t park_timeout;     /* of the last weft_park() */
    void *data;               /* the user's */
    weft_drop_fn *data_drop;
    struct wf_list client_link; /* in a listener's backlog, or among the server's clients */
    char *peer_text;            /* made when somebody asks */

    uint32_t input_max; /* input.limit, but for what an exact read has left there */
    int read_error;     /* 0, or what reads answer when the input is used up */
    int write_error;    /* 0, or what writes answer */
    uint32_t high_mark;
    uint32_t low_mark;
    uint32_t drain_to;
    uint32_t park_pending; /* bytes in flight when its time was over; UINT32_MAX: it was not yet */
    bool sending : 1;      /* `send` is with the transport */
    bool at_end : 1;       /* the peer has ended */
    bool ending : 1;       /* our end follows what is queued */
    bool ended : 1;        /* and has been sent */
    bool torn : 1; /* a write was cut in the middle, or what was queued is lost: close resets */
    bool closed : 1;
    bool closes_alone : 1; /* whoever leaves it last ends it */
    bool lingering : 1;
    bool doomed : 1;         /* goes when the transport gives `send` back */
    bool reset : 1;          /* how it goes */
    bool park_is_lent : 1;   /* its bytes are in the block that the park's wait was lent */
    bool park_timed_out : 1; /* and not cancelled, if it was given up */
};

/* For transports: prepare the common part. */
void wf_stream_init(weft_stream *stream, weft_loop *loop, const struct wf_transport_ops *ops,
                    const struct wf_stream_options *options);

/* Say what its peer is called, where the transport does not know. Without memory it does not say.
 */
void wf_stream_name_peer(weft_stream *stream, const char *text);

/* Free without ceremony, at the loop's end or when its birth failed half way. */
void wf_stream_destroy(weft_stream *stream, bool reset);

/* Close where nobody can wait: who is inside leaves with WEFT_ECLOSED, and the last one ends it. */
void wf_stream_close_alone(weft_stream *stream, bool reset);

/* A side's entry: the checks that every call makes, the guard, and wf_enter(). 0 or an error. */
int wf_stream_enter_read(weft_stream *stream);
int wf_stream_enter_write(weft_stream *stream);
void wf_stream_leave_read(weft_stream *stream);
void wf_stream_leave_write(weft_stream *stream);

/* A call that goes from transfer to transfer lets others run between two of them, and is cancelled
 * there, as if each were a call: 0 or -ECANCELED. */
static inline int wf_stream_breathe(void)
{
    weft_task *task;
    return wf_enter(&task);
}

/* The transport has served a call at once. */
static inline void wf_stream_charge(const weft_stream *stream, int64_t result)
{
    if (!stream->ops->eager) /* memory is no slower than any other call */
        wf_charge_transfer(stream->loop, result > 0 ? (size_t)result : 0);
}

/* Somebody is in that side already: -EBUSY, and says who. */
int wf_stream_busy(const weft_stream *stream, const struct wf_member *member, const char *what);

/* Arm a wait for bytes. Who does not park on it sets the waiter's wake and owner. */
void wf_stream_arm(weft_stream *stream, struct wf_stream_wait *wait);

/* Wait for bytes in a block that the transport lends: WF_PENDING, or what the transport says at
 * once. */
int64_t wf_stream_wait_lent(weft_stream *stream, struct wf_stream_wait *wait);

/* The block of a wait that has brought `size` bytes becomes the input, which is empty. */
void wf_stream_adopt(weft_stream *stream, const struct wf_op *op, size_t size);

/* The transport's word on wait->op: at once, or after parking. WEFT_ECLOSED. */
int64_t wf_stream_operate(weft_stream *stream, struct wf_stream_wait *wait);

/* Add at least a byte to the input; `want` is how many would be welcome. 0 at the end. */
int64_t wf_stream_fill(weft_stream *stream, size_t want);

/* What a reader learns of the transport's word, and what the stream keeps of it. */
int64_t wf_stream_end_read(weft_stream *stream, int64_t result);

/* Arm a wait until no more than `to` bytes are queued. */
void wf_stream_arm_room(weft_stream *stream, struct wf_waiter *w, uint32_t to);

/* Take `size` bytes, at most the high mark's, whole; -EAGAIN when there is no room. */
int wf_stream_write_now(weft_stream *stream, const void *data, size_t size);

/* For who writes by these: wf_stream_enter_write(), and -EPIPE after weft_shutdown_write(). */
int wf_stream_begin_write(weft_stream *stream);

/* weft_write_some(), weft_write() and weft_flush(), inside the write side. */
ssize_t wf_stream_write_some(weft_stream *stream, const char *data, size_t size);
int wf_stream_write_all(weft_stream *stream, const char *data, size_t size);
int wf_stream_drain(weft_stream *stream);

/* A write was cut in the middle: the peer must not take what comes next for its rest. Returns err,
 * and says how far it came. */
int wf_stream_cut(weft_stream *stream, int err, size_t done, size_t size);

/* Send what is queued, as far as it goes. */
void wf_stream_flush_now(weft_stream *stream);

/* Whether an error means that the connection is lost, and is not about the call. */
bool wf_stream_is_lost(int64_t err);

/* The write side has failed. */
void wf_stream_fail_write(weft_stream *stream, int error);

/* A server's client is gone for good: its place is free. */
void wf_server_lost(weft_stream *client);

#endif
