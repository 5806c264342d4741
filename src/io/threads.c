#include "io/threads.h"

#include "base/compiler.h"
#include "io/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>

static atomic_int own;

int wf_thread_create(pthread_t *thread, void *(*run)(void *), void *arg)
{
    sigset_t all, before;
    if (wf_io_fault_hits(WF_FAULT_THREAD))
        return -errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* a thread is born with its maker's mask */
    int error = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

void wf_threads_own(int more)
{
    atomic_fetch_add(&own, more);
}

/* The folder has one link for each thread, besides its own two. TSan has a thread of its own. */
bool wf_threads_has_others(void)
{
    struct stat folder;
    if (stat("/proc/self/task", &folder) < 0 || folder.st_nlink < 3)
        return true;
    return (long)folder.st_nlink - 3 - WF_TSAN > atomic_load(&own);
}
