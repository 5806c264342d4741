#ifndef WF_BASE_RANDOM_H
#define WF_BASE_RANDOM_H

/* The dice: fast, repeatable, not for secrets.
 *
 * xoshiro256++ (Blackman and Vigna), 256 bits of state filled from one seed by splitmix64, so that
 * any seed, 0 included, is a good one. The state is an argument: whoever throws owns the dice, and
 * the same seed gives the same throws on every machine. */

#include <stdint.h>

struct wf_random {
    uint64_t state[4]; /* never all zero */
};

void wf_random_seed(struct wf_random *random, uint64_t seed);

/* A seed that no other process and no other run has, from the kernel. */
uint64_t wf_random_entropy(void);

/* 64 random bits. */
uint64_t wf_random_next(struct wf_random *random);

/* A number below `bound`, which is not 0; all are equally likely. */
uint64_t wf_random_below(struct wf_random *random, uint64_t bound);

#endif
