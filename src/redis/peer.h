#ifndef WF_REDIS_PEER_H
#define WF_REDIS_PEER_H

/* One client of a server.
 *
 *        bytes            nothing complete is left
 *     PARKED ──> SERVED ──────────────────────────> PARKED       no stack, no buffer
 *                 │  ↑
 *                 │  └── more bytes ── FILLING      a part of a command is there
 *                 └── weft_redis_block() ──> BLOCKED, which is PARKED; with bytes behind it,
 * FILLING
 *
 * While it is SERVED its replies gather in the work's `out`, and what others push to it waits in
 * `pushed` until the reply that is being written is whole. Else whoever has something for it writes
 * to its stream, at once and without waiting: the stream's queue is the only one. Its limits are
 * looked at there, and when more is to be served.
 *
 * Closing: `closing` is set, by itself or by others, and nothing is written from then on. Who is
 * PARKED is closed by the server, who FILLS is woken, who is SERVED sees it behind the command. */

#include "base/list.h"
#include "redis/server.h"

struct wf_redis_queue;      /* multi.c */
struct wf_redis_subscriber; /* channel.c */
struct wf_redis_blocked;    /* blocked.c */

enum wf_redis_peer_flags {
    WF_REDIS_PEER_KNOWN = 1 << 0,      /* has authenticated, or did not have to */
    WF_REDIS_PEER_SILENT = 1 << 1,     /* CLIENT REPLY OFF */
    WF_REDIS_PEER_SKIP = 1 << 2,       /* CLIENT REPLY SKIP: this command's reply … */
    WF_REDIS_PEER_SKIP_NEXT = 1 << 3,  /* … and the next one's */
    WF_REDIS_PEER_DIRTY = 1 << 4,      /* a key that it watches was touched */
    WF_REDIS_PEER_REFUSED = 1 << 5,    /* a command between MULTI and EXEC was */
    WF_REDIS_PEER_NO_EVICT = 1 << 6,   /* CLIENT NO-EVICT ON */
    WF_REDIS_PEER_CLOSE_AFTER = 1 << 7 /* once the reply is written */
};

struct wf_redis_peer {
    weft_redis_request request; /* what handlers see; first */
    weft_stream *stream;
    struct wf_list link;        /* among the server's */
    struct wf_redis_work *work; /* NULL: PARKED */
    weft_scope *waiting;        /* FILLING, or until it has read: what it waits in */
    bool busy;                  /* SERVED */
    bool closing;
    uint16_t flags;      /* enum wf_redis_peer_flags */
    uint32_t reply_from; /* where in `out` the reply to this command begins */
    uint64_t id;
    int64_t created;                        /* weft_now() */
    int64_t active;                         /* of its last command */
    struct wf_redis_entry *last;            /* command; NULL: none yet */
    weft_buffer *pushed;                    /* by others while it is SERVED; NULL: nothing */
    struct wf_redis_queue *queue;           /* NULL: not between MULTI and EXEC */
    struct wf_redis_subscriber *subscriber; /* NULL: subscribes to nothing */
    struct wf_redis_blocked *blocked;       /* NULL: waits for no key */
    struct wf_list watches;                 /* struct wf_redis_watch */
    struct wf_list monitor;                 /* among the server's monitors, or alone */
    struct wf_redis_names *names;           /* NULL: it has none */
    size_t held;                            /* bytes, as the server has counted them */
    int64_t over_since;                     /* more than .push_soft waits; 0: it does not */
    void *data;                             /* the application's */
    weft_drop_fn *drop;
};

/* What a client calls itself. */
struct wf_redis_names {
    char name[64];
    char user[64];
    char library[64];
    char library_version[32];
};

static inline struct wf_redis_peer *wf_redis_peer_of(const weft_redis_request *request)
{
    return (struct wf_redis_peer *)(uintptr_t)request;
}

/* A weft_serve_fn; arg is the server. */
int wf_redis_peer_serve(weft_stream *stream, void *arg);

/* Send bytes that are no reply: a push, or the reply of a command that has waited. In one piece,
 * and never in the middle of a reply. Never suspends. */
void wf_redis_peer_push(struct wf_redis_peer *peer, const char *data, size_t size);

/* Close it, whatever it does. */
void wf_redis_peer_close(struct wf_redis_peer *peer);

/* Close it, and log why. */
void wf_redis_peer_close_for(struct wf_redis_peer *peer, const char *why);

/* Close it for replies that find no room: `err` is -ENOMEM, or WEFT_ELIMIT. */
void wf_redis_peer_fail(struct wf_redis_peer *peer, int err);

/* Send what has gathered, and wait while it does not read. */
int wf_redis_peer_flush(struct wf_redis_peer *peer);

/* It waits for more bytes, or to be read: look again whether it still has to. */
void wf_redis_peer_wake(struct wf_redis_peer *peer);

/* Count anew what it holds. Above the server's limit whoever holds most is closed. */
void wf_redis_peer_count(struct wf_redis_peer *peer);

/* Its names, to be changed; NULL without memory. */
struct wf_redis_names *wf_redis_peer_names(struct wf_redis_peer *peer);

/* Whether it gets what others say: then other limits hold. */
bool wf_redis_peer_is_pushed_to(const struct wf_redis_peer *peer);

/* Back to what a new client is: RESET. */
void wf_redis_peer_reset(struct wf_redis_peer *peer);

/* Everything that is tied to it elsewhere is untied, as for a client that is gone. */
void wf_redis_peer_leave(struct wf_redis_peer *peer);

#endif
