/* time() is a load from a page the kernel shares, a few nanoseconds; printing is not. */

#include "http/date.h"

#include <stdio.h>

void wf_http_date_set(struct wf_http_date *date, time_t second)
{
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct tm tm;
    if (!gmtime_r(&second, &tm))
        return;
    date->second = second;
    /* The moduli tell the compiler that it fits. */
    snprintf(date->text, sizeof date->text, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday],
             (unsigned)tm.tm_mday % 32, months[tm.tm_mon], ((unsigned)tm.tm_year + 1900) % 10000,
             (unsigned)tm.tm_hour % 24, (unsigned)tm.tm_min % 60, (unsigned)tm.tm_sec % 61);
}

const char *wf_http_date_now(struct wf_http_date *date)
{
    time_t second = time(NULL);
    if (second != date->second)
        wf_http_date_set(date, second);
    return date->text;
}
