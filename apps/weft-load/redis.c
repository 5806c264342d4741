/* Redis's protocol: a command is the URL's path, word by word, and behind them the body, where
 * there is one.
 *
 *     redis://localhost:6379/GET/key:1
 *     redis://localhost:6379/SET/key:1 with -d value
 *
 * A reply is 200, an error 500. Of integers nothing is compared, for they count what was done. What
 * is pushed without having been asked for is passed over. */

#include "target.h"

#include "codec/resp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64

static size_t split(const char *path, weft_slice *words)
{
    size_t count = 0;
    while (*path == '/' && path[1] != '\0' && count < WORDS_MAX) {
        const char *word = path + 1;
        size_t size = strcspn(word, "/");
        words[count++] = (weft_slice){ word, size };
        path = word + size;
    }
    return count;
}

static int render(struct target *target, const char *authority, const char *path,
                  const struct request_options *options)
{
    weft_slice words[WORDS_MAX + 1] = { { "PING", 4 } };
    size_t count = split(path, words);
    (void)authority;
    if (count == WORDS_MAX)
        return -EINVAL;
    if (count == 0)
        count = 1;
    if (options->body)
        words[count++] = (weft_slice){ options->body, options->body_size };
    target->request_size = wf_resp_command_size(words, count);
    target->request = malloc(target->request_size);
    if (target->request == NULL)
        return -ENOMEM;
    wf_resp_command_write(target->request, words, count);
    target->expected.status = 200;
    return 0;
}

/* A reply from its first byte on. It is looked at anew when more of it has come. */
static enum wf_resp_result parse(struct wf_resp_reply *reply, const char *window, size_t size)
{
    static const struct wf_resp_limits limits = WF_RESP_LIMITS_DEFAULT;
    static _Thread_local struct wf_resp_node *nodes;
    static _Thread_local uint32_t room;
    *reply = (struct wf_resp_reply){ .nodes = nodes, .room = room };
    wf_resp_reply_begin(reply, &limits);
    for (;;) {
        enum wf_resp_result result = wf_resp_reply_parse(reply, window, size);
        if (result != WF_RESP_ROOM)
            return result;
        struct wf_resp_node *larger = realloc(nodes, reply->need * sizeof *nodes);
        if (larger == NULL) {
            reply->why = "out of memory";
            return WF_RESP_REFUSED;
        }
        reply->nodes = nodes = larger;
        reply->room = room = reply->need;
    }
}

static void note(struct reading *reading, const struct wf_resp_reply *reply, const char *window)
{
    uint8_t kind = reply->nodes[reply->value].kind;
    bool failed = kind == WF_RESP_ERROR || kind == WF_RESP_LONG_ERROR;
    if (kind == WF_RESP_PUSH)
        return;
    reading->begun = reading->done = true;
    reading->status = failed ? 500 : 200;
    reading->piece = window;
    reading->piece_size = kind == WF_RESP_INTEGER ? 0 : reply->size;
}

static ssize_t read_answer(struct reading *reading, struct target *target, const char *window,
                           size_t size)
{
    struct wf_resp_reply reply;
    (void)target;
    switch (parse(&reply, window, size)) {
    case WF_RESP_COMPLETE:
        note(reading, &reply, window);
        return (ssize_t)reply.size;
    case WF_RESP_REFUSED:
        reading->why = reply.why;
        return -EPROTO;
    default:
        return 0;
    }
}

static bool ends_here(const struct reading *reading)
{
    (void)reading;
    return false;
}

const struct protocol redis_protocol = { "redis", "6379", render, read_answer, ends_here, NULL };
