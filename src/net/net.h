#ifndef WF_NET_NET_H
#define WF_NET_NET_H

/* What the streams of one loop share. Made when the loop gets its first stream or listener, freed
 * with the loop, which also closes what was left open. */

#include "base/list.h"
#include "base/slab.h"
#include "core/loop.h"
#include "net/storage.h"

#include <weft/stream.h>

struct wf_net {
    struct wf_storage storage;
    struct wf_slab sockets;   /* streams over sockets */
    struct wf_slab memories;  /* streams in memory */
    struct wf_slab parked;    /* clients of servers that wait without a task */
    struct wf_slab stackless; /* stackless tasks that wait for a stream */
    struct wf_list streams;   /* all that are open */
    struct wf_list doomed;    /* closed, until the transport has given their bytes back */
    struct wf_list listeners;
    struct wf_list names; /* listeners on mem: addresses */
    unsigned pipes;       /* between sockets, that copies have open */
};

/* What connect and listen options have in common, with the defaults filled in. */
struct wf_stream_options {
    int64_t linger;
    uint32_t high_mark;
    uint32_t low_mark;
    uint32_t input_max;
    bool delay;
};

/* Of what a stackless task takes while it waits for a stream. */
extern const size_t wf_stackless_io_size;

/* The loop's; NULL: no memory. */
struct wf_net *wf_net_of(weft_loop *loop);

struct wf_stream_options wf_stream_options_of_connect(const struct weft_connect_options *options);
struct wf_stream_options wf_stream_options_of_listen(const struct weft_listen_options *options);

#endif
