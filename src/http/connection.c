/* The life of a connection.
 *
 *      ┌────────────── the response says that it goes on ──────────────┐
 *      ↓                                                               │
 *    PARKED ──bytes──> HEAD ──complete──> BODY ──whole──> HANDLER ─────┤
 *      │                   │                  │                        │ it does not
 *      │ timeout, closed   │ refused, 408     │ 413, 408               ↓
 *      ↓                   ↓                  ↓                     LINGER ──> closed
 *    closed                └──────────────────┴── answered ────────────↑
 *
 * Each wait has a deadline: PARKED ends silently, where the client is new with 408; HEAD and BODY
 * end with 408. Only from the first byte of a request to the end of its response, or while more
 * requests wait in the input, has a connection a task. A request that is there when it is looked
 * for costs no timer.
 *
 * LINGER: a slow client may take its time for what it was sent. And who closes a socket with unread
 * bytes in it resets it, and the reset may overtake the response: so the end is sent first, and
 * what still comes is read and dropped, for a bounded time and amount. */

#include "http/connection.h"

#include "http/admission.h"
#include "http/deadline.h"
#include "http/receive.h"
#include "http/respond.h"
#include "http/route.h"
#include "http/write.h"

#include <weft/error.h>
#include <weft/log.h>
#include <weft/task.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TURN         16 /* pipelined requests, then others have theirs */
#define LINGER_TIME  (2 * WEFT_SECOND)
#define LINGER_BYTES ((size_t)1 << 20)

/* --- the head --- */

/* Whether a byte of a request is there; empty lines before it are none. */
static bool has_begun(struct wf_http_connection *c)
{
    weft_buffer *input = weft_stream_input(c->stream);
    while (weft_buffer_readable(input) >= 2 && memcmp(weft_buffer_data(input), "\r\n", 2) == 0)
        weft_buffer_consume(input, 2);
    return weft_buffer_readable(input) > 0;
}

/* 1: complete or refused; 0: more is needed; -ENOMEM. */
static int parse_head(struct wf_http_connection *c)
{
    struct wf_http_exchange *x = &c->exchange;
    weft_buffer *input = weft_stream_input(c->stream);
    int err = x->http.arena ? 0 : wf_http_exchange_begin(x);
    if (err < 0)
        return err;
    return wf_http1_parse(&x->parser, weft_buffer_data(input), weft_buffer_readable(input)) !=
           WF_HTTP1_MORE;
}

static int wait_for_head(struct wf_http_connection *c)
{
    int done = 0;
    while (done == 0) {
        ssize_t n = weft_fill(c->stream);
        if (n <= 0)
            return n < 0 ? (int)n : WEFT_EEND;
        done = parse_head(c);
    }
    return done < 0 ? done : 0;
}

static int receive_head(struct wf_http_connection *c)
{
    int done = parse_head(c);
    if (done != 0)
        return done < 0 ? done : 0;
    wf_http_admission_relieve(&c->exchange); /* for as long as the rest takes */
    weft_scope_begin(&c->waiting, .timeout = c->server->options.header_timeout, .name = "request");
    c->exchange.waiting = &c->waiting;
    int err = wait_for_head(c);
    c->exchange.waiting = NULL;
    return wf_http_deadline_end(&c->waiting, err);
}

/* --- what went wrong --- */

/* What a failure to receive is answered with; 0: nothing. */
static int status_of(int err)
{
    switch (err) {
    case -ETIMEDOUT:
        return 408;
    case WEFT_EEND:
        return 400;
    case WEFT_ELIMIT:
        return 413;
    case -ENOMEM:
        return 503;
    default:
        return 0;
    }
}

static const char *words_of(int err)
{
    switch (err) {
    case -ETIMEDOUT:
        return "the request did not come in time";
    case WEFT_EEND:
        return "the request ended early";
    default:
        return NULL;
    }
}

