#ifndef WF_CORE_EXCEPTION_H
#define WF_CORE_EXCEPTION_H

/* Failures that nobody else hears of, on their way to the loop's handler. */

#include "base/compiler.h"

#include <weft/exception.h>

struct wf_exception_handler {
    weft_exception_handler *fn; /* NULL: the default one */
    void *context;
    bool busy; /* it runs: what fails meanwhile goes to the default one */
};

/* Tell the handler of a failure; the message is made here. */
WF_COLD WF_PRINTF(3, 4) void wf_exception_raise(weft_loop *loop, weft_exception *exception,
                                                const char *format, ...);

/* weft_callback_fail() inside a handler: true, and noted. */
bool wf_exception_handler_failed(int err, const char *text);

#endif
