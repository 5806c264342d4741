#ifndef BENCH_REDIS_MEMORY_H
#define BENCH_REDIS_MEMORY_H

/* What 200,000 keys cost weft-kv and redis-server, in bytes of the process that are there: strings
 * of 64 bytes, hashes of four fields, lists of four items. */
void redis_memory(void);

#endif
