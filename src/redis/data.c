/* What a client carries for the application. */

#include "redis/peer.h"

uint64_t weft_redis_client_id(const weft_redis_request *request)
{
    return wf_redis_peer_of(request)->id;
}

void weft_redis_client_set_data(weft_redis_request *request, void *data, weft_drop_fn *drop)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    void *old = peer->data;
    weft_drop_fn *old_drop = peer->drop;
    peer->data = data;
    peer->drop = drop;
    if (old_drop)
        old_drop(old);
}

void *weft_redis_client_data(const weft_redis_request *request)
{
    return wf_redis_peer_of(request)->data;
}