static void answer_failure(struct wf_http_exchange *x, int err, int status)
{
    if (x->evicted && err == -ECANCELED)
        status = 503;
    if (status)
        wf_http_refuse(x, status, words_of(err));
    else
        x->broken = true;
}

/* The body says what was wrong with it. */
static void answer_body_failure(struct wf_http_exchange *x, int err)
{
    const char *why = x->incoming.why;
    if (why && err == x->incoming.error)
        wf_http_refuse(x, err == WEFT_ELIMIT ? 431 : 400, why);
    else
        answer_failure(x, err, status_of(err));
}

/* --- the handler --- */

static void log_failure(const struct wf_http_exchange *x, const char *what)
{
    char task[400];
    weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_ERROR, "%s %s: the handler of %s %s, in %s", x->method,
             x->path, x->route->path, what,
             weft_task_describe(weft_task_self(), task, sizeof task));
}

static void log_error(const struct wf_http_exchange *x, int err)
{
    char what[128];
    snprintf(what, sizeof what, "failed: %s (%s)", weft_error_text(err), weft_error_name(err));
    log_failure(x, what);
}

/* Its result; -ETIMEDOUT in *late when the route's time was over. */
static int call_handler(struct wf_http_exchange *x, bool *late)
{
    const weft_http_route *route = x->route;
    void *app = x->server->options.app;
    int64_t timeout = route->options ? route->options->timeout : 0;
    if (timeout == 0)
        timeout = x->server->options.handler_timeout;
    if (timeout == 0 || timeout == WEFT_FOREVER)
        return route->handler(&x->http, app);
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = timeout, .name = route->path);
    int err = wf_http_deadline_end(&scope, route->handler(&x->http, app));
    *late = weft_scope_cause(&scope) == WEFT_CAUSE_DEADLINE;
    return err;
}

/* A response was begun: it ends here, if it has not yet, whole or cut off. */
static void end_streamed(struct wf_http_exchange *x, int err)
{
    if (x->is_open && !x->has_body && err == -EPIPE)
        err = 0; /* the writer was told that nobody wants more: that is its end */
    if (x->is_open && err < 0)
        wf_http_respond_failed(x, err, true);
    else if (x->is_open && weft_http_end(&x->http) == -EMSGSIZE)
        log_failure(x, "has written less than it announced");
    if (err < 0 && err != x->body_error && weft_cancelled() == 0)
        log_error(x, err);
    wf_http_receive_leave(x);
}

/* No response was sent. */
static void answer_for_handler(struct wf_http_exchange *x, int err, bool late)
{
    int status = late ? 504 : 500;
    if (weft_cancelled() < 0) {
        x->broken = true;
    } else if (err < 0 && err == x->body_error) {
        answer_body_failure(x, err); /* the client's fault, and no failure of the handler */
    } else {
        if (err < 0)
            log_error(x, err);
        else
            log_failure(x, "has sent no response");
        weft_http_text(&x->http, status, "%s\n", wf_http1_reason(status));
    }
}

static void run_handler(struct wf_http_exchange *x)
{
    bool late = false;
    if (x->route->options && x->route->options->memory_max)
        weft_arena_set_limit(x->http.arena, x->route->options->memory_max);
    int err = call_handler(x, &late);
    wf_http_admission_leave(x);
    if (x->broken)
        return; /* the client is gone, which is no failure of the handler */
    if (x->is_streamed)
        end_streamed(x, err);
    else if (!x->status)
        answer_for_handler(x, err, late);
    else if (err < 0)
        log_error(x, err);
}

/* --- an exchange --- */

/* Nobody wants the body: what is there of it is dropped, and where more is to come the connection
 * ends with this answer. */
static void answer_unread(struct wf_http_connection *c, int status)
{
    struct wf_http_exchange *x = &c->exchange;
    wf_http_receive_begin(x, SIZE_MAX); /* the response drops what is there of it */
    if (status == 204)
        weft_http_send(&x->http, status, NULL, "", 0);
    else if (status == 404 || status == 405)
        weft_http_text(&x->http, status, "%s\n", wf_http1_reason(status));
    else
        wf_http_refuse(x, status, status == 400 ? "malformed escape in the path" : NULL);
}

