#ifndef WF_HTTP_ADMISSION_H
#define WF_HTTP_ADMISSION_H

/* Who is let in while memory, or handlers, are short. */

#include "http/exchange.h"

/* An exchange has begun to receive, or has done with it: what it holds meanwhile can be taken from
 * it. */
void wf_http_admission_begin(struct wf_http_exchange *x);
void wf_http_admission_end(struct wf_http_exchange *x);

/* Make room where the connections hold more than they may; false: there is none to be made. */
bool wf_http_admission_relieve(struct wf_http_exchange *x);

/* Whether there is memory and a place for this exchange's handler. */
bool wf_http_admission_has_room(struct wf_http_exchange *x);

/* Count its handler in: false when there are enough. Who was counted in is counted out. */
bool wf_http_admission_enter(struct wf_http_exchange *x);
void wf_http_admission_leave(struct wf_http_exchange *x);

/* The server ends. */
void wf_http_admission_fini(struct wf_http_server *server);

#endif
