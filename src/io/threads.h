#ifndef WF_IO_THREADS_H
#define WF_IO_THREADS_H

/* The library's threads, what they are called and where they run, and whether there are others. */

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

/* A thread that blocks all signals. Errors: -EAGAIN, what pthread_create() says. */
int wf_thread_create(pthread_t *thread, void *(*run)(void *), void *arg);

/* The same that takes the signals of a fault in its own code (SIGSEGV and its like), so that a
 * program's handler of these hears of it, and the profiler's. For threads that run users' code. */
int wf_thread_create_for_users(pthread_t *thread, void *(*run)(void *), void *arg);

/* Have this called in the child of each fork from now on, on its one thread. One function for the
 * process. */
void wf_thread_at_fork(void (*in_child)(void));

/* Wait for its end. */
void wf_thread_join(pthread_t thread);

/* Name the calling thread "weft-3". */
void wf_thread_name(unsigned number);

/* The processors that the calling thread may use. Errors: what the kernel says. */
int wf_thread_cpus(cpu_set_t *cpus);

/* Keep the calling thread on the n-th of them, counted round. Threads that it starts inherit that.
 * Errors: likewise; -EINVAL: there are none. */
int wf_thread_pin(const cpu_set_t *cpus, unsigned n);

/* Let it run on all of them. */
void wf_thread_unpin(const cpu_set_t *cpus);

/* The library has so many more threads that send nobody anything by themselves: idle ones of pools,
 * samplers. */
void wf_threads_own(int more);

/* Whether the process has a thread besides the calling one and those: it may send something. True
 * where that cannot be known. */
bool wf_threads_has_others(void);

#endif
