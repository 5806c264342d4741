#ifndef KV_USAGE_H
#define KV_USAGE_H

/* How often something is used, in 32 bits: a count that grows ever more slowly and fades.
 *
 *      | minute of the last use, 24 bits | count, 8 |
 *
 * What is new counts 5, so that it is not the first to go. A use adds one with a chance of
 * 1 : 10 * (count - 5) + 1, so 255 stands for about 300,000 uses; each minute without one takes one
 * off. */

#include "base/random.h"

#include <stdint.h>

/* After one more use, at this time in ms; `usage` is 0 for what is new. */
uint32_t usage_after(uint32_t usage, int64_t now, struct wf_random *random);

/* The count at this time. */
uint32_t usage_count(uint32_t usage, int64_t now);

#endif
