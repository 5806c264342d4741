/* Words for error codes, and the last failure's sentence.
 *
 * Our own codes come from WEFT_ERROR_MAP; those of errno from the C library's tables, which since
 * glibc 2.32 are static and locale-free. Older or other libraries give strerror(), static for
 * every code they know, and no names. */

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DETAIL_SIZE 256
#define ERRNO_MAX   4095 /* the kernel's own bound: ours begin below */

static _Thread_local char detail[DETAIL_SIZE];

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
static const char *errno_text(int number)
{
    return strerrordesc_np(number);
}

static const char *errno_name(int number)
{
    return strerrorname_np(number);
}
#else
static const char *errno_text(int number)
{
    return strerror(number);
}

static const char *errno_name(int number)
{
    (void)number;
    return "errno";
}
#endif

const char *weft_error_text(int err)
{
    if (err >= 0)
        return "success";
    switch (err) {
#define CASE(name, code, text)                                                                     \
    case code:                                                                                     \
        return text;
        WEFT_ERROR_MAP(CASE)
#undef CASE
    }
    const char *text = err >= -ERRNO_MAX ? errno_text(-err) : NULL;
    return text ? text : "unknown error";
}

const char *weft_error_name(int err)
{
    if (err >= 0)
        return "OK";
    switch (err) {
#define CASE(name, code, text)                                                                     \
    case code:                                                                                     \
        return #name;
        WEFT_ERROR_MAP(CASE)
#undef CASE
    }
    const char *name = err >= -ERRNO_MAX ? errno_name(-err) : NULL;
    return name ? name : "unknown";
}

int wf_fail(int err, const char *format, ...)
{
    char sentence[DETAIL_SIZE]; /* apart from `detail`, which may be an argument */
    va_list list;
    va_start(list, format);
    int size = vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    if (size < 0)
        sentence[0] = '\0';
    memcpy(detail, sentence, strlen(sentence) + 1);
    return err;
}

const char *weft_error_detail(void)
{
    return detail;
}
