#include "net/net.h"

#include "base/memory.h"
#include "net/listener.h"
#include "net/memory.h"
#include "net/serve.h"
#include "net/socket.h"
#include "net/stream.h"

#include <weft/log.h>

#define STREAMS_MAX   ((size_t)1 << 22)
#define INPUT_MAX_MIN WF_LEND_SIZE /* what one receive may bring */

static size_t close_streams(struct wf_list *list)
{
    size_t count = 0;
    struct wf_list *link;
    while ((link = wf_list_first(list))) {
        weft_stream *stream = wf_container(link, weft_stream, link);
        stream->server = NULL; /* a frame of an abandoned task, if anything */
        stream->ops->forsake(stream);
        wf_stream_destroy(stream, true);
        count++;
    }
    return count;
}

static size_t close_listeners(struct wf_net *net)
{
    size_t count = 0;
    struct wf_list *link;
    while ((link = wf_list_first(&net->listeners))) {
        wf_listener_destroy(wf_container(link, weft_listener, link));
        count++;
    }
    return count;
}

/* Streams whose bytes the transport still holds. */
static void wait_for_doomed(weft_loop *loop)
{
    struct wf_net *net = loop->net;
    while (!wf_list_is_empty(&net->doomed))
        loop->io_ops->wait(loop->io, WEFT_FOREVER);
}

/* Frames of abandoned tasks may still point at streams: these stay in memory, but closed. */
static void net_free(weft_loop *loop)
{
    struct wf_net *net = loop->net;
    close_streams(&loop->lingering);
    size_t listeners = close_listeners(net), streams = close_streams(&net->streams);
    if (streams + listeners > 0)
        weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING,
                 "the loop ends with %zu streams and %zu listeners left open", streams, listeners);
    wait_for_doomed(loop);
    loop->net = NULL;
    if (loop->tasks_abandoned)
        return;
    wf_slab_fini(&net->sockets);
    wf_slab_fini(&net->memories);
    wf_slab_fini(&net->parked);
    wf_slab_fini(&net->stackless);
    wf_storage_fini(&net->storage);
    wf_free(net);
}

struct wf_net *wf_net_of(weft_loop *loop)
{
    if (loop->net)
        return loop->net;
    struct wf_net *net = wf_alloc(sizeof *net);
    if (!net)
        return NULL;
    wf_storage_init(&net->storage);
    wf_slab_init(&net->sockets, wf_socket_stream_size, WF_SLAB_CACHE_LINE, STREAMS_MAX);
    wf_slab_init(&net->memories, wf_memory_stream_size, WF_SLAB_CACHE_LINE, STREAMS_MAX);
    wf_slab_init(&net->parked, sizeof(struct wf_parked), WF_SLAB_CACHE_LINE, STREAMS_MAX);
    wf_slab_init(&net->stackless, wf_stackless_io_size, WF_SLAB_CACHE_LINE, 2 * STREAMS_MAX);
    wf_list_init(&net->streams);
    wf_list_init(&net->doomed);
    wf_list_init(&net->listeners);
    wf_list_init(&net->names);
    net->pipes = 0;
    loop->net = net;
    loop->net_free = net_free;
    return net;
}

static uint32_t or_else(uint32_t value, size_t otherwise)
{
    return value ? value : (uint32_t)otherwise;
}

static struct wf_stream_options options_of(int64_t linger, uint32_t high, uint32_t low,
                                           uint32_t input_max, bool delay)
{
    high = or_else(high, WEFT_STREAM_HIGH_MARK);
    low = or_else(low, WEFT_STREAM_LOW_MARK);
    input_max = or_else(input_max, WEFT_STREAM_INPUT_MAX);
    return (struct wf_stream_options){ .linger = linger ? linger : WF_LINGER,
                                       .high_mark = high,
                                       .low_mark = low < high ? low : high - 1,
                                       .input_max =
                                           input_max > INPUT_MAX_MIN ? input_max : INPUT_MAX_MIN,
                                       .delay = delay };
}

struct wf_stream_options wf_stream_options_of_connect(const struct weft_connect_options *options)
{
    return options_of(options->linger, options->high_mark, options->low_mark, options->input_max,
                      options->delay);
}

struct wf_stream_options wf_stream_options_of_listen(const struct weft_listen_options *options)
{
    return options_of(options->linger, options->high_mark, options->low_mark, options->input_max,
                      options->delay);
}
