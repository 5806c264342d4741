#ifndef WF_HTTP_EXCHANGE_H
#define WF_HTTP_EXCHANGE_H

/* One request and its response.
 *
 *     EMPTY ──first byte──> PARSING ──> head known ──> body known ──> status != 0: sent
 *
 * The texts of the request lie in one copy of its head, in the arena, and get their NUL there: what
 * follows a piece of a head is never part of another piece, but for paths of absolute form. */

#include "codec/http1.h"
#include "http/body.h"
#include "http/server.h"

#include <weft/scope.h>
#include <weft/task.h>

#define WF_HTTP_PARAMS_MAX 16
#define WF_HTTP_FIELDS_MAX 64

struct wf_http_param {
    weft_slice name; /* in the route's path */
    const char *value;
};

/* Header lines to be sent, in the arena. */
struct wf_http_fields {
    struct wf_http1_field *list;
    unsigned count, room;
    size_t size; /* bytes on the wire */
};

struct wf_http_exchange {
    weft_http http; /* what users see; first */
    struct wf_http_server *server;
    weft_stream *stream;

    /* the request */
    struct wf_http1_parser parser;
    char *head;                   /* the copy that the parser's offsets are for; NULL before */
    const char *method;           /* "" before */
    const char *path;             /* "" before */
    const char *query;            /* "" where there is none */
    const char *host;             /* "" where there is none */
    const weft_http_route *route; /* NULL: none matches */
    struct wf_http_param params[WF_HTTP_PARAMS_MAX];
    unsigned param_count;
    struct wf_http_body incoming; /* is_whole where there is no body */
    weft_slice body;              /* read whole */
    weft_slice unread;            /* the rest of it, or of the piece that was read last */
    int body_error;               /* what weft_http_read() has answered */
    bool is_left;                 /* the rest of it was dropped: nobody reads on */
    bool invited;                 /* the client was told to go on, or does not wait for that */
    struct wf_list receiving;     /* among the server's, until its handler is called */
    weft_scope *waiting;          /* what its wait for bytes is in, or NULL */
    bool evicted;                 /* its memory is wanted: that wait was cancelled */
    int64_t started;              /* when the head was complete, where the access log wants it */

    /* the response */
    struct wf_http_fields headers, trailers;
    const char *content_type; /* set as a header: goes before what the sender says */
    bool close;               /* this response is the connection's last */
    bool broken;              /* not even a response can be sent any more */
    bool is_head;             /* no body is sent */
    bool has_body;            /* streamed: what is written is sent */
    bool is_streamed;
    bool is_open;     /* streamed: begun, and not ended */
    bool is_chunked;  /* streamed: its length is not known */
    int status;       /* 0: not sent yet */
    int64_t length;   /* streamed: what was announced, or WEFT_HTTP_LENGTH_UNKNOWN */
    uint64_t sent;    /* bytes of body */
    char *print_room; /* for what is printed into it */
    size_t print_size;
    bool printing; /* what is there waits to be written */
};

static inline struct wf_http_exchange *wf_http_exchange_of(weft_http *http)
{
    return (struct wf_http_exchange *)http;
}

/* Forget the last exchange. */
void wf_http_exchange_init(struct wf_http_exchange *x, struct wf_http_server *server,
                           weft_stream *stream);

/* The first byte has come: get memory. -ENOMEM. */
int wf_http_exchange_begin(struct wf_http_exchange *x);

/* The head is complete in the stream's input: take it out, and make its texts. -ENOMEM. */
int wf_http_exchange_take_head(struct wf_http_exchange *x);

/* Write the access log's line, and give the memory back. */
void wf_http_exchange_end(struct wf_http_exchange *x);

/* An error that was said before: who does not listen to it gives the others their turn. */
static inline int wf_http_say_again(int err)
{
    int cancelled = weft_sleep(0);
    return cancelled < 0 ? cancelled : err;
}

/* Send a small text as the response, and make it the connection's last. */
void wf_http_refuse(struct wf_http_exchange *x, int status, const char *why);

/* The same where there is no task for an exchange. Never suspends. */
void wf_http_refuse_stream(struct wf_http_server *server, weft_stream *stream, int status,
                           const char *why);

#endif
