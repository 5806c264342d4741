#ifndef WF_TESTS_TORTURE_REDIS_PEER_H
#define WF_TESTS_TORTURE_REDIS_PEER_H

/* A server of the commands that the examples over Redis ask, and of nothing else: what one of them
 * sees is always the same. What it answers:
 *
 *     GET, SET               of one value, whatever the key
 *     INCR                   1, 2, …, whatever the key
 *     ZREVRANGE, ZREVRANK, ZSCORE      a board with one player
 *     BLMOVE                 one job, and then no further one for ever
 *     LMOVE                  nothing to take back
 *     SSCAN, EXISTS          worker 1, who lives
 */

#define REDIS_PEER_ADDRESS "mem:torture-redis"

/* A weft_fn, of no argument: serves until it is cancelled, and begins with nothing. */
int redis_peer_serve(void *arg);

/* How often LREM said that a job is done. */
int redis_peer_done(void);

#endif
