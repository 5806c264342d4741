#include "io/gate.h"

void wf_lock(struct wf_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

void wf_unlock(struct wf_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

void wf_gate_pass(struct wf_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->count++;
    pthread_cond_broadcast(&gate->passed);
    pthread_mutex_unlock(&gate->mutex);
}

void wf_gate_wait(struct wf_gate *gate, unsigned count)
{
    pthread_mutex_lock(&gate->mutex);
    while (gate->count < count)
        pthread_cond_wait(&gate->passed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}
