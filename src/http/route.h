#ifndef WF_HTTP_ROUTE_H
#define WF_HTTP_ROUTE_H

/* From a method and a path to a line of the table. */

#include "http/exchange.h"

/* Whether the table can be served; if not, -EINVAL, and the application log says why. */
int wf_http_routes_check(const weft_http_route *routes);

/* Its lines. */
size_t wf_http_routes_count(const weft_http_route *routes);

/* Find the exchange's route and fill in its params.
 *
 * 200: x->route is set; 204 for OPTIONS and 405: `Allow` is set; 404; 400 for a path that cannot be
 * decoded; 503 without memory. */
int wf_http_route_find(struct wf_http_exchange *x);

#endif
