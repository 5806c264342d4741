#ifndef WF_REDIS_SLOW_H
#define WF_REDIS_SLOW_H

/* What took long: commands, each with its arguments (SLOWLOG), and peaks of what the server does,
 * by name (LATENCY). Both are rings that forget. */

#include <weft/redis_server.h>

#include <time.h>

#define WF_REDIS_SLOW_ARGS 32  /* of a command that are kept … */
#define WF_REDIS_SLOW_TEXT 128 /* … and bytes of each */

#define WF_REDIS_PEAKS      160 /* of an event */
#define WF_REDIS_EVENTS     16
#define WF_REDIS_EVENT_NAME 32

struct wf_redis_slow_entry {
    uint64_t id;
    int64_t at;   /* seconds since 1970 */
    int64_t time; /* nanoseconds */
    uint32_t count;
    weft_slice *args; /* in the memory of this entry */
    char peer[64];
    char name[64];
};

struct wf_redis_slow {
    struct wf_redis_slow_entry **ring; /* NULL before the first one */
    uint32_t room;
    uint32_t count;
    uint32_t last; /* where the newest lies, if there is one */
    uint64_t next_id;
};

/* Note a command that took so long, at most `max` of them. Without memory it is not noted. */
void wf_redis_slow_note(struct wf_redis_slow *slow, uint32_t max, const weft_slice *args,
                        size_t count, int64_t time, const char *peer, const char *name);

/* The n-th newest. */
const struct wf_redis_slow_entry *wf_redis_slow_at(const struct wf_redis_slow *slow, uint32_t n);

/* Forget all. */
void wf_redis_slow_clear(struct wf_redis_slow *slow);

struct wf_redis_peak {
    int64_t at;   /* seconds since 1970 */
    int64_t time; /* milliseconds */
};

struct wf_redis_event {
    char name[WF_REDIS_EVENT_NAME];
    struct wf_redis_peak peaks[WF_REDIS_PEAKS];
    uint32_t next, count;
    int64_t most;
};

struct wf_redis_latency {
    int64_t threshold;                              /* nanoseconds; 0: nothing is noted */
    struct wf_redis_event *events[WF_REDIS_EVENTS]; /* NULL: free */
};

/* Something took so long. Peaks of one second are one. */
void wf_redis_latency_note(struct wf_redis_latency *latency, const char *event, int64_t time);

/* Forget an event; NULL: all. Returns how many. */
unsigned wf_redis_latency_clear(struct wf_redis_latency *latency, const char *event);

struct wf_redis_event *wf_redis_latency_find(struct wf_redis_latency *latency, weft_slice name);

#endif
