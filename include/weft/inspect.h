#ifndef WEFT_INSPECT_H
#define WEFT_INSPECT_H

/* What a running program waits for.
 *
 *     loop: 3 tasks of 3 spawned, 0 ready, 2 timers
 *     scope 'background' begun at the loop: 1 member, isolates
 *       task 1 'main', parked: waits for tasks of its scope, for 1.50 s; spawned at shop.c:40
 *           at weft_scope_end+0x1d
 *           at shop_main+0x9a
 *         scope 'page' begun at shop.c:51: 2 members, 0.30 s left
 *           task 2 'ask', parked: waits for bytes to read, for 1.50 s; spawned at shop.c:52
 *               at weft_read+0x51
 *               at ask+0x33
 *           task 3 'log', new; spawned at shop.c:53
 *           stackless task 'tick', waits for sleep, for 0.20 s; defined at shop.c:12
 *               then tick
 *
 * Under each suspended task stand the calls on its stack, innermost first, as far as the code has
 * unwind tables (compilers write them unless told otherwise) or frame pointers. Static functions
 * have their names as long as the program is not stripped; what has none is `file+0x1234`, as
 * addr2line takes it. With ucontext there are no stacks. How long a task has waited is known to
 * about a millisecond, and begins anew after some two weeks. The text is for people: it may change
 * in any release. */

#include <weft/define.h>

WEFT_BEGIN_DECLS

/** Receives the next `size` bytes of text; a negative result ends the dump. It may not suspend,
 * spawn, cancel or close anything, nor read or release a task or future: they are being read. */
typedef int weft_dump_fn(void *context, const char *text, size_t size);

/** Write the tree of scopes and tasks of this thread's loop: the one that runs, else the newest.
 *
 * Takes no memory from the allocator, and some 6 KiB of the caller's stack. Ten thousand tasks take
 * some hundredths of a second, during which the loop serves
 * nobody; a descriptor that takes nothing for a second ends it.
 *
 * Returns: 0.
 * Errors: -EPERM where there is no loop; -ENOMEM; -ETIMEDOUT; those of write(2).
 * Suspends: never; blocks while the descriptor does.
 * Cancel: never delivered here.
 * Ownership: borrows the descriptor.
 * Threads: the loop's own. */
WEFT_API
int weft_dump(int fd);

/** The same text, given to a function in pieces of up to four kilobytes.
 *
 * Returns: 0.
 * Errors: -EPERM where there is no loop; -ENOMEM; what `write` returned when that was negative.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows `context`.
 * Threads: the loop's own. */
WEFT_API
int weft_dump_to(weft_dump_fn *write, void *context);

/** From now on a signal makes the current loop dump to `fd` in its next turn, until the loop ends;
 * and after it the other loops of its weft_run(), one at a time.
 *
 *     weft_dump_on_signal(SIGQUIT, STDERR_FILENO);
 *
 * A process has one such signal; the handler that stood there before comes back at the end. A task
 * that never suspends holds the dump up: then only a debugger sees it.
 *
 * Returns: 0. With -1 for `fd` the signal is given back at once; again: nothing.
 * Errors: -EPERM where there is no loop; -EBUSY while a loop of this process has such a signal;
 *   -EINVAL for what is no signal, or cannot be handled; -ENOMEM.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the descriptor until then.
 * Threads: the loop's own. */
WEFT_API
int weft_dump_on_signal(int signal_number, int fd);

WEFT_END_DECLS

#endif
