/* Patterns. */

#include <weft/redis_server.h>

/* A class, at its '['. Whether it has the byte; *end is behind it. One that is not closed ends with
 * the pattern. */
static bool class_has(const char *at, const char *last, unsigned char byte, const char **end)
{
    bool found = false, inverted = false;
    at++;
    if (at < last && *at == '^')
        inverted = true, at++;
    for (; at < last && *at != ']'; at++) {
        if (*at == '\\' && at + 1 < last)
            at++;
        unsigned char from = (unsigned char)*at, to = from;
        if (at + 2 < last && at[1] == '-' && at[2] != ']') {
            to = (unsigned char)at[2];
            at += 2;
        }
        if (from > to) {
            unsigned char other = from;
            from = to, to = other;
        }
        found |= byte >= from && byte <= to;
    }
    *end = at < last ? at + 1 : at;
    return found != inverted;
}

/* Whether what stands at `at`, which is no "*", matches a byte; *end is behind it. */
static bool one_matches(const char *at, const char *last, unsigned char byte, const char **end)
{
    *end = at + 1;
    if (*at == '?')
        return true;
    if (*at == '[')
        return class_has(at, last, byte, end);
    if (*at == '\\' && at + 1 < last)
        *end = ++at + 1;
    return (unsigned char)*at == byte;
}

/* When it fails behind a "*", that one takes a byte more: the last one is enough to come back to.
 */
bool weft_redis_match(weft_slice pattern, weft_slice text)
{
    const char *at = pattern.data, *last = at + pattern.size, *star = NULL;
    const char *byte = text.data, *end = byte + text.size, *tried = NULL;
    while (byte < end) {
        const char *next;
        if (at < last && *at == '*') {
            star = ++at;
            tried = byte;
        } else if (at < last && one_matches(at, last, (unsigned char)*byte, &next)) {
            at = next;
            byte++;
        } else if (star) {
            at = star;
            byte = ++tried;
        } else {
            return false;
        }
    }
    while (at < last && *at == '*')
        at++;
    return at == last;
}
