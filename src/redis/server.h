#ifndef WF_REDIS_SERVER_H
#define WF_REDIS_SERVER_H

/* What the clients of one server share. Lives in the frame of weft_redis_serve().
 *
 *     server ──┬── peers             every client, in the order of coming
 *              ├── commands          name -> what it does, and how often it did
 *              ├── keys              that somebody watches or waits for
 *              ├── channels          that somebody subscribes to
 *              ├── monitors
 *              └── slow, latency     what took long */

#include "base/list.h"
#include "codec/resp.h"
#include "redis/command.h"
#include "redis/slow.h"
#include "redis/table.h"

#include <weft/event.h>
#include <weft/loop.h>
#include <weft/redis_server.h>
#include <weft/scope.h>

#define WF_REDIS_WORK_MAX 16 /* spare ones */

/* What a client needs while it is served. */
struct wf_redis_work {
    struct wf_list link; /* spare */
    struct wf_resp_command parser;
    weft_buffer out; /* replies that are not with the stream yet */
    int64_t clock;   /* weft_now() behind the last command, … */
    uint64_t ticks;  /* … and weft_ticks() */
};

/* What CLIENT PAUSE holds up. */
enum wf_redis_pause { WF_REDIS_PAUSE_NONE, WF_REDIS_PAUSE_WRITE, WF_REDIS_PAUSE_ALL };

struct weft_redis_server {
    weft_redis_serve_options options; /* with every default filled in */
    struct wf_resp_limits limits;
    struct wf_resp_limits strangers; /* of who has not authenticated */
    weft_listener *listener;
    weft_scope scope; /* around the serving: SHUTDOWN cancels it */
    bool stopping;
    struct wf_list peers; /* struct wf_redis_peer */
    size_t peer_count;
    uint64_t last_id;
    size_t held;       /* bytes, by all peers, as they were last counted */
    size_t over_count; /* peers above .push_soft */
    weft_handle cron;  /* looks after silent clients; id 0: nobody asks for it */

    struct wf_list spare; /* struct wf_redis_work */
    unsigned spare_count;

    struct wf_redis_commands commands;
    struct wf_redis_table keys; /* struct wf_redis_key */
    struct wf_list ready;       /* keys that were touched, of whom somebody waits */
    bool serving_ready;
    weft_handle serving;                 /* id 0: nobody else serves them soon */
    size_t blocked_count;                /* clients that wait for keys */
    struct wf_redis_table channels;      /* struct wf_redis_channel */
    struct wf_list patterns;             /* likewise, of patterns … */
    struct wf_redis_table pattern_names; /* … which are found here */
    struct wf_list monitors;             /* struct wf_redis_peer */

    enum wf_redis_pause pause;
    weft_event unpaused;
    weft_handle pause_end;

    struct wf_redis_slow slow;
    struct wf_redis_latency latency;

    int64_t started;
    struct {
        uint64_t connections, refused, commands, failed, evicted, too_much;
        uint64_t in, out; /* bytes */
    } count;
};

/* Look at the clock: something may have suspended, or begins. */
static inline void wf_redis_work_begin(struct wf_redis_work *work)
{
    work->clock = weft_now();
    work->ticks = weft_ticks();
}

/* A command is done. Returns how long it took. */
static inline int64_t wf_redis_work_lap(struct wf_redis_work *work)
{
    uint64_t ticks = weft_ticks();
    int64_t time = weft_ticks_time(ticks - work->ticks);
    work->ticks = ticks;
    work->clock += time;
    return time;
}

/* An option has changed: what depends on it follows. */
void wf_redis_server_apply(weft_redis_server *server);

/* An idle one, or a new one; NULL without memory. */
struct wf_redis_work *wf_redis_work_take(weft_redis_server *server);
void wf_redis_work_give(weft_redis_server *server, struct wf_redis_work *work);
void wf_redis_work_free(struct wf_redis_work *work);

#endif
