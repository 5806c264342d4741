#ifndef STOREFRONT_SESSION_H
#define STOREFRONT_SESSION_H

/* Visitors, by a cookie.
 *
 *     Cookie: visitor=V       32 hexadecimal digits by chance
 *     session:V               there is such a visitor; expires when he does not come for a while
 *     seen:V                  a sorted set: product -> when it was looked at; the newest 8
 *     cart:V                  a sorted set: product -> pieces; both expire with it
 *
 * Nobody gets a cookie who has nothing to be remembered for: that is the first purchase. So a load
 * of a thousand pages a second leaves nothing in the store, and a page costs no more than before. A
 * cookie that the store does not know, made up or expired, is as none: else whoever makes them up
 * would fill it. Each loop begins a limited number of sessions in the time that one lasts. */

#include "store.h"

#include <weft/http.h>

#define SESSION_ID_SIZE  33 /* with the NUL */
#define SESSION_SEEN_MAX 8
#define SESSIONS_MAX     10000 /* that a loop begins in the time that one lasts */

/* The request's cookie: NULL where there is none, or another thing. */
const char *session_of(weft_http *http);

/* The visitor has looked at a product. Whatever goes wrong, he is not told. */
WEFT_SUSPENDS
void session_saw(struct store *store, weft_http *http, const char *id, int product);

/* He has bought one: a visitor who is not known gets a cookie, in the response that is not sent
 * yet. 0, or negative: it is not remembered. */
WEFT_SUSPENDS
int session_bought(struct store *store, weft_http *http, int product);

/* GET /visitor: what is remembered of him. */
WEFT_SUSPENDS
int gateway_visitor(weft_http *http, void *app);

#endif
