#ifndef WF_REDIS_ADDRESS_H
#define WF_REDIS_ADDRESS_H

/* Where a server is, as its users write it. */

#include <stdint.h>
#include <weft/arena.h>

struct wf_redis_address {
    const char *connect;  /* for weft_connect() */
    const char *user;     /* NULL: none is named */
    const char *password; /* NULL: none */
    uint32_t database;
};

/* Read an address; its texts go to `arena`. 0, -EINVAL, -EPROTONOSUPPORT, -ENOMEM. */
int wf_redis_address_read(struct wf_redis_address *address, const char *text, weft_arena *arena);

#endif
