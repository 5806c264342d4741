#include "redis/multi.h"

#include "redis/execute.h"
#include "redis/keys.h"

#include <weft/memory.h>

#include <errno.h>
#include <string.h>

/* A command and its arguments, in one piece. */
struct queued {
    struct wf_redis_entry *entry;
    size_t count;
    weft_slice args[];
};

struct wf_redis_queue {
    struct queued **list;
    size_t count, room;
    size_t bytes;
};

size_t wf_redis_queue_bytes(const struct wf_redis_queue *queue)
{
    return queue ? queue->bytes : 0;
}

size_t wf_redis_queue_count(const struct wf_redis_queue *queue)
{
    return queue ? queue->count : 0;
}

static void queue_free(struct wf_redis_queue *queue)
{
    for (size_t i = 0; queue && i < queue->count; i++)
        weft_free(queue->list[i]);
    if (queue)
        weft_free(queue->list);
    weft_free(queue);
}

void wf_redis_queue_discard(struct wf_redis_peer *peer)
{
    queue_free(peer->queue);
    peer->queue = NULL;
    peer->flags &= (uint16_t)~WF_REDIS_PEER_REFUSED;
}

/* --- gathering --- */

static size_t size_of(const weft_redis_request *request)
{
    size_t size = sizeof(struct queued) + request->count * sizeof(weft_slice);
    for (size_t i = 0; i < request->count; i++)
        size += request->args[i].size;
    return size;
}

static struct queued *copy(const weft_redis_request *request, size_t size)
{
    struct queued *queued = weft_alloc(size);
    if (!queued)
        return NULL;
    queued->count = request->count;
    char *at = (char *)(queued->args + request->count);
    for (size_t i = 0; i < request->count; i++) {
        queued->args[i] = (weft_slice){ at, request->args[i].size };
        memcpy(at, request->args[i].data, request->args[i].size);
        at += request->args[i].size;
    }
    return queued;
}

static int grow(struct wf_redis_queue *queue)
{
    if (queue->count < queue->room)
        return 0;
    size_t room = queue->room ? queue->room * 2 : 8;
    void *list = weft_realloc(queue->list, room * sizeof *queue->list);
    if (!list)
        return -ENOMEM;
    queue->list = list;
    queue->room = room;
    return 0;
}

static int add(struct wf_redis_queue *queue, const weft_redis_request *request,
               struct wf_redis_entry *entry)
{
    size_t size = size_of(request);
    struct queued *queued = grow(queue) == 0 ? copy(request, size) : NULL;
    if (!queued)
        return -ENOMEM;
    queued->entry = entry;
    queue->list[queue->count++] = queued;
    queue->bytes += size;
    return 0;
}

void wf_redis_queue_add(struct wf_redis_peer *peer, struct wf_redis_entry *entry)
{
    weft_redis_request *request = &peer->request;
    size_t max = request->server->options.transaction_max;
    bool is_full = peer->queue->bytes + size_of(request) > max;
    if (!is_full && add(peer->queue, request, entry) == 0) {
        weft_redis_reply_status(request, "QUEUED");
        return;
    }
    peer->flags |= WF_REDIS_PEER_REFUSED;
    weft_redis_reply_error(request,
                           is_full ? "ERR the transaction is too large" : "OOM out of memory");
}

/* --- the commands --- */

int wf_redis_multi(weft_redis_request *request, void *app)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    (void)app;
    if (peer->queue)
        return weft_redis_reply_error(request, "ERR MULTI calls can not be nested");
    peer->queue = weft_alloc(sizeof *peer->queue);
    if (!peer->queue)
        return -ENOMEM;
    return weft_redis_reply_status(request, "OK");
}

int wf_redis_discard(weft_redis_request *request, void *app)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    (void)app;
    if (!peer->queue)
        return weft_redis_reply_error(request, "ERR DISCARD without MULTI");
    wf_redis_queue_discard(peer);
    wf_redis_unwatch(peer);
    return weft_redis_reply_status(request, "OK");
}

/* Nobody else is executed between the first and the last: none of them suspends. All of them are,
 * whatever becomes of the client and of its replies. */
static void execute_all(struct wf_redis_peer *peer, struct wf_redis_queue *queue)
{
    weft_redis_request *request = &peer->request;
    uint32_t from = peer->reply_from;
    struct wf_redis_entry *exec = peer->last;
    weft_redis_reply_array(request, queue->count);
    request->in_transaction = true;
    for (size_t i = 0; i < queue->count; i++) {
        request->args = queue->list[i]->args;
        request->count = queue->list[i]->count;
        wf_redis_call(peer, queue->list[i]->entry);
    }
    request->in_transaction = false;
    peer->reply_from = from;
    peer->last = exec;
}

int wf_redis_exec(weft_redis_request *request, void *app)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    struct wf_redis_queue *queue = peer->queue;
    const weft_slice *args = request->args;
    size_t count = request->count;
    (void)app;
    if (!queue)
        return weft_redis_reply_error(request, "ERR EXEC without MULTI");
    bool was_refused = peer->flags & WF_REDIS_PEER_REFUSED;
    bool has_changed = wf_redis_watched_changed(peer);
    wf_redis_unwatch(peer);
    peer->queue = NULL;
    peer->flags &= (uint16_t)~WF_REDIS_PEER_REFUSED;
    if (was_refused)
        weft_redis_reply_error(request,
                               "EXECABORT Transaction discarded because of previous errors.");
    else if (has_changed)
        weft_redis_reply_null_array(request);
    else
        execute_all(peer, queue);
    queue_free(queue);
    request->args = args;
    request->count = count;
    return 0;
}

int wf_redis_watch_command(weft_redis_request *request, void *app)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    (void)app;
    if (peer->queue)
        return weft_redis_reply_error(request, "ERR WATCH inside MULTI is not allowed");
    for (size_t i = 1; i < request->count; i++) {
        int err = wf_redis_watch(peer, request->args[i]);
        if (err < 0)
            return err;
    }
    return weft_redis_reply_status(request, "OK");
}

int wf_redis_unwatch_command(weft_redis_request *request, void *app)
{
    (void)app;
    wf_redis_unwatch(wf_redis_peer_of(request));
    return weft_redis_reply_status(request, "OK");
}
