/* Percent-encoding (RFC 3986): measured first, then written, so that the arena gives what is needed
 * and no more. */

#include <weft/http.h>

#include <string.h>

#define UNRESERVED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

static size_t escaped_size(const char *text)
{
    size_t size = 0;
    while (*text) {
        size_t plain = strspn(text, UNRESERVED), coded = strcspn(text + plain, UNRESERVED);
        size += plain + 3 * coded;
        text += plain + coded;
    }
    return size;
}

static char *escape_byte(char *target, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";
    *target++ = '%';
    *target++ = digits[byte >> 4];
    *target++ = digits[byte & 15];
    return target;
}

const char *weft_http_escape(weft_arena *arena, const char *text)
{
    if (!text)
        return "";
    char *escaped = weft_arena_alloc(arena, escaped_size(text) + 1), *end = escaped;
    if (!escaped)
        return NULL;
    for (; *text; text++) {
        if (strchr(UNRESERVED, *text))
            *end++ = *text;
        else
            end = escape_byte(end, (unsigned char)*text);
    }
    *end = '\0';
    return escaped;
}
