#ifndef WF_IO_GATE_H
#define WF_IO_GATE_H

/* Where threads wait for one another, and a lock. For what happens once, at a start and an end: a
 * thread that waits here runs no loop.
 *
 *     thread A: wf_gate_pass(&gate)        1
 *     thread B: wf_gate_pass(&gate)        2
 *     thread C: wf_gate_wait(&gate, 2)     goes on */

#include <pthread.h>

struct wf_lock {
    pthread_mutex_t mutex;
};

#define WF_LOCK_INIT                                                                               \
    {                                                                                              \
        .mutex = PTHREAD_MUTEX_INITIALIZER                                                         \
    }

/* For what is short and does not wait. */
void wf_lock(struct wf_lock *lock);
void wf_unlock(struct wf_lock *lock);

struct wf_gate {
    pthread_mutex_t mutex;
    pthread_cond_t passed;
    unsigned count; /* that have passed */
};

#define WF_GATE_INIT                                                                               \
    {                                                                                              \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .passed = PTHREAD_COND_INITIALIZER                     \
    }

/* Pass: one more. */
void wf_gate_pass(struct wf_gate *gate);

/* Block the thread until so many have passed. What they did before is seen after it. */
void wf_gate_wait(struct wf_gate *gate, unsigned count);

#endif
