#ifndef LOAD_CEILING_H
#define LOAD_CEILING_H

/* What this generator can do at most, on this machine and with these requests: a closed loop
 * against the null server, which runs in a process of its own, on another CPU where there is one.
 * A server that comes near it may be quicker than measured. */

#include "engine.h"

/* `echoes`: of the echo protocol, else of HTTP. The address in `message` and `setup` stays theirs.
 * Returns 0, or -1 with a sentence. */
int load_ceiling(const struct load_setup *setup, const struct load_message *message, bool echoes,
                 int64_t duration, struct load_result *result, char *why, size_t why_size);

/* Stay on one CPU: the first of those allowed, or the last. Returns false where it cannot be. */
bool load_pin(bool last);

#endif
