#ifndef BENCH_REDIS_MEMORY_H
#define BENCH_REDIS_MEMORY_H

/* What a key costs weft-kv and redis-server, in bytes of the process that are there: strings of 64
 * bytes, hashes of four fields, lists of four items; of 131,072 to 229,376 of them. */
void redis_memory(void);

#endif
