#ifndef WF_NET_ADDRESS_H
#define WF_NET_ADDRESS_H

/* Addresses as text, and what the kernel makes of them.
 *
 *     "host:port" "1.2.3.4:80" "[::1]:0" ":8080" (any)  "unix:/path"  "mem:name"
 *     "tcp:host:port", for hosts that are called unix or mem */

#include "io/os_types.h"

#include <stdbool.h>
#include <stddef.h>
#include <weft/loop.h>

enum wf_address_kind { WF_ADDRESS_INET, WF_ADDRESS_UNIX, WF_ADDRESS_MEMORY };

#define WF_ADDRESS_HOST_MAX 255
#define WF_ADDRESS_NAME_MAX 100 /* of a mem: address */
#define WF_ADDRESSES_MAX    16

struct wf_address_text {
    enum wf_address_kind kind;
    char host[WF_ADDRESS_HOST_MAX + 1]; /* INET: without brackets; "": any */
    char port[8];                       /* INET: digits */
    const char *path;                   /* UNIX: path, MEMORY: name; in the text */
};

struct wf_address {
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
        struct sockaddr_un local;
    };
    socklen_t size;
};

/* -EINVAL with a sentence. */
int wf_address_parse(const char *text, struct wf_address_text *out);

/* What it stands for, at most `max` addresses; names are looked up on the resolver's pool, and the
 * task waits. passive: to listen on. Returns how many, >= 1. Errors: WEFT_EDNS, -EINVAL, -ENOMEM,
 * -ECANCELED, -EAGAIN. */
int wf_address_resolve(weft_loop *loop, const struct wf_address_text *text, bool passive,
                       struct wf_address *out, int max);

/* "1.2.3.4:80", "[::1]:80", "unix:/path". */
void wf_address_format(const struct wf_address *address, char *text, size_t size);

#endif
