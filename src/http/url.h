#ifndef WF_HTTP_URL_H
#define WF_HTTP_URL_H

/* An URL as the client needs it: whom to ask, and for what. */

#include <weft/arena.h>

struct wf_http_url {
    const char *host;    /* "users", "[::1]:8080": as written, port included where there is one */
    const char *target;  /* "/path?query" */
    const char *address; /* for weft_connect(): the host with its port */
};

/* Take an "http://" URL apart; the pieces are the arena's. The port is checked here; what may stand
 * in a host's name and in a target, when the request is written.
 *
 * 0; -EINVAL with why in *why (static text), -EPROTONOSUPPORT for another scheme, -ENOMEM. */
int wf_http_url_parse(struct wf_http_url *url, const char *text, weft_arena *arena,
                      const char **why);

#endif
