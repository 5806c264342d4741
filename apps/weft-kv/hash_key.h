#ifndef KV_HASH_KEY_H
#define KV_HASH_KEY_H

/* A keyed hash of a key: SipHash-1-3 (Aumasson and Bernstein), 64 bits. Who does not know the seed
 * cannot make keys that collide. */

#include <stddef.h>
#include <stdint.h>

uint64_t hash_key(const uint64_t seed[2], const char *data, size_t size);

#endif
