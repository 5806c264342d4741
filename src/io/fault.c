/* The counting behind fault.h: which call of the armed kind is the unlucky one. */

#include "io/fault.h"

#include <errno.h>

_Thread_local struct wf_io_fault *wf_io_fault_armed;

void wf_io_fault_set(struct wf_io_fault *fault)
{
    wf_io_fault_armed = fault;
}

bool wf_io_fault_count(enum wf_io_fault_kind kind)
{
    struct wf_io_fault *fault = wf_io_fault_armed;
    if (fault->kind != kind || fault->countdown == 0)
        return false;
    if (fault->countdown > 1) {
        fault->countdown--;
        return false;
    }
    if (!fault->persistent)
        fault->countdown = 0;
    fault->injected++;
    if (fault->error)
        errno = fault->error;
    return true;
}
