/* Whatever two clients may say to weft-kv, in virtual time. The input:
 *
 *     byte 0    bit 0: they speak version 3; bit 1: compact encodings end at four elements;
 *               bit 2: an hour goes by between what they say
 *     byte 1    how many 256ths of the rest the first one says; the second says the others
 *
 * They are connected at the same time, so one can wait for what the other one puts in. Store and
 * replies have little memory, and so has the input: out of memory is among what happens. Each reply
 * must be one, and in the end all memory is given back. */

#include "codec/resp.h"
#include "weft-kv/kv.h"
#include "weft-kv/memory.h"

#include <weft.h>
#include <weft/redis_server.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PREFIX = 2, STORE_MAX = 1 << 20, REPLIES_MAX = 1 << 18, NODES_MAX = 1 << 17 };

struct site {
    const uint8_t *data;
    size_t size;
    struct kv kv;
    weft_listener *listener;
};

static void expect(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static int serve(void *arg)
{
    struct site *site = arg;
    kv_serve(&site->kv, site->listener);
    return 0;
}

/* What was heard is replies, but for the last one, which may be cut off with its connection. */
static void check_replies(const char *text, size_t size)
{
    static struct wf_resp_node nodes[NODES_MAX];
    static const struct wf_resp_limits limits = WF_RESP_LIMITS_DEFAULT;
    enum wf_resp_result result = WF_RESP_COMPLETE;
    while (size > 0 && result == WF_RESP_COMPLETE) {
        struct wf_resp_reply reply = { .nodes = nodes, .room = NODES_MAX };
        wf_resp_reply_begin(&reply, &limits);
        result = wf_resp_reply_parse(&reply, text, size);
        expect(result != WF_RESP_REFUSED, reply.why);
        text += result == WF_RESP_COMPLETE ? reply.size : 0;
        size -= result == WF_RESP_COMPLETE ? reply.size : 0;
    }
}

/* Until nothing comes for a second. */
static void hear(weft_stream *stream)
{
    static char heard[4 * REPLIES_MAX];
    size_t size = 0;
    ssize_t n = 1;
    while (n > 0 && size < sizeof heard) {
        weft_scope scope;
        weft_scope_begin(&scope, .timeout = WEFT_SECOND);
        n = weft_read(stream, heard + size, sizeof heard - size);
        weft_scope_leave(&scope, 0);
        size += n > 0 ? (size_t)n : 0;
    }
    check_replies(heard, size);
}

static void say(weft_stream *stream, const void *data, size_t size)
{
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = WEFT_SECOND);
    weft_write(stream, data, size); /* a client that was closed is told so when it reads */
    weft_scope_leave(&scope, 0);
}

static void talk(const struct site *site)
{
    static const char hello[] = "HELLO 3\r\n";
    const uint8_t *rest = site->data + PREFIX;
    size_t size = site->size - PREFIX, first = size * site->data[1] / 256;
    weft_stream *streams[2] = { NULL, NULL };
    for (int i = 0; i < 2 && weft_connect(&streams[i], "mem:fuzz") == 0; i++)
        say(streams[i], hello, site->data[0] & 1 ? sizeof hello - 1 : 0);
    if (streams[0] && streams[1]) {
        say(streams[0], rest, first);
        if (site->data[0] & 4)
            weft_sleep(WEFT_HOUR);
        say(streams[1], rest + first, size - first);
        hear(streams[0]);
        hear(streams[1]);
    }
    weft_close(streams[0]);
    weft_close(streams[1]);
}

static void prepare(struct site *site)
{
    struct kv_limits *limits = &site->kv.keyspace.limits;
    expect(kv_init(&site->kv, 1) == 0, "no memory");
    site->kv.output_max = REPLIES_MAX;
    site->kv.day = 1000000000 * WEFT_SECOND; /* the same each time */
    if (site->data[0] & 2)
        limits->hash_count = limits->set_count = limits->zset_count = limits->set_integers = 4;
}

static int site_main(void *arg)
{
    struct site *site = arg;
    weft_scope scope;
    weft_task *server;
    prepare(site);
    expect(weft_redis_listen(&site->listener, "mem:fuzz") == 0, "nothing listens");
    weft_scope_begin(&scope);
    expect(weft_spawn(&scope, serve, site, .task = &server) == 0, "no task");
    talk(site);
    weft_task_cancel(server, "the input is over");
    weft_scope_end(&scope);
    weft_task_release(server);
    weft_listener_close(site->listener);
    kv_fini(&site->kv);
    return 0;
}

static void drop_line(void *context, enum weft_logger logger, enum weft_log_level level,
                      const char *text, size_t size)
{
    (void)context, (void)logger, (void)level, (void)text, (void)size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct site site = { .data = data, .size = size };
    if (size < PREFIX)
        return 0;
    weft_log_set_sink(drop_line, NULL);
    kv_memory_limit(STORE_MAX);
    weft_run(site_main, &site, .clock = WEFT_CLOCK_TEST, .no_signals = true);
    kv_memory_limit(UINT64_MAX);
    expect(kv_memory_used() == 0, "memory was kept");
    return 0;
}
