#include "base/error.h"
#include "net/address.h"
#include "net/listener.h"
#include "net/socket.h"

#include <weft/error.h>

/* The addresses in the resolver's order; the last failure is the one that is told. */
static int connect_any(weft_loop *loop, const struct wf_address *addresses, int count,
                       const struct wf_stream_options *options, weft_stream **stream)
{
    int err = WEFT_EDNS;
    for (int i = 0; i < count; i++) {
        err = wf_socket_connect(loop, &addresses[i], options, stream);
        if (err == 0 || err == -ECANCELED || err == -EMFILE || err == -ENOMEM)
            break;
    }
    return err;
}

static int connect_to(weft_loop *loop, const char *address, const struct wf_stream_options *options,
                      weft_stream **stream)
{
    struct wf_address_text text;
    struct wf_address addresses[WF_ADDRESSES_MAX];
    int err = wf_address_parse(address, &text);
    if (err < 0)
        return err;
    if (text.kind == WF_ADDRESS_MEMORY)
        return wf_listener_connect(loop, text.path, options, stream);
    int count = wf_address_resolve(loop, &text, false, addresses, WF_ADDRESSES_MAX);
    if (count < 0)
        return count;
    err = connect_any(loop, addresses, count, options, stream);
    return err < 0 && err != -ECANCELED
               ? wf_fail(err, "cannot connect to %s: %s", address, weft_error_text(err))
               : err;
}

int weft_connect_with(weft_stream **stream, const struct weft_connect_options *given)
{
    weft_task *task;
    int err = wf_enter(&task);
    if (err < 0)
        return err;
    struct wf_stream_options options = wf_stream_options_of_connect(given);
    return connect_to(task->future.loop, given->address, &options, stream);
}
