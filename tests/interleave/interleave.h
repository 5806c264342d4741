#ifndef WF_TESTS_INTERLEAVE_INTERLEAVE_H
#define WF_TESTS_INTERLEAVE_INTERLEAVE_H

/* A small model checker: up to three threads, run as coroutines over the library's real sources, in
 * every order with at most two preemptions.
 *
 * The sources are compiled once more behind shim.h, which makes each atomic operation a point at
 * which another thread may go on. A run follows a list of choices; the next one differs in the last
 * choice that has another value left, so all are tried. Going on with another thread where the
 * running one could go on too is a preemption; two of them find what real programs do wrong, and
 * keep the number of runs in the thousands. Where nobody can go on, and not all have ended, a
 * wake-up was lost.
 *
 * What it does not see: reordering by the processor (the code says which orders it needs; TSan
 * knows that model), and races of plain accesses, which have no point between them (TSan, too). */

#include <stdbool.h>
#include <stddef.h>

#define IL_THREADS_MAX 3

struct il_program {
    const char *name;
    void (*begin)(void); /* before each run: make everything anew */
    void (*end)(void);   /* after it: check, give everything back */
    int threads;
    void (*thread[IL_THREADS_MAX])(void);
};

/* By a thread: another one may go on here. Elsewhere: nothing. */
void il_point(void);

/* By a thread: go on when ready(arg). */
void il_wait_until(bool (*ready)(void *arg), void *arg);

/* By a thread: sleep until somebody has written to the descriptor since the last sleep. */
void il_sleep_on(int fd);

/* From `begin`: what wf_running is in a thread at first; NULL unless it is said. Each has its own.
 */
struct weft_loop;
void il_runs(int thread, struct weft_loop *loop);

/* Something is wrong with this run: it is printed, and no other one follows. */
#define il_require(condition)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            il_failed(__FILE__, __LINE__, #condition);                                             \
    } while (0)
void il_failed(const char *file, int line, const char *what);

/* Try the programs; an exit status. With the argument "mutant" one of them must fail, else none. */
int il_main(int argc, char **argv, const struct il_program *programs, size_t count);

#endif
