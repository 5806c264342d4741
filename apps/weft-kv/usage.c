/* How often something is used: see usage.h. */

#include "usage.h"

#define FIRST   5
#define MOST    255
#define STEEP   10
#define MINUTES 0xffffffu
#define MINUTE  60000

static uint32_t minute_of(int64_t now)
{
    return (uint32_t)(now / MINUTE) & MINUTES;
}

uint32_t usage_count(uint32_t usage, int64_t now)
{
    uint32_t count = usage & MOST, idle = (minute_of(now) - (usage >> 8)) & MINUTES;
    return idle < count ? count - idle : 0;
}

uint32_t usage_after(uint32_t usage, int64_t now, struct wf_random *random)
{
    uint32_t count = usage ? usage_count(usage, now) : FIRST;
    uint32_t above = count > FIRST ? count - FIRST : 0;
    if (usage && count < MOST && wf_random_below(random, above * STEEP + 1) == 0)
        count++;
    return minute_of(now) << 8 | count;
}
