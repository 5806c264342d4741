#include "io/sampler.h"

#include "base/memory.h"
#include "io/fault.h"
#include "io/threads.h"

#include <weft/define.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if __has_include(<execinfo.h>)
#    include <execinfo.h>
#    define HAS_BACKTRACE 1
#else
#    define HAS_BACKTRACE 0
#endif

#define ANSWER_SECONDS 1 /* that the watched thread has to answer */

/* Whose the sample is. The handler writes only between its own two steps. */
enum { IDLE, ASKED, WRITING };

struct wf_sampler {
    struct wf_sampler_options options;
    pthread_t thread;
    pthread_t watched;
    pthread_mutex_t lock;
    pthread_cond_t ends;
    bool ending; /* guarded by the lock */
    atomic_int state;
    sem_t answered;
    bool seen;      /* what note() said */
    int statistics; /* the watched thread's schedstat; negative: there is none */
    struct wf_sample sample;
};

/* The watched thread's. */
static _Thread_local struct wf_sampler *_Atomic ours;

/* The signal handler. */

static void *interrupted_at(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (void *)(uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (void *)(uintptr_t)context->uc_mcontext.pc;
#else
    (void)context;
    return NULL;
#endif
}

/* The frames of the handler itself come first: they go. */
static void unwind(struct wf_sample *sample, void *pc)
{
    sample->frames[0] = pc;
    sample->count = pc != NULL;
#if HAS_BACKTRACE
    void *all[WF_SAMPLER_FRAMES + 8];
    int count = backtrace(all, WF_SAMPLER_FRAMES + 8), first = 0;
    while (first < count && pc && all[first] != pc)
        first++;
    if (first == count)
        return;
    sample->count = 0;
    for (int i = first; i < count && sample->count < WF_SAMPLER_FRAMES; i++)
        sample->frames[sample->count++] = all[i];
#endif
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    int saved = errno, asked = ASKED;
    struct wf_sampler *sampler = atomic_load_explicit(&ours, memory_order_relaxed);
    if (sampler && atomic_compare_exchange_strong(&sampler->state, &asked, WRITING)) {
        sampler->seen = sampler->options.note(sampler->options.context);
        if (sampler->seen)
            unwind(&sampler->sample, interrupted_at(context));
        atomic_store(&sampler->state, IDLE);
        sem_post(&sampler->answered);
    }
    errno = saved;
}

/* A late real-time signal that nobody handles; 0: there is none. Under the user mode of qemu, which
 * needs two for itself, handlers of the last two are installed and never called. */
static int claim_signal(void)
{
    struct sigaction action,
        ours_now = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };
    sigemptyset(&ours_now.sa_mask);
    for (int number = SIGRTMAX - 2; number >= SIGRTMIN; number--) {
        if (sigaction(number, NULL, &action) < 0 || (action.sa_flags & SA_SIGINFO) ||
            action.sa_handler != SIG_DFL)
            continue;
        if (sigaction(number, &ours_now, NULL) == 0)
            return number;
    }
    return 0;
}

static int the_signal(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int number;
    pthread_mutex_lock(&lock);
    if (number == 0) {
        number = claim_signal();
#if HAS_BACKTRACE
        void *frame; /* the first call loads the unwinder, which a handler must not */
        backtrace(&frame, 1);
#endif
    }
    int claimed = number;
    pthread_mutex_unlock(&lock);
    return claimed;
}

void wf_sampler_admit(void)
{
    sigset_t ours_alone;
    sigemptyset(&ours_alone);
    if (the_signal() > 0)
        sigaddset(&ours_alone, the_signal());
    pthread_sigmask(SIG_UNBLOCK, &ours_alone, NULL);
}

/* The thread. */

static struct timespec later(clockid_t clock, int64_t duration)
{
    struct timespec time;
    clock_gettime(clock, &time);
    int64_t ns = time.tv_nsec + duration % WEFT_SECOND;
    time.tv_sec += duration / WEFT_SECOND + ns / WEFT_SECOND;
    time.tv_nsec = ns % WEFT_SECOND;
    return time;
}

