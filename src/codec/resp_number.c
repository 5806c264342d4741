/* Numbers as RESP and its commands write them, in whatever locale the program runs. */

#include "codec/resp.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX      19 /* of an int64_t */
#define DOUBLE_TEXT_MAX 255

/* The digits of `text`, none of them a leading zero; false also where they exceed 64 bits. */
static bool read_digits(const char *text, size_t len, uint64_t *value)
{
    if (len == 0 || len > DIGITS_MAX || (text[0] == '0' && len > 1))
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        if (digit > 9)
            return false;
        sum = sum * 10 + digit; /* nineteen digits fit */
    }
    *value = sum;
    return true;
}

bool wf_resp_read_integer(const char *text, size_t len, int64_t *value)
{
    bool negative = len > 0 && text[0] == '-';
    uint64_t sum;
    if (!read_digits(text + negative, len - negative, &sum))
        return false;
    if (sum > (uint64_t)INT64_MAX + negative || (negative && sum == 0))
        return false;
    *value = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

/* The C library keeps one of these; nothing is allocated. */
static locale_t begin_plain(void)
{
    return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

bool wf_resp_read_double(const char *text, size_t len, double *value)
{
    char copy[DOUBLE_TEXT_MAX + 1], *end;
    int64_t whole;
    if (wf_resp_read_integer(text, len, &whole)) {
        *value = (double)whole;
        return true;
    }
    if (len == 0 || len > DOUBLE_TEXT_MAX || text[0] <= ' ')
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    errno = 0;
    locale_t users = begin_plain();
    double number = strtod(copy, &end);
    uselocale(users);
    bool overflowed = errno == ERANGE && fabs(number) > 1;
    if (end != copy + len || overflowed || isnan(number))
        return false;
    *value = number;
    return true;
}

size_t wf_resp_print_integer(char *out, int64_t value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    char digits[20], *at = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    for (; rest >= 100; rest /= 100)
        memcpy(at -= 2, pairs + rest % 100 * 2, 2);
    if (rest >= 10)
        memcpy(at -= 2, pairs + rest * 2, 2);
    else
        *--at = (char)('0' + rest);
    if (value < 0)
        *--at = '-';
    size_t size = (size_t)(digits + sizeof digits - at);
    memcpy(out, at, size);
    return size;
}

/* Whole numbers that a double holds exactly, and that nobody would write with an exponent. */
static bool is_whole(double value)
{
    return value > -1e17 && value < 1e17 && value == (double)(int64_t)value &&
           !(value == 0 && signbit(value));
}

static size_t print_shortest(char *out, double value)
{
    char text[WF_RESP_DOUBLE_MAX - WF_RESP_HEAD_MAX + 1];
    int size = 0;
    locale_t users = begin_plain();
    for (int digits = 15; digits <= 17; digits++) { /* seventeen always do */
        size = snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    uselocale(users);
    memcpy(out, text, (size_t)size);
    return (size_t)size;
}

size_t wf_resp_print_double(char *out, double value)
{
    if (isnan(value))
        return (size_t)(stpcpy(out, "nan") - out);
    if (isinf(value))
        return (size_t)(stpcpy(out, value > 0 ? "inf" : "-inf") - out);
    if (is_whole(value))
        return wf_resp_print_integer(out, (int64_t)value);
    return print_shortest(out, value);
}
