#ifndef WF_HTTP_DEADLINE_H
#define WF_HTTP_DEADLINE_H

/* Scopes as deadlines around one wait. */

#include <weft/scope.h>

/* End the scope: its verdict (-ETIMEDOUT, -ECANCELED), else the body's own result; also where the
 * scope itself was cancelled, which weft_scope_leave() calls a success. */
static inline int wf_http_deadline_end(weft_scope *scope, int err)
{
    int verdict = weft_scope_leave(scope, err);
    return verdict < 0 ? verdict : err;
}

#endif
