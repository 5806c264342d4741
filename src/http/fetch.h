#ifndef WF_HTTP_FETCH_H
#define WF_HTTP_FETCH_H

/* A call while it has its client, and as long as its trailers may be asked for: in the call's
 * arena. */

#include "codec/http1.h"
#include "http/body.h"
#include "http/client.h"
#include "http/url.h"

struct wf_http_fetch {
    weft_http_call *call;
    weft_http_client *client;
    struct wf_http_url url;
    const char *address; /* where it goes */
    const char *method;
    weft_slice request; /* the head */
    char *space;        /* for what the call's source gives; NULL: it has none */
    struct wf_http_place *place;
    weft_stream *stream; /* the place's */
    struct wf_http1_parser parser;
    struct wf_http1_header *headers; /* room for the parser's */
    struct wf_http_body incoming;    /* behind the response's head */
    weft_slice piece;                /* of it, what is not read yet */
    bool reused;                     /* the connection has served before */
    bool written;                    /* a byte of the request has been taken */
    bool pulled;                     /* the source was asked */
    bool answered;                   /* a byte of the response has come */
    int write_error;                 /* the request was not taken whole */
    int explained;                   /* the error of the body that the call's detail is about */
    const char *what;                /* for the detail: what was being done */
    const char *why;                 /* and what was wrong, or NULL: the error's text */
};

/* What the call asks for, ready to be sent: url, address, method, request. 0, or the error. */
int wf_http_request_prepare(struct wf_http_fetch *fetch);

/* Send it. 0: it is sent, or write_error says how far it is not: the server may have answered
 * before it had read all; an error of the source, after which the connection is torn. */
int wf_http_request_send(struct wf_http_fetch *fetch);

#endif
