#ifndef BENCH_REDIS_CLIENT_H
#define BENCH_REDIS_CLIENT_H

/* What a command costs a client in CPU time, user and system: our client from one task and from 64,
 * hiredis from blocking code, and hiredis by hand, 64 commands appended before their answers are
 * read. All ask the same redis-server (weft-kv where there is none) for values of 64 bytes. */
void redis_client(void);

#endif