/* Later there may be room. */
static void answer_busy(struct wf_http_exchange *x)
{
    weft_http_set_header(&x->http, "Retry-After", "1");
    weft_http_text(&x->http, 503, "%s\n", wf_http1_reason(503));
}

static void answer(struct wf_http_connection *c)
{
    struct wf_http_exchange *x = &c->exchange;
    int err = wf_http_exchange_take_head(x);
    int status = err < 0 ? 503 : wf_http_route_find(x);
    if (status != 200) {
        answer_unread(c, status);
        return;
    }
    if (!wf_http_admission_has_room(x)) {
        wf_http_receive_begin(x, SIZE_MAX);
        answer_busy(x);
        return;
    }
    err = wf_http_receive(x);
    wf_http_admission_end(x);
    if (err < 0)
        answer_body_failure(x, err);
    else if (wf_http_admission_enter(x))
        run_handler(x);
    else
        answer_busy(x);
}

static void linger(struct wf_http_connection *c)
{
    weft_buffer *input = weft_stream_input(c->stream);
    size_t dropped = 0;
    ssize_t n = wf_http_write_end(c->stream, c->server->options.send_timeout);
    weft_scope_begin(&c->waiting, .timeout = LINGER_TIME, .name = "linger");
    while (n >= 0 && dropped < LINGER_BYTES) {
        dropped += weft_buffer_readable(input);
        weft_buffer_consume(input, weft_buffer_readable(input));
        n = weft_fill(c->stream);
        if (n == 0)
            break;
    }
    weft_scope_end(&c->waiting);
}

/* Serve a request. Returns whether there may be another. */
static bool serve_next(struct wf_http_connection *c)
{
    struct wf_http_exchange *x = &c->exchange;
    wf_http_exchange_init(x, c->server, c->stream);
    wf_http_admission_begin(x);
    int err = receive_head(c);
    if (err < 0)
        answer_failure(x, err, err == WEFT_ELIMIT ? 431 : status_of(err));
    else if (x->parser.status)
        wf_http_refuse(x, x->parser.status, x->parser.why);
    else
        answer(c);
    bool sent = x->status && !x->broken, last = x->close;
    wf_http_admission_end(x);
    wf_http_exchange_end(x);
    if (sent && last)
        linger(c);
    return sent && !last;
}

/* A client that has had an answer carries its server; a new one carries nothing. */
static int park(struct wf_http_connection *c, bool is_old)
{
    const weft_http_serve_options *options = &c->server->options;
    if (is_old)
        weft_stream_set_data(c->stream, c->server, NULL);
    return weft_park(c->stream, is_old ? options->idle_timeout : options->header_timeout);
}

int wf_http_connection_serve(weft_stream *stream, void *arg)
{
    struct wf_http_connection c;
    bool is_old = weft_stream_data(stream) != NULL;
    c.server = arg;
    c.stream = stream;
    for (unsigned served = 1;; served++, is_old = true) {
        if (!has_begun(&c))
            return park(&c, is_old);
        if (!serve_next(&c))
            return weft_cancelled();
        if (served % TURN == 0)
            weft_sleep(0); /* a cancel is found where the next request is waited for */
    }
}

/* Who has asked is answered, and a new connection that stays silent is told so. One that has had
 * its answers is not: it might take that for the answer to what it sends meanwhile. */
void wf_http_connection_refuse(weft_stream *stream, int why, void *arg)
{
    bool has_asked = weft_buffer_readable(weft_stream_input(stream)) > 0;
    if (has_asked || !weft_stream_data(stream))
        wf_http_refuse_stream(arg, stream, why == -ENOMEM ? 503 : 408, words_of(why));
}
