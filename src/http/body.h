#ifndef WF_HTTP_BODY_H
#define WF_HTTP_BODY_H

/* Reading a message's body, for both directions: piece by piece, or whole into an arena.
 *
 *     wf_http_body_begin(&body, stream, &parser, max, arena);
 *     while ((err = wf_http_body_next(&body, &piece)) > 0)
 *         ... piece lies in the stream's input until the next call ...
 *
 * or wf_http_body_read(). Trailers are read behind the last piece, into the arena. */

#include "codec/http1.h"

#include <weft/arena.h>
#include <weft/stream.h>

#include <string.h>

struct wf_http_trailers;

struct wf_http_body {
    weft_stream *stream;
    weft_arena *arena;                 /* for trailers, and the whole body */
    struct wf_http1_body framing;      /* where it ends */
    struct wf_http1_limits limits;     /* of the trailers */
    uint64_t room;                     /* bytes that it may still have */
    size_t held;                       /* bytes of the input that the last piece is in */
    struct wf_http_trailers *trailers; /* NULL: none have come */
    void (*grows)(void *arg);          /* called as a whole body takes memory; NULL: nobody asks */
    void *grows_arg;
    const char *why; /* WEFT_EPROTOCOL, WEFT_ELIMIT: in words, or NULL */
    int error;       /* what broke it, answered again */
    bool is_response;
    bool is_whole; /* nothing of this message is in the stream any more */
};

/* Start behind the head that `parser` has parsed, with nothing of it in the input. At most `max`
 * bytes are read, SIZE_MAX for all. */
void wf_http_body_begin(struct wf_http_body *body, weft_stream *stream,
                        const struct wf_http1_parser *parser, size_t max, weft_arena *arena);

/* The next piece: 1; 0 at the end, after the trailers; WEFT_ELIMIT when the body, or its trailers,
 * are larger than they may be (the first call says so where the head does); WEFT_EPROTOCOL for
 * broken chunks, -ENOMEM, WEFT_EEND when the peer closed before the end, and weft_fill()'s. */
int wf_http_body_next(struct wf_http_body *body, weft_slice *piece);

/* The same without waiting: -EAGAIN when more bytes are needed. */
int wf_http_body_try(struct wf_http_body *body, weft_slice *piece);

/* The whole body with a NUL behind it: 0, or an error as above. */
int wf_http_body_read(struct wf_http_body *body, weft_slice *whole);

/* Move up to `size` bytes of a piece to `buffer`: how many. */
static inline size_t wf_http_piece_take(weft_slice *piece, void *buffer, size_t size)
{
    size_t taken = piece->size < size ? piece->size : size;
    if (taken == 0)
        return 0;
    memcpy(buffer, piece->data, taken);
    piece->data += taken;
    piece->size -= taken;
    return taken;
}

/* Room in an arena for `need` bytes at least: twice as much as there was, where its limit is not
 * near, so that what grows piece by piece is seldom copied. NULL leaves `memory` and *room. */
static inline char *wf_http_grow(weft_arena *arena, char *memory, size_t *room, size_t need)
{
    size_t more = *room > need / 2 ? 2 * *room : need;
    char *grown = weft_arena_grow(arena, memory, *room, more);
    if (!grown && more > need)
        grown = weft_arena_grow(arena, memory, *room, more = need);
    if (grown)
        *room = more;
    return grown;
}

/* Whether all that is still to come of the message is in the input already, which is dropped then:
 * nobody wants it. Never suspends. */
bool wf_http_body_skip(struct wf_http_body *body);

/* The trailers, once the body is whole. NULL: there are none of that name. */
const char *wf_http_body_trailer(const struct wf_http_body *body, const char *name);

#endif