static void *watch(void *argument)
{
    struct wf_sampler *sampler = argument;
    int64_t period = sampler->options.period;
    pthread_setname_np(pthread_self(), "weft-watchdog");
    pthread_mutex_lock(&sampler->lock);
    while (!sampler->ending) {
        struct timespec time = later(CLOCK_MONOTONIC, period);
        pthread_cond_timedwait(&sampler->ends, &sampler->lock, &time);
        if (sampler->ending)
            break;
        pthread_mutex_unlock(&sampler->lock);
        period = sampler->options.look(sampler->options.context, sampler);
        pthread_mutex_lock(&sampler->lock);
    }
    pthread_mutex_unlock(&sampler->lock);
    return NULL;
}

int wf_sampler_interrupt(struct wf_sampler *sampler, struct wf_sample *sample)
{
    struct timespec limit = later(CLOCK_REALTIME, ANSWER_SECONDS * WEFT_SECOND);
    int asked = ASKED, err;
    atomic_store(&sampler->state, ASKED);
    if (pthread_kill(sampler->watched, the_signal()) != 0)
        return -ETIMEDOUT;
    while ((err = sem_timedwait(&sampler->answered, &limit)) < 0 && errno == EINTR)
        ;
    if (err < 0 && atomic_compare_exchange_strong(&sampler->state, &asked, IDLE))
        return -ETIMEDOUT; /* what comes later finds nobody who asked */
    while (err < 0 && (err = sem_wait(&sampler->answered)) < 0)
        ;
    *sample = sampler->sample;
    return sampler->seen;
}

int64_t wf_sampler_waited(const struct wf_sampler *sampler)
{
    char text[128];
    ssize_t n = pread(sampler->statistics, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    const char *second = strchr(text, ' '); /* time on a processor, and waiting for one */
    return second ? strtoll(second, NULL, 10) : 0;
}

static void init(struct wf_sampler *sampler, const struct wf_sampler_options *options)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&sampler->ends, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&sampler->lock, NULL);
    sem_init(&sampler->answered, 0, 0);
    atomic_init(&sampler->state, IDLE);
    sampler->options = *options;
    sampler->watched = pthread_self();
    sampler->statistics = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
}

static void destroy(struct wf_sampler *sampler)
{
    if (sampler->statistics >= 0)
        close(sampler->statistics);
    sem_destroy(&sampler->answered);
    pthread_mutex_destroy(&sampler->lock);
    pthread_cond_destroy(&sampler->ends);
    wf_free(sampler);
}

int wf_sampler_start(struct wf_sampler **out, const struct wf_sampler_options *options)
{
    if (the_signal() == 0)
        return -EAGAIN;
    struct wf_sampler *sampler = wf_alloc_zero(sizeof *sampler);
    if (!sampler)
        return -ENOMEM;
    init(sampler, options);
    int err = wf_thread_create(&sampler->thread, watch, sampler);
    if (err < 0) {
        destroy(sampler);
        return err;
    }
    wf_threads_own(1);
    atomic_store_explicit(&ours, sampler, memory_order_relaxed);
    *out = sampler;
    return 0;
}

void wf_sampler_stop(struct wf_sampler *sampler)
{
    if (!sampler)
        return;
    pthread_mutex_lock(&sampler->lock);
    sampler->ending = true;
    pthread_cond_signal(&sampler->ends);
    pthread_mutex_unlock(&sampler->lock);
    pthread_join(sampler->thread, NULL);
    wf_threads_own(-1);
    atomic_store_explicit(&ours, NULL, memory_order_relaxed);
    destroy(sampler);
}

/* Names. */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *wf_sampler_describe(void *address, char *text, unsigned size)
{
    Dl_info info;
    if (!dladdr(address, &info) || !info.dli_fname)
        snprintf(text, size, "%p", address);
    else if (info.dli_sname)
        snprintf(text, size, "%s+0x%zx (%s)", info.dli_sname,
                 (size_t)((char *)address - (char *)info.dli_saddr), last_part(info.dli_fname));
    else
        snprintf(text, size, "%s+0x%zx", last_part(info.dli_fname),
                 (size_t)((char *)address - (char *)info.dli_fbase));
    return text;
}
