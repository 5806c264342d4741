#ifndef LOAD_PROTOCOL_H
#define LOAD_PROTOCOL_H

/* What the engine has to know of a protocol: how a request is written once, before all begins, and
 * where an answer ends. A new protocol is a table here and a line in target.c. */

#include "codec/http1.h"

#include <sys/types.h>

struct target;
struct request_options;

/* One answer that is coming. All zero at its beginning. */
struct reading {
    int status;        /* 0: not known yet, or the protocol has none */
    uint64_t size;     /* bytes of body so far */
    const char *piece; /* body in what read() has just used up … */
    size_t piece_size; /* … and how much of it */
    bool done;         /* the answer is whole */
    bool closes;       /* and the last one on its connection */
    bool begun;        /* a head was read */
    const char *why;   /* malformed: static text */
    uint8_t state;     /* the protocol's own */
    struct wf_http1_body body;
};

struct protocol {
    const char *scheme;
    const char *port; /* where the URL names none; NULL: it must */
    /* Write the target's request, and what the protocol alone knows of the answer. 0, -EINVAL or
     * -ENOMEM. */
    int (*render)(struct target *target, const char *authority, const char *path,
                  const struct request_options *options);
    /* Look at the next bytes. Returns how many are used up; 0: not before there are more of them;
     * negative: they are no answer. */
    ssize_t (*read)(struct reading *reading, struct target *target, const char *window,
                    size_t size);
    /* The peer has closed: whether that makes the answer whole. */
    bool (*ends_here)(const struct reading *reading);
    /* Whether bytes that nobody has asked for say no more than that the server hangs up. NULL:
     * there are no such bytes. */
    bool (*is_farewell)(const char *window, size_t size);
};

extern const struct protocol http_protocol, echo_protocol, redis_protocol;

#endif
