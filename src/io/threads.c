#include "io/threads.h"

#include "base/compiler.h"
#include "io/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

static atomic_int own;

static int create(pthread_t *thread, void *(*run)(void *), void *arg, const sigset_t *blocked)
{
    sigset_t before;
    if (wf_io_fault_hits(WF_FAULT_THREAD))
        return -errno;
    pthread_sigmask(SIG_SETMASK, blocked, &before); /* a thread is born with its maker's mask */
    int error = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

int wf_thread_create(pthread_t *thread, void *(*run)(void *), void *arg)
{
    sigset_t all;
    sigfillset(&all);
    return create(thread, run, arg, &all);
}

int wf_thread_create_for_users(pthread_t *thread, void *(*run)(void *), void *arg)
{
    static const int own_faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGPROF };
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof own_faults / sizeof own_faults[0]; i++)
        sigdelset(&blocked, own_faults[i]);
    return create(thread, run, arg, &blocked);
}

static _Atomic(void (*)(void)) child_hook;

static void register_child_hook(void)
{
    pthread_atfork(NULL, NULL, child_hook); /* without memory nobody is told */
}

void wf_thread_at_fork(void (*in_child)(void))
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    child_hook = in_child;
    pthread_once(&once, register_child_hook);
}

void wf_thread_join(pthread_t thread)
{
    pthread_join(thread, NULL);
}

void wf_thread_name(unsigned number)
{
    char name[16];
    snprintf(name, sizeof name, "weft-%u", number);
    pthread_setname_np(pthread_self(), name);
}

/* More than CPU_SETSIZE processors: the call says -EINVAL. */
int wf_thread_cpus(cpu_set_t *cpus)
{
    return -pthread_getaffinity_np(pthread_self(), sizeof *cpus, cpus);
}

int wf_thread_pin(const cpu_set_t *cpus, unsigned n)
{
    cpu_set_t one;
    size_t cpu = 0;
    unsigned count = (unsigned)CPU_COUNT(cpus), left = count > 0 ? n % count : 0;
    if (count == 0)
        return -EINVAL;
    while (!CPU_ISSET(cpu, cpus) || left-- > 0)
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return -pthread_setaffinity_np(pthread_self(), sizeof one, &one);
}

void wf_thread_unpin(const cpu_set_t *cpus)
{
    pthread_setaffinity_np(pthread_self(), sizeof *cpus, cpus);
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
