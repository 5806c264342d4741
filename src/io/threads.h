#ifndef WF_IO_THREADS_H
#define WF_IO_THREADS_H

/* The library's threads, and whether there are others. */

#include <pthread.h>
#include <stdbool.h>

/* A thread that blocks all signals. Errors: -EAGAIN, what pthread_create() says. */
int wf_thread_create(pthread_t *thread, void *(*run)(void *), void *arg);

/* The library has so many more threads that send nobody anything by themselves: idle ones of pools,
 * samplers. */
void wf_threads_own(int more);

/* Whether the process has a thread besides the calling one and those: it may send something. True
 * where that cannot be known. */
bool wf_threads_has_others(void);

#endif
