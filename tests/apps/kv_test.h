#ifndef KV_TEST_H
#define KV_TEST_H

/* What the tests of weft-kv's store share: limits, a pool of texts that differ, and allocations
 * that fail.
 *
 * Models note texts by their number in the pool: there are integers of every width, texts that only
 * look like integers, and lengths around every limit. The first POOL_SHORT of them are at most
 * 1,000 bytes long, the rest up to 70,000. */

#include "base/model.h"

#include "codec/resp.h"
#include "weft-kv/entry.h"
#include "weft-kv/memory.h"
#include "weft-kv/pack.h"

#define POOL       92
#define POOL_SHORT 80

static weft_slice pool[POOL];
static char pool_bytes[400000];

static inline struct kv_limits test_limits(void)
{
    struct kv_limits limits = KV_LIMITS_DEFAULT;
    limits.seed[0] = 17;
    limits.seed[1] = 42;
    return limits;
}

static inline weft_slice text_of(const char *text)
{
    return (weft_slice){ text, strlen(text) };
}

static inline size_t pool_add(size_t i, size_t used, const char *text, size_t size)
{
    size_t known = strlen(text);
    memcpy(pool_bytes + used, text, known < size ? known : size);
    if (size > known)
        memset(pool_bytes + used + known, 'a' + (int)(i % 26), size - known);
    pool[i] = (weft_slice){ pool_bytes + used, size };
    return used + size;
}

static inline void pool_fill(void)
{
    static const char *const numbers[] = {
        "0",
        "1",
        "-1",
        "111",
        "112",
        "127",
        "128",
        "-128",
        "-129",
        "255",
        "32767",
        "32768",
        "-32768",
        "-32769",
        "8388607",
        "8388608",
        "2147483647",
        "2147483648",
        "-2147483648",
        "-2147483649",
        "140737488355327",
        "140737488355328",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "007",
        "-0",
        "+1",
        "1.5",
        " 1",
        "",
        "-",
    };
    static const size_t sizes[] = { 5,    6,    7,    8,    20,   21,    44,    45,    62,
                                    63,   64,   65,   66,   100,  126,   127,   128,   129,
                                    191,  192,  250,  300,  700,  1000,  1023,  1024,  1025,
                                    5000, 8180, 8191, 8192, 9000, 16384, 65535, 65536, 70000 };
    size_t used = 0;
    for (size_t i = 0; i < 32; i++)
        used = pool_add(i, used, numbers[i], strlen(numbers[i]));
    for (size_t i = 32; i < POOL; i++) {
        char name[8];
        snprintf(name, sizeof name, "t%zu", i);
        size_t size = i < 56 ? sizes[i - 32] : i < POOL_SHORT ? 3 + i % 10 : sizes[i - 56];
        used = pool_add(i, used, name, size);
    }
    assert_true(used <= sizeof pool_bytes);
}

/* The number of a text in the pool; POOL: it is not there. */
static inline int pool_find(weft_slice text)
{
    int i = 0;
    while (i < POOL && (pool[i].size != text.size || memcmp(pool[i].data, text.data, text.size)))
        i++;
    return i;
}

static inline void assert_item_is(const struct pack_item *item, int text)
{
    char space[PACK_TEXT_MAX];
    weft_slice found = pack_text(item, space);
    assert_int_equal(found.size, pool[text].size);
    if (found.size)
        assert_memory_equal(found.data, pool[text].data, found.size);
}

/* How many random steps a test makes. */
static inline long operations(long usual)
{
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    return text ? strtol(text, NULL, 10) : usual;
}

/* Make the call with its first allocation failing, then the second, and so on, until it does not
 * say -ENOMEM; each time it does, `unchanged` is looked at. */
#define WITH_FAULTS(result, call, unchanged)                                                       \
    for (long fault = 1;; fault++) {                                                               \
        kv_memory_fail(fault);                                                                     \
        (result) = (call);                                                                         \
        long failed = kv_memory_fail(0);                                                           \
        if ((result) != -ENOMEM)                                                                   \
            break;                                                                                 \
        assert_true(failed > 0);                                                                   \
        unchanged;                                                                                 \
    }

#endif
