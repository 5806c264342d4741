#ifndef WEFT_INSPECT_H
#define WEFT_INSPECT_H

/* What a running program waits for, and how much of their stacks its tasks use.
 *
 *     loop: 3 tasks of 3 spawned, 0 ready, 2 timers
 *     driver epoll: the best driver of this library
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
 *     stacks, for each function that tasks begin with (by page):
 *       shop_main: deepest 11.2 KiB of 64 KiB, measured 1 time
 *       ask: deepest 3.4 KiB of 64 KiB, measured 41 times; .stack_size = 16 << 10 would do
 *
 * Under each suspended task stand the calls on its stack, innermost first, as far as the code has
 * unwind tables (compilers write them unless told otherwise) or frame pointers. Static functions
 * have their names as long as the program is not stripped; what has none is `file+0x1234`, as
 * addr2line takes it. With ucontext there are no stacks. How long a task has waited is known to
 * about a millisecond, and begins anew after some two weeks. The text is for people: it may change
 * in any release. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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

/** How deep the stacks of one function were: see docs/stacks.md. Later releases may add fields. */
struct weft_stack_use {
    void (*function)(void); /* that tasks or generators begin with; NULL: all beyond the 256th */
    size_t deepest;         /* bytes, with what the library keeps on the stack itself */
    uint64_t measured;      /* times */
    uint32_t stack_sizes;   /* 16 << 10, 64 << 10 or 256 << 10: those it was measured on, or-ed */
    uint32_t suggested;     /* `.stack_size`; 0: as it is */
    bool exact;             /* to some words; else up to a page too large */
};

/** Receives one function; a negative result ends the call. It may not suspend, nor spawn. */
typedef int weft_stack_use_fn(void *context, const struct weft_stack_use *use);

/** Tell how much stack has been used in this thread's loop, by the functions that tasks and
 * generators begin with: the deepest first.
 *
 *     static int shallow_enough(void *context, const struct weft_stack_use *use)
 *     {
 *         return use->function == (void (*)(void))handle && use->deepest > 8192 ? -ERANGE : 0;
 *     }
 *     …
 *         err = weft_stack_census(shallow_enough, NULL);
 *
 * Counted are tasks that have ended and, of those that still run, some 64 of each function. With
 * `.debug` or WEFT_DEBUG all tasks are measured and to some words. Without, it is done by the page
 * and only on stacks that nobody has used before, of which the first eight of a function are
 * measured and then each 16th; nothing is lost to other tasks.
 *
 * Returns: 0.
 * Errors: -EPERM where there is no loop; what `fn` returned when that was negative.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows `context`; `*use` is valid in `fn` only.
 * Threads: the loop's own. */
WEFT_API
int weft_stack_census(weft_stack_use_fn *fn, void *context);

WEFT_END_DECLS

#endif
