#ifndef WF_HTTP_DATE_H
#define WF_HTTP_DATE_H

/* The Date header: wall-clock time in the one form HTTP has, made once a second. */

#include <time.h>

struct wf_http_date {
    time_t second; /* what `text` says; 0: nothing yet */
    char text[32]; /* "Sun, 06 Nov 1994 08:49:37 GMT" */
};

/* The time now; valid until the next call. */
const char *wf_http_date_now(struct wf_http_date *date);

/* Write the date of a second since 1970. */
void wf_http_date_set(struct wf_http_date *date, time_t second);

#endif
