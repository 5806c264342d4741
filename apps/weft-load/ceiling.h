#ifndef LOAD_CEILING_H
#define LOAD_CEILING_H

/* What the generator can do at most, on this machine and with these requests: a closed loop against
 * the null server, in a process and on a processor of its own where there are two. A server that
 * comes near it may be quicker than measured. */

#include "engine.h"

struct ceiling {
    double rate;   /* right answers in a second */
    double cpu_ns; /* the generator's processor time for each */
};

/* The engine's options are those of the run; their targets, all of one protocol, are asked with
 * their very bytes, at another address. `size` is that of the body in HTTP's answers. Takes 1.2
 * times the duration. 0, or negative with a sentence. */
int ceiling_find(const struct engine_options *options, size_t size, int64_t duration,
                 struct ceiling *ceiling, char why[TARGET_TEXT_MAX]);

#endif
