#ifndef LOAD_TARGET_H
#define LOAD_TARGET_H

/* Something to ask for: where, the bytes that ask, and what the answer has to be.
 *
 *     http://HOST[:PORT][/PATH]       HTTP/1.1
 *     http+unix:/SOCKET[:/PATH]       the same through a Unix socket; so is unix:/SOCKET[:/PATH]
 *     echo://HOST:PORT                bytes that come back as they are
 *     echo+unix:/SOCKET
 *     redis://HOST[:PORT][/WORD/...]  a command of Redis's
 *     redis+unix:/SOCKET[:/WORD/...]
 *
 * Names are looked up once, when the target is made. */

#include "protocol.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define TARGET_HEAD_MAX 1024        /* bytes of a head that are remembered */
#define TARGET_BODY_MAX (64u << 20) /* of an answer that is learned */
#define TARGET_TEXT_MAX 256
#define TARGET_ANY_SIZE UINT64_MAX

/* How all requests of a run are written. */
struct request_options {
    const char *method;         /* NULL: GET, with a body POST */
    const char *const *headers; /* "Name: value" */
    int header_count;
    const char *body; /* NULL: none */
    size_t body_size;
    bool close;  /* one exchange on each connection */
    size_t size; /* bytes of an echo */
};

/* What an answer must be. */
struct expectation {
    int status;       /* 0: any */
    uint64_t size;    /* of the body; TARGET_ANY_SIZE: any */
    const char *body; /* NULL: any */
};

/* The head that was read last: the same bytes mean the same. */
struct head_memo {
    size_t size; /* 0: none */
    int status;
    bool closes;
    struct wf_http1_body body; /* at its beginning */
    char bytes[TARGET_HEAD_MAX];
};

struct target {
    const struct protocol *protocol;
    char *url;
    struct sockaddr_storage address;
    socklen_t address_size;
    unsigned weight; /* it is asked so often for each time that one of weight 1 is */
    char *request;
    size_t request_size;
    bool to_head; /* there is no body in the answer */
    struct expectation expected;
    char *learned; /* what expected.body points to, if the target owns it */
    struct head_memo memo;
};

/* Make one of a URL and how to ask. 0, or negative with a sentence in `why`; then nothing is held.
 */
int target_init(struct target *target, const char *url, const struct request_options *options,
                char why[TARGET_TEXT_MAX]);
void target_fini(struct target *target);

/* Expect this answer from now on: takes a copy. 0, or -ENOMEM. */
int target_expect(struct target *target, int status, const char *body, uint64_t size);

/* Bytes that grow; all zero: none, and no memory. */
struct bytes {
    char *data;
    size_t size, room;
};

/* Append. 0, or -ENOMEM. */
int bytes_add(struct bytes *bytes, const char *data, size_t size);
void bytes_free(struct bytes *bytes);

#endif
