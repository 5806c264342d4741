#ifndef WF_IO_GATE_H
#define WF_IO_GATE_H

/* Where threads that run no loop wait for one another, and a lock for what is short.
 *
 *     thread A: wf_gate_pass(&gate)                      1
 *     thread B: wf_gate_pass(&gate)                      2
 *     thread C: wf_gate_wait(&gate, 2, WEFT_FOREVER)     goes on */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

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
    pthread_mutex_t lock;
    pthread_cond_t passed;
    unsigned count; /* that have passed */
};

void wf_gate_init(struct wf_gate *gate);
void wf_gate_fini(struct wf_gate *gate);

/* Pass: one more. Any thread. Who waits may go on, and free the gate, only when this has returned:
 * keep it by a reference. */
void wf_gate_pass(struct wf_gate *gate);

/* Block the thread until so many have passed, for at most `timeout` ns (<= 0: look; INT64_MAX: no
 * limit). What they did before is seen after it. True: they have. */
bool wf_gate_wait(struct wf_gate *gate, unsigned count, int64_t timeout);

#endif
