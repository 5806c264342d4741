#include "io/gate.h"

#include "io/clock.h"

#include <errno.h>
#include <time.h>

#define SECOND_NS INT64_C(1000000000)

void wf_lock(struct wf_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

void wf_unlock(struct wf_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

/* With these attributes none of it can fail here. */
void wf_gate_init(struct wf_gate *gate)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->passed, &attributes);
    pthread_condattr_destroy(&attributes);
    gate->count = 0;
}

void wf_gate_fini(struct wf_gate *gate)
{
    pthread_cond_destroy(&gate->passed);
    pthread_mutex_destroy(&gate->lock);
}

void wf_gate_pass(struct wf_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->count++;
    pthread_cond_broadcast(&gate->passed);
    pthread_mutex_unlock(&gate->lock);
}

static struct timespec time_after(int64_t timeout)
{
    static const struct wf_clock real = { .test = false };
    int64_t when = wf_clock_after(wf_clock_now(&real), timeout);
    return (struct timespec){ .tv_sec = when / SECOND_NS, .tv_nsec = when % SECOND_NS };
}

bool wf_gate_wait(struct wf_gate *gate, unsigned count, int64_t timeout)
{
    struct timespec limit = time_after(timeout > 0 ? timeout : 0);
    int err = timeout > 0 ? 0 : ETIMEDOUT;
    pthread_mutex_lock(&gate->lock);
    while (gate->count < count && err == 0)
        err = timeout == INT64_MAX ? pthread_cond_wait(&gate->passed, &gate->lock)
                                   : pthread_cond_timedwait(&gate->passed, &gate->lock, &limit);
    bool passed = gate->count >= count;
    pthread_mutex_unlock(&gate->lock);
    return passed;
}
