#include "hash_key.h"

#include "base/compiler.h"

#include <string.h>

struct sip {
    uint64_t a, b, c, d;
};

static WF_ALWAYS_INLINE uint64_t rotate(uint64_t bits, int by)
{
    return (bits << by) | (bits >> (64 - by));
}

static WF_ALWAYS_INLINE void mix(struct sip *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = rotate(s->b, 13) ^ s->a;
    s->d = rotate(s->d, 16) ^ s->c;
    s->a = rotate(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = rotate(s->b, 17) ^ s->c;
    s->d = rotate(s->d, 21) ^ s->a;
    s->c = rotate(s->c, 32);
}

static WF_ALWAYS_INLINE void absorb(struct sip *s, uint64_t word)
{
    s->d ^= word;
    mix(s);
    s->a ^= word;
}

static WF_ALWAYS_INLINE uint64_t read_word(const char *data)
{
    uint64_t word;
    memcpy(&word, data, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* The bytes behind the last whole word at `data`, and the length above them. Behind a whole word
 * they are the end of eight bytes. */
static WF_ALWAYS_INLINE uint64_t last_word(const char *data, size_t size)
{
    uint64_t word = (uint64_t)size << 56;
    size_t rest = size & 7;
    if (rest == 0)
        return word;
    if (size > 8)
        return word | read_word(data + rest - 8) >> (64 - 8 * rest);
    for (size_t i = 0; i < rest; i++)
        word |= (uint64_t)(unsigned char)data[i] << (8 * i);
    return word;
}

uint64_t hash_key(const uint64_t seed[2], const char *data, size_t size)
{
    struct sip s = { seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
                     seed[0] ^ UINT64_C(0x6c7967656e657261),
                     seed[1] ^ UINT64_C(0x7465646279746573) };
    size_t whole = size & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8)
        absorb(&s, read_word(data + i));
    absorb(&s, last_word(data + whole, size));
    s.c ^= 0xff;
    mix(&s);
    mix(&s);
    mix(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}
