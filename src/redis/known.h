#ifndef WF_REDIS_KNOWN_H
#define WF_REDIS_KNOWN_H

/* What the client knows of commands: which only read, which block, which are not for shared
 * connections. A command that it does not know is sent once, as it is. */

#include <stdbool.h>
#include <weft/buffer.h>

enum wf_redis_nature {
    WF_REDIS_PLAIN,  /* nothing is known: it may change something */
    WF_REDIS_READS,  /* may be sent again when nobody knows whether it was executed */
    WF_REDIS_BLOCKS, /* the server may make it wait, and with it all behind it */
    WF_REDIS_BLOCKING_READ,
    WF_REDIS_REFUSED, /* changes what the connection is, or has not one answer */
};

enum wf_redis_nature wf_redis_known(const weft_slice *args, size_t count);

#endif
