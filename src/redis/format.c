/* A format's arguments.
 *
 *     "SET user:%d %b"   ->   SET │ user:7 │ (the bytes, where they lie)
 *
 * Only blanks of the format divide, so what is in an argument decides nothing. One that is a single
 * %s or %b is not copied; all others are written to one text, which may move while it grows: until
 * the end they are offsets. */

#include "redis/format.h"

#include "base/compiler.h"
#include "codec/resp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WORDS_MAX 1024

/* An argument: `data` where it lies, or written. */
struct word {
    const char *data;
    size_t offset;
    size_t size;
};

struct writer {
    weft_arena *arena;
    const char *format; /* the next byte of it */
    va_list list;
    struct word *words;
    size_t count;
    size_t room;
    char *text;
    size_t size;
    size_t capacity;
    const char *why;
};

static int refuse(struct writer *w, const char *why)
{
    w->why = why;
    return -EINVAL;
}

/* Each from memory of its own: the two pieces grow in turns. */
static int reserve(struct writer *w, size_t size)
{
    if (w->capacity - w->size >= size)
        return 0;
    size_t larger = (w->size + size) * 2;
    char *text = weft_arena_alloc(w->arena, larger);
    if (!text)
        return -ENOMEM;
    if (w->size > 0)
        memcpy(text, w->text, w->size);
    w->text = text;
    w->capacity = larger;
    return 0;
}

static int add_word(struct writer *w, const struct word *word)
{
    if (w->count == WORDS_MAX)
        return refuse(w, "the format has too many arguments");
    if (w->count == w->room) {
        size_t room = w->room ? w->room * 2 : 8;
        struct word *words = weft_arena_alloc(w->arena, room * sizeof *words);
        if (!words)
            return -ENOMEM;
        if (w->count > 0)
            memcpy(words, w->words, w->count * sizeof *words);
        w->words = words;
        w->room = room;
    }
    w->words[w->count++] = *word;
    return 0;
}

static int put(struct writer *w, const char *data, size_t size)
{
    int err = reserve(w, size);
    if (err == 0 && size > 0)
        memcpy(w->text + w->size, data, size);
    w->size += err == 0 ? size : 0;
    return err;
}

/* --- conversions --- */

static bool ends_word(char c)
{
    return c == '\0' || c == ' ';
}

/* Text at hand: as it lies, where it is the whole of its argument. */
static int put_text(struct writer *w, const char *data, size_t size, bool is_first, bool *lies)
{
    if (!data && size > 0)
        return refuse(w, "a text is NULL");
    if (!is_first || !ends_word(*w->format))
        return put(w, data, size);
    *lies = true;
    return add_word(w, &(struct word){ .data = data ? data : "", .size = size });
}

static int put_integer(struct writer *w, int64_t value)
{
    char digits[WF_RESP_HEAD_MAX];
    return put(w, digits, wf_resp_print_integer(digits, value));
}

static int put_unsigned(struct writer *w, uint64_t value)
{
    char digits[WF_RESP_HEAD_MAX];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return put(w, digits + at, sizeof digits - at);
}

static int put_double(struct writer *w, double value)
{
    char digits[WF_RESP_DOUBLE_MAX];
    return put(w, digits, wf_resp_print_double(digits, value));
}

/* The bytes of an integer, by the letters before its conversion. */
static size_t read_width(struct writer *w)
{
    const char *c = w->format;
    size_t letters = strspn(c, "lzj");
    if (letters == 0)
        return sizeof(int);
    if (letters > 2 || (letters == 2 && (c[0] != 'l' || c[1] != 'l')))
        return 0;
    w->format += letters;
    return letters == 2 ? sizeof(long long)
           : *c == 'l'  ? sizeof(long)
           : *c == 'z'  ? sizeof(size_t)
                        : sizeof(intmax_t);
}

static int put_number(struct writer *w, size_t width)
{
    bool is_wide = width > sizeof(int);
    switch (*w->format++) {
    case 'd':
    case 'i':
        return put_integer(w, is_wide ? va_arg(w->list, long long) : va_arg(w->list, int));
    case 'u':
        return put_unsigned(w, is_wide ? va_arg(w->list, unsigned long long)
                                       : va_arg(w->list, unsigned));
    default:
        return refuse(w, "the format has a conversion that is unknown here");
    }
}

static int convert(struct writer *w, bool is_first, bool *lies)
{
    size_t width = read_width(w);
    if (width == 0 || (width > sizeof(int) && !*w->format))
        return refuse(w, "the format has a conversion that is unknown here");
    if (width > sizeof(int))
        return put_number(w, width);
    switch (*w->format) {
    case 's': {
        const char *text = va_arg(w->list, const char *);
        w->format++;
        return text ? put_text(w, text, strlen(text), is_first, lies) : refuse(w, "a text is NULL");
    }
    case 'b': {
        const char *data = va_arg(w->list, const char *);
        size_t size = va_arg(w->list, size_t);
        w->format++;
        return put_text(w, data, size, is_first, lies);
    }
    case 'c': {
        char c = (char)va_arg(w->list, int);
        w->format++;
        return put(w, &c, 1);
    }
    case 'f':
    case 'g':
        w->format++;
        return put_double(w, va_arg(w->list, double));
    case '%':
        w->format++;
        return put(w, "%", 1);
    case '\0':
        return refuse(w, "the format ends in a conversion");
    default:
        return put_number(w, width);
    }
}

/* --- words --- */

static int read_word(struct writer *w)
{
    size_t begin = w->size;
    bool is_first = true, lies = false;
    int err = 0;
    while (err == 0 && !ends_word(*w->format)) {
        if (*w->format != '%') {
            size_t literal = strcspn(w->format, "% ");
            err = put(w, w->format, literal);
            w->format += literal;
        } else {
            w->format++;
            err = convert(w, is_first, &lies);
        }
        is_first = false;
    }
    if (err < 0 || lies)
        return err;
    return add_word(w, &(struct word){ .offset = begin, .size = w->size - begin });
}

static int read_format(struct writer *w)
{
    int err = 0;
    while (err == 0) {
        w->format += strspn(w->format, " ");
        if (!*w->format)
            break;
        err = read_word(w);
    }
    return err == 0 && w->count == 0 ? refuse(w, "the format is empty") : err;
}

static int give(struct writer *w, weft_slice **args, size_t *count)
{
    weft_slice *slices = weft_arena_alloc(w->arena, w->count * sizeof *slices);
    if (!slices)
        return -ENOMEM;
    for (size_t i = 0; i < w->count; i++) {
        const struct word *word = &w->words[i];
        slices[i].data = word->data ? word->data : word->size > 0 ? w->text + word->offset : "";
        slices[i].size = word->size;
    }
    *args = slices;
    *count = w->count;
    return 0;
}

int wf_redis_format(weft_arena *arena, weft_slice **args, size_t *count, const char **why,
                    const char *format, va_list list)
{
    struct writer w = { .arena = arena, .format = format };
    va_copy(w.list, list);
    int err = read_format(&w);
    va_end(w.list);
    if (err == 0)
        err = give(&w, args, count);
    *why = w.why;
    return err;
}
