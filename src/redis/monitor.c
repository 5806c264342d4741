#include "redis/monitor.h"

#include <weft/memory.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Passwords are nobody's business. */
static bool is_secret(const weft_redis_command *command)
{
    return command->flags & (WEFT_REDIS_ADMIN | WEFT_REDIS_NO_AUTH);
}

/* As a C string would be written. */
static int append_quoted(weft_buffer *line, weft_slice word)
{
    static const char hex[] = "0123456789abcdef";
    char *space, *at;
    int err = weft_buffer_reserve(line, word.size * 4 + 3, &space);
    if (err < 0)
        return err;
    at = space;
    *at++ = ' ', *at++ = '"';
    for (size_t i = 0; i < word.size; i++) {
        unsigned char byte = (unsigned char)word.data[i];
        if (byte == '"' || byte == '\\') {
            *at++ = '\\', *at++ = (char)byte;
        } else if (byte >= ' ' && byte < 0x7f) {
            *at++ = (char)byte;
        } else {
            *at++ = '\\', *at++ = 'x', *at++ = hex[byte >> 4], *at++ = hex[byte & 15];
        }
    }
    *at++ = '"';
    weft_buffer_commit(line, (size_t)(at - space));
    return 0;
}

static int append_command(weft_buffer *line, struct wf_redis_peer *peer)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    int err = weft_buffer_append_format(line, "+%lld.%06ld [0 %s]", (long long)now.tv_sec,
                                        now.tv_nsec / 1000, weft_stream_peer(peer->stream));
    for (size_t i = 0; err == 0 && i < peer->request.count; i++)
        err = append_quoted(line, peer->request.args[i]);
    return err < 0 ? err : weft_buffer_append(line, "\r\n", 2);
}

void wf_redis_monitor_show(struct wf_redis_peer *peer, const weft_redis_command *command)
{
    weft_buffer line;
    if (is_secret(command))
        return;
    weft_buffer_init(&line, SIZE_MAX);
    if (append_command(&line, peer) == 0) {
        WF_LIST_EACH(link, &peer->request.server->monitors) {
            struct wf_redis_peer *monitor = wf_container(link, struct wf_redis_peer, monitor);
            wf_redis_peer_push(monitor, weft_buffer_data(&line), weft_buffer_readable(&line));
        }
    }
    weft_buffer_fini(&line);
}

int wf_redis_monitor(weft_redis_request *request, void *app)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    (void)app;
    if (wf_list_is_empty(&peer->monitor))
        wf_list_push_back(&request->server->monitors, &peer->monitor);
    return weft_redis_reply_status(request, "OK");
}
