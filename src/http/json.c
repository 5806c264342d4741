/* JSON strings (RFC 8259): measured first, then written, so that the arena gives what is needed and
 * no more. Whatever came in, what goes out is valid JSON in valid UTF-8. */

#include <weft/http.h>

#include <string.h>

/* The length of the UTF-8 sequence at `text`, or 0 when it is none (RFC 3629: shortest form, no
 * surrogates, up to U+10FFFF). A NUL is no continuation, so nothing is read beyond the end. */
static size_t sequence(const unsigned char *text)
{
    unsigned char lead = text[0], low = 0x80, high = 0xBF;
    size_t size = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (lead > 0xF4)
        return 0;
    if (lead == 0xE0)
        low = 0xA0;
    else if (lead == 0xED)
        high = 0x9F;
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F;
    for (size_t i = 1; i < size; i++, low = 0x80, high = 0xBF)
        if (text[i] < low || text[i] > high)
            return 0;
    return size;
}

/* The letter of a two-byte escape, or 0. */
static char short_form(unsigned char byte)
{
    switch (byte) {
    case '"':
    case '\\':
        return (char)byte;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static size_t escape_byte(char *target, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    target[0] = '\\';
    target[1] = short_form(byte);
    if (target[1])
        return 2;
    memcpy(target + 1, "u00", 3);
    target[4] = digits[byte >> 4];
    target[5] = digits[byte & 15];
    return 6;
}

/* Write one character as JSON, at most 6 bytes. Returns how many; *used says how many went in. */
static size_t escape(char *target, const unsigned char *text, size_t *used)
{
    size_t size = sequence(text);
    *used = size > 0 ? size : 1;
    if (text[0] < 0x20 || text[0] == '"' || text[0] == '\\')
        return escape_byte(target, text[0]);
    if (size == 0) {
        memcpy(target, "\xEF\xBF\xBD", 3); /* U+FFFD */
        return 3;
    }
    memcpy(target, text, size);
    return size;
}

static size_t escaped_size(const unsigned char *text)
{
    char scratch[6];
    size_t size = 0, used;
    for (; *text; text += used)
        size += escape(scratch, text, &used);
    return size;
}

const char *weft_json_string(weft_arena *arena, const char *text)
{
    if (!text)
        return "null";
    const unsigned char *at = (const unsigned char *)text;
    char *string = weft_arena_alloc(arena, escaped_size(at) + 3), *end = string;
    if (!string)
        return NULL;
    *end++ = '"';
    for (size_t used; *at; at += used)
        end += escape(end, at, &used);
    *end++ = '"';
    *end = '\0';
    return string;
}
