/* One sentence about a call that should not have been made: kept for weft_error_detail(), and on
 * the runtime log once, so that a loop of misuse does not flood it. */

#include "base/error.h"
#include "core/loop.h"

#include <stdarg.h>
#include <stdio.h>
#include <weft/log.h>

#define REMEMBERED 64

static uint64_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(1469598103934665603);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return hash | 1;
}

/* A full table forgets the oldest. */
static bool is_new(uint64_t hash)
{
    static _Thread_local uint64_t seen[REMEMBERED];
    static _Thread_local unsigned next;
    for (unsigned i = 0; i < REMEMBERED; i++)
        if (seen[i] == hash)
            return false;
    seen[next++ % REMEMBERED] = hash;
    return true;
}

int wf_misuse(int err, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (is_new(hash_of(text)))
        weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR, "%s", text);
    return wf_fail(err, "%s", text);
}
