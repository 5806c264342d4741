#ifndef LOAD_PROTOCOL_H
#define LOAD_PROTOCOL_H

/* Answers as bytes: where one ends, and whether it is the right one.
 *
 * The first answer of a target is learned: all later ones have to be the same in status, length and
 * body. Reading one has two ways. The quick one: the bytes at hand are those of the learned answer,
 * but for the value of Date; one comparison tells. Else the careful one, which the quick one never
 * contradicts: the codec finds head, body and end, wherever the bytes are cut, and the body is
 * compared as it comes and not kept. Nothing here does I/O or knows the time, and only learning and
 * a head that comes in pieces allocate.
 *
 * A protocol is one row: http and echo today. */

#include "codec/http1.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What may become of a request besides its answer. */
enum load_error {
    LOAD_CONNECT,   /* no connection */
    LOAD_RESET,     /* the connection ended before the first byte of an answer */
    LOAD_SHORT,     /* … or in the middle of one */
    LOAD_TIMEOUT,   /* nothing, or not all, in time */
    LOAD_STATUS,    /* an answer with another status */
    LOAD_LENGTH,    /* … with a longer or shorter body */
    LOAD_BODY,      /* … with another one */
    LOAD_MALFORMED, /* no answer of this protocol; or bytes that nobody asked for */
    LOAD_UNSENT,    /* it was due, and there was no time to send it */
    LOAD_ERRORS
};
#define LOAD_RIGHT (-1)

const char *load_error_name(int error);

/* How closely to look. Each includes those before it. */
enum load_check { LOAD_CHECK_STATUS, LOAD_CHECK_LENGTH, LOAD_CHECK_BODY };

/* The learned answer, and what is demanded besides. */
struct load_expected {
    enum load_check check;
    bool to_head;    /* it answers HEAD: no body */
    int status_want; /* 0: that of the first answer, unless it says that something is wrong */
    int status;      /* of the first one; below 100: not HTTP */
    bool keep_alive;
    char *body;
    uint64_t length;  /* of the body */
    size_t body_kept; /* … of which so much is in `body` */
    size_t body_room;
    char *wire; /* all its bytes; NULL: there is no quick way */
    size_t wire_size, head_size;
    size_t hole, hole_size; /* the value of Date in it */
    bool has_chunks;
    uint8_t odd; /* answers that the quick way could not tell, less those it could */
};

/* The answer that is coming on a connection. All zeros: none has begun. */
struct load_reader {
    uint8_t state;
    bool looks;      /* at the body too */
    bool keep_alive; /* DONE: the connection may carry another one */
    bool learns;     /* `expected` is being made of it */
    int8_t wrong;    /* enum load_error, or LOAD_RIGHT */
    int status;
    uint64_t detail; /* of what is wrong: the status, the length, where the body differs */
    uint64_t length; /* of body so far */
    struct wf_http1_body body;
    char *kept; /* a head, or trailers, that came in pieces */
    uint32_t kept_size, kept_room;
};

enum load_reading {
    LOAD_MORE,   /* all bytes are used, and the answer goes on */
    LOAD_DONE,   /* it has ended; reader->wrong says whether it is right */
    LOAD_BROKEN, /* nobody can tell where it ends: reader->wrong says why */
};

struct load_protocol {
    const char *name; /* the scheme of its URLs */
    const char *port; /* the usual one, or NULL */

    /* The next bytes of an answer. *used is how many belong to it. */
    enum load_reading (*feed)(struct load_reader *reader, struct load_expected *expected,
                              const char *bytes, size_t len, size_t *used);

    /* The peer has closed: whether the answer is whole by that. */
    bool (*end)(struct load_reader *reader, const struct load_expected *expected);

    /* After the first answer was read with `learns`: make use of its bytes; NULL: they were too
     * many to keep. */
    void (*learn)(struct load_expected *expected, const struct load_reader *reader,
                  const char *wire, size_t size);
};

/* Begin with an answer; `looks`: compare the body as far as expected->check says so. */
void load_reader_begin(struct load_reader *reader, bool looks);

/* How many bytes the answer at the start of these has when it is the learned one; 0: look closer.
 */
size_t load_quick(struct load_expected *expected, const char *bytes, size_t len, bool looks);

void load_reader_free(struct load_reader *reader);
void load_expected_free(struct load_expected *expected);

/* By the scheme's name; NULL: there is none of it. */
const struct load_protocol *load_protocol_find(const char *name, size_t len);

/* What is wrong with an answer, for people. */
void load_reader_tell(const struct load_reader *reader, const struct load_expected *expected,
                      char *text, size_t size);

#endif
