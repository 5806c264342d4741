#ifndef LOAD_TARGET_H
#define LOAD_TARGET_H

/* What is asked for: where, and the request's bytes, rendered once.
 *
 *     http://host[:port][/path][?query]     host: a name, IPv4, or [IPv6]
 *     http://unix:/path/of/socket[:/target]
 *     echo://host:port, echo://unix:/path/of/socket
 *     unix:/path/of/socket[:/target]        http
 *     host[:port][/path]                    http
 *
 * and behind any of them without a query "=3": its weight among several. Names are resolved here,
 * once. */

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define LOAD_HEADERS_MAX 64

/* What all requests have in common. All zeros: GET, no body. */
struct load_message {
    const char *method;                    /* NULL: GET, or POST where there is a body */
    const char *headers[LOAD_HEADERS_MAX]; /* "Name: value" */
    int header_count;
    const char *body; /* for echo: the bytes to send; NULL: 64 of them */
    size_t body_size;
    bool closes; /* say "Connection: close" */
    int status_want;
    enum load_check check;
};

struct load_target {
    char *url; /* without the weight */
    double weight;
    const struct load_protocol *protocol;
    struct sockaddr_storage address;
    socklen_t address_size;
    char *request;
    size_t request_size;
    struct load_expected expected;
};

/* Returns 0, or -1 with a sentence in `why`. The target is to be freed in both cases. */
int load_target_init(struct load_target *target, const char *url,
                     const struct load_message *message, char *why, size_t why_size);

void load_target_free(struct load_target *target);

#endif
