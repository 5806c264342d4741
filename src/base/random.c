/* The dice: see random.h. */

#include "base/random.h"

#include "base/compiler.h"

#include <sys/random.h>

__extension__ typedef unsigned __int128 wide;

/* splitmix64: one step of a counter, scrambled. */
static uint64_t scramble(uint64_t *counter)
{
    *counter += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t bits = *counter;
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94d049bb133111eb);
    return bits ^ (bits >> 31);
}

static uint64_t rotate(uint64_t bits, int by)
{
    return (bits << by) | (bits >> (64 - by));
}

void wf_random_seed(struct wf_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = scramble(&seed);
}

/* Without waiting: a machine that has just booted has the address of a stack instead. */
uint64_t wf_random_entropy(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)(uintptr_t)&seed;
    return seed;
}

uint64_t wf_random_next(struct wf_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[0] + s[3], 23) + s[0];
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

/* The high half of a 64x64 product is below `bound`. Each value owns 2^64 / bound products; those
 * whose low half falls into the remainder would make some values likelier: throw again. */
uint64_t wf_random_below(struct wf_random *random, uint64_t bound)
{
    wf_assert(bound > 0);
    wide product = (wide)wf_random_next(random) * bound;
    if (WF_UNLIKELY((uint64_t)product < bound)) {
        uint64_t remainder = (0 - bound) % bound; /* 2^64 mod bound */
        while ((uint64_t)product < remainder)
            product = (wide)wf_random_next(random) * bound;
    }
    return (uint64_t)(product >> 64);
}
