#ifndef WF_TESTS_TORTURE_TORTURE_H
#define WF_TESTS_TORTURE_TORTURE_H

/* The torture driver: one scenario, run again and again, each time with something else going wrong.
 *
 *     cancel:k   the suspending task is cancelled at the k-th suspension point, for every k
 *     other:k    another task is cancelled there, which may wait, be woken or not have begun
 *     main:k     the main task is
 *     twice:k    … and the one that suspends at k + 1
 *     scope:k    the innermost scope of the suspending task is cancelled
 *     all:k      the whole program is, as by Ctrl-C
 *     pierce:k   … with its shields, as by the second Ctrl-C
 *     alloc:n    the n-th allocation fails; allocs:n: and all that follow
 *     stack:n    the n-th mmap, mprotect or munmap of a stack fails; stacks:n: and all that follow
 *     accept:n, recv:n, send:n, connect:n, control:n, wait:n, open:n, thread:n and their plurals,
 *     short_recv:n, short_send:n: the n-th system call of a kind (io/fault.h)
 *     file_io:n, file_space:n, file_memory:n, file_limit:n and their plurals: the n-th call about a
 *     file, with EIO, ENOSPC, ENOMEM, EMFILE
 *     shuffle:s  nothing fails; ready tasks run in the order of the seed s (core/shuffle.h)
 *     random:s   several of these at once, drawn from the seed s
 *
 * A suspension point is the entry of a suspending call, and the moment at which it is about to
 * park; of a stackless task those of the call that asks to wait. After each run weft_run() must
 * have returned, and nothing may be left: no memory, no descriptor, no task, stack, timer or job. A
 * run that hangs is ended by an alarm. Whatever goes wrong is printed with the line that repeats
 * it: WEFT_TORTURE=scenario:cancel:17.
 *
 * To add scenarios: write torture_<layer>.c beside torture_core.c: an array of scenarios and
 *
 *     int main(void)
 *     {
 *         return torture(scenarios, TORTURE_COUNT(scenarios));
 *     }
 *
 * and a line in meson.build. A scenario's main takes no argument and runs in virtual time; it must
 * do the same in the same order each time, release every handle it took, and end as soon as a call
 * fails (real code, with its checks). A task that waits for another one needs a deadline: the other
 * may be cancelled alone. `check` looks at the result of the run and at what the
 * scenario counted: torture_require() what must hold whatever failed, such as "each argument was
 * dropped once"; torture_excuses() says which errors this run may answer with. `begin` resets those
 * counters. Use pool threads freely, sleeps never.
 *
 * Several loops: faults strike the caller's loop, and the others while they are made; cancels the
 * caller's.
 *
 * A scenario may also be a `program`, which makes its loops itself. They are put on virtual time
 * when they are born. What is to run beside it, such as a client of a server, is spawned by `born`.
 */

#include <stdbool.h>
#include <stddef.h>
#include <weft/loop.h>

struct torture_scenario {
    const char *name;          /* no colon */
    weft_fn *main;             /* arg is NULL */
    void (*begin)(void);       /* before each run; may be NULL */
    void (*check)(int result); /* after each run, with what weft_run() returned; may be NULL */
    /* Instead of `main`: its status is the result. */
    int (*program)(const struct torture_scenario *scenario);
    void (*born)(weft_loop *loop); /* each loop, before its first task; may be NULL */
    void (*suspends)(void);        /* at each suspension point; may be NULL */
    const char *const *says; /* with `strict`: parts of the errors that it provokes, then NULL */
    bool strict;             /* no other line of the runtime log may be an error */
    bool debug;              /* as WEFT_DEBUG=1 */
    size_t short_bytes;      /* of short transfers; 0: 1. For those that move a lot */
    long fewer; /* random rounds by this factor; 0: 1. For those that wait for real time */
};

#define TORTURE_COUNT(scenarios) (sizeof(scenarios) / sizeof((scenarios)[0]))

/* All scenarios, or what WEFT_TORTURE names; the program's exit status. WEFT_TORTURE_ROUNDS says
 * how many random rounds each gets. */
int torture(const struct torture_scenario *scenarios, size_t count);

/* Whether nothing is being injected, shuffles included: the run must succeed wholly. */
bool torture_is_calm(void);

/* Whether something has gone wrong in this run that explains this error: -ENOMEM where memory, a
 * stack or a registration was refused, -ECANCELED where anything was, and so on. */
bool torture_excuses(int err);

/* By a program, before it makes a loop: they keep the clock they have. For several loops. */
void torture_keep_time(void);

/* Print why, and the line that repeats it; abort. */
_Noreturn void torture_failed(const char *file, int line, const char *what);

#define torture_require(condition)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            torture_failed(__FILE__, __LINE__, #condition);                                        \
    } while (0)

/* An answer that is right, or explained by what went wrong. */
#define torture_accept(err)                                                                        \
    do {                                                                                           \
        long accepted = (long)(err);                                                               \
        torture_require(accepted >= 0 || torture_excuses((int)accepted));                          \
    } while (0)

/* From now on what the scenarios print is discarded. For programs that print. */
void torture_hush(void);

#endif
