/* Nobody but the handler knows whether a body is wanted in pieces: where its route says so it reads
 * them itself, as fast as it can use them, and the client is held back by the stream's own limits.
 * Else the body is there before the handler is called.
 *
 * A client that waits for a word before it sends ("Expect: 100-continue") gets it when the first
 * byte is asked for, and not when it is refused. */

#include "http/receive.h"

#include "http/admission.h"
#include "http/deadline.h"
#include "http/write.h"

#include <weft/error.h>

#include <errno.h>
#include <strings.h>

static size_t body_max(const struct wf_http_exchange *x)
{
    const weft_http_serve_options *server = &x->server->options;
    const weft_http_route_options *route = x->route->options;
    size_t max = route && route->body_max ? route->body_max : server->body_max;
    if (route && route->stream_body)
        return max; /* it lies nowhere */
    return max < server->memory_max ? max : server->memory_max;
}

static size_t readable(const struct wf_http_exchange *x)
{
    return weft_buffer_readable(weft_stream_input(x->stream));
}

/* The client waits for a word before it sends the body. Behind the head of a response there is no
 * place for one: it would be read as that one's body. */
static int invite(struct wf_http_exchange *x)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const char *expect = weft_http_header(&x->http, "Expect");
    bool taken;
    bool waits = expect && strcasecmp(expect, "100-continue") == 0 && readable(x) == 0;
    if (!waits || x->status || x->parser.head.version_minor == 0)
        return 0;
    return wf_http_write(x->stream, (weft_slice){ text, sizeof text - 1 }, (weft_slice){ "", 0 },
                         x->server->options.send_timeout, &taken);
}

void wf_http_receive_begin(struct wf_http_exchange *x, size_t max)
{
    wf_http_body_begin(&x->incoming, x->stream, &x->parser, max, x->http.arena);
}

/* --- whole --- */

static void grows(void *arg)
{
    wf_http_admission_relieve(arg);
}

static int receive_in_time(struct wf_http_exchange *x)
{
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = x->server->options.body_timeout, .name = "body");
    x->waiting = &scope;
    int err = invite(x);
    if (err == 0)
        err = wf_http_body_read(&x->incoming, &x->body);
    x->waiting = NULL;
    return wf_http_deadline_end(&scope, err);
}

static int receive_whole(struct wf_http_exchange *x)
{
    const struct wf_http1_head *head = &x->parser.head;
    bool is_here = head->framing == WF_HTTP1_FRAMING_LENGTH && head->content_length <= readable(x);
    bool is_known = is_here || x->incoming.error;
    int err = is_known ? wf_http_body_read(&x->incoming, &x->body) : receive_in_time(x);
    x->unread = x->body;
    return err;
}

int wf_http_receive(struct wf_http_exchange *x)
{
    if (x->parser.head.framing == WF_HTTP1_FRAMING_NONE)
        return 0;
    wf_http_receive_begin(x, body_max(x));
    x->incoming.grows = grows;
    x->incoming.grows_arg = x;
    if (!x->route->options || !x->route->options->stream_body)
        return receive_whole(x);
    return x->incoming.error;
}

void wf_http_receive_leave(struct wf_http_exchange *x)
{
    if (x->incoming.is_whole)
        return;
    x->is_left = true; /* x->unread may lie in what is dropped now */
    x->close |= !wf_http_body_skip(&x->incoming);
}

weft_slice weft_http_body(weft_http *http)
{
    return wf_http_exchange_of(http)->body;
}

const char *weft_http_trailer(weft_http *http, const char *name)
{
    return wf_http_body_trailer(&wf_http_exchange_of(http)->incoming, name);
}

/* --- in pieces --- */

static int next_in_time(struct wf_http_exchange *x)
{
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = x->server->options.body_timeout, .name = "body");
    int err = x->invited ? 0 : invite(x);
    x->invited = err == 0;
    if (err == 0)
        err = wf_http_body_next(&x->incoming, &x->unread);
    return wf_http_deadline_end(&scope, err);
}

/* A piece of a body that is there costs no timer. */
static int next(struct wf_http_exchange *x)
{
    int result = wf_http_body_try(&x->incoming, &x->unread);
    if (result == -EAGAIN)
        result = next_in_time(x);
    x->invited |= result > 0; /* who has begun waits for no word */
    if (result < 0 && result != -ECANCELED)
        x->body_error = result;
    return result;
}

ssize_t weft_http_read(weft_http *http, void *buffer, size_t size)
{
    struct wf_http_exchange *x = wf_http_exchange_of(http);
    if (weft_cancelled() < 0)
        return weft_sleep(0);
    if (x->is_left)
        return -EALREADY;
    if (x->body_error)
        return wf_http_say_again(x->body_error);
    if (size == 0)
        return 0;
    if (x->unread.size == 0 && !x->incoming.is_whole) {
        int result = next(x);
        if (result <= 0)
            return result;
    }
    return (ssize_t)wf_http_piece_take(&x->unread, buffer, size);
}
