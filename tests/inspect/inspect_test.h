#ifndef WF_TESTS_INSPECT_INSPECT_TEST_H
#define WF_TESTS_INSPECT_INSPECT_TEST_H

/* What the tests of inspect share: a dump kept as text, and questions about it. */

#include "../core/core_test.h"

#include <weft/inspect.h>

static struct {
    char text[1 << 18];
    size_t used, pieces;
} dumped;

static inline int keep_dump(void *context, const char *text, size_t size)
{
    (void)context;
    assert_true(size > 0 && size <= 4096);
    assert_true(dumped.used + size < sizeof dumped.text);
    memcpy(dumped.text + dumped.used, text, size);
    dumped.used += size;
    dumped.text[dumped.used] = '\0';
    dumped.pieces++;
    return 0;
}

static inline void dump_now(void)
{
    dumped.used = dumped.pieces = 0;
    assert_int_equal(weft_dump_to(keep_dump, NULL), 0);
}

static inline void expect_text(const char *part)
{
    if (!strstr(dumped.text, part))
        fail_msg("expected '%s' in:\n%s", part, dumped.text);
}

/* The parts stand in this order. */
static inline void expect_order(const char *const *parts)
{
    const char *rest = dumped.text;
    for (; *parts; parts++) {
        const char *found = strstr(rest, *parts);
        if (!found)
            fail_msg("expected '%s' in the rest of:\n%s", *parts, dumped.text);
        else
            rest = found + strlen(*parts);
    }
}

#define EXPECT_ORDER(...) expect_order((const char *const[]){ __VA_ARGS__, NULL })

#endif
