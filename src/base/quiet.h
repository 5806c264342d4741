#ifndef WF_BASE_QUIET_H
#define WF_BASE_QUIET_H

/* Around calls that cannot be told to leave SIGPIPE alone, where nobody reads any more: it is held
 * back, and what such a call has raised is taken away. Costs two small system calls, and one more
 * where it may have been raised: not only with EPIPE, for what had part of its way sends in parts.
 */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

struct wf_quiet {
    sigset_t mask;
    bool pending; /* one was there before */
};

static inline sigset_t wf_quiet_set(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
}

/* Where it was not blocked none can be pending: it would have come. */
static inline void wf_quiet_begin(struct wf_quiet *quiet)
{
    sigset_t set = wf_quiet_set(), pending;
    pthread_sigmask(SIG_BLOCK, &set, &quiet->mask);
    quiet->pending = sigismember(&quiet->mask, SIGPIPE) == 1 && sigpending(&pending) == 0 &&
                     sigismember(&pending, SIGPIPE) == 1;
}

/* `raises`: a call may have raised it. Keeps errno. */
static inline void wf_quiet_end(const struct wf_quiet *quiet, bool raises)
{
    const struct timespec now = { 0 };
    sigset_t set = wf_quiet_set();
    int kept = errno;
    if (raises && !quiet->pending)
        sigtimedwait(&set, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &quiet->mask, NULL);
    errno = kept;
}

#endif
