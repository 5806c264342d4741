#ifndef WEFT_GENERATOR_H
#define WEFT_GENERATOR_H

/* Generators: functions that hand one value after another to whoever asks for the next one.
 *
 *     static int count(weft_gen *gen, void *arg)
 *     {
 *         for (int i = 0; i < *(int *)arg; i++) {
 *             int err = weft_yield(gen, &i);
 *             if (err < 0)
 *                 return err;
 *         }
 *         return 0;
 *     }
 *
 *     weft_gen *gen;
 *     int err = weft_gen_open(&gen, count, &ten, .item_size = sizeof(int));
 *     for (int i; err >= 0 && (err = weft_gen_next(gen, &i)) > 0;)
 *         printf("%d\n", i);
 *     weft_gen_close(gen);
 *
 * A generator has a stack but is no task. Between two items it stands still at its weft_yield();
 * while it runs it borrows the task of whoever asked: that task is weft_task_self(), its cancel and
 * its deadlines are felt inside, and where the generator waits, that task waits. Asking for an item
 * is no suspending call by itself: it looks at no cancel and gives nobody a turn. The stack is
 * taken when it is opened and given back when it is closed. */

#include <weft/define.h>
#include <weft/loop.h>

WEFT_BEGIN_DECLS

typedef struct weft_gen weft_gen;

/* A generator's body. Returns >= 0 at the end of the items, < 0 when it fails; no weft_return(). */
typedef int weft_gen_fn(weft_gen *gen, void *arg);

/* Options of weft_gen_open(). */
struct weft_gen_options {
    void *arg;            /* the third argument */
    size_t item_size;     /* bytes of an item; 0: items carry nothing */
    weft_drop_fn *drop;   /* called with arg exactly once, after the body or instead of it */
    const char *name;     /* static or outliving the generator; NULL: the function's name */
    const char *function; /* the function's name; set by the macro */
    const char *site;     /* where it was called; set by the macro */
    uint32_t stack_size;  /* bytes; 0: 64 KiB; rounded up to 16, 64 or 256 KiB */
    uint32_t size;        /* of this struct; set by the macro */
};

/** Open a generator. Its body begins when it is asked for the first item.
 *
 *     weft_gen_open(&lines, read_lines, file, .item_size = sizeof(weft_slice), .drop = close_file);
 *
 * Returns: 0.
 * Errors: -ENOMEM, also when there is no stack; -EINVAL for `.stack_size` above 256 KiB; -EPERM on
 *   a thread without a loop; -ESHUTDOWN when the loop has ended.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: gives *gen, to be closed. Borrows `arg` until the body has ended; with `.drop` takes
 *   it on success.
 * Threads: any with a loop; from then on that loop's. */
WEFT_API
int weft_gen_open_with(weft_gen **gen, weft_gen_fn *fn, const struct weft_gen_options *options);

/** Inside the generator: hand an item to the consumer, and stand still until it asks for more.
 *
 * A scope that was begun in the generator must have ended: its deadline would cancel the consumer.
 *
 * Returns: 0.
 * Errors: what weft_gen_throw() was told; WEFT_ECLOSED once weft_gen_close() has been called, again
 *   and again: clean up and return. -EINVAL with a scope of the generator's open, and -EPERM
 *   outside the generator: the item is not handed over then.
 * Suspends: the generator, always; the task, never.
 * Cancel: not delivered here: between two items nothing reaches the generator.
 * Ownership: copies `item`, item_size bytes; NULL hands over an item of which nothing is copied.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_yield(weft_gen *gen, const void *item);

/** Ask a generator for its next item.
 *
 * Any task of the loop may ask, each time another one.
 *
 * Returns: 1 with an item; 0 at the end, again and again.
 * Errors: what the body returned, once; then 0. -EBUSY while somebody is inside, -EPERM outside a
 *   task, WEFT_ETHREAD from another thread or loop.
 * Suspends: only where the generator's body does.
 * Cancel: felt by the body where it waits; what it makes of it is what comes here.
 * Ownership: writes item_size bytes to `item`; NULL: the item is not copied.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_gen_next(weft_gen *gen, void *item);

/** Ask for the next item and say something: weft_gen_received() is `value` until the generator
 * yields again.
 *
 *     weft_gen_send(average, &sample, &mean);
 *
 * The first one is received before the first weft_yield().
 *
 * Returns: as weft_gen_next().
 * Errors: as weft_gen_next().
 * Suspends: only where the generator's body does.
 * Cancel: as weft_gen_next().
 * Ownership: borrows `value` during the call.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_gen_send(weft_gen *gen, const void *value, void *item);

/** Ask for the next item by an error: the weft_yield() that the generator stands at returns `err`.
 *
 * The body may handle it and go on. One that has not begun does not run, and has ended.
 *
 * Returns: as weft_gen_next().
 * Errors: as weft_gen_next(); `err` itself from a body that has not begun or has ended; -EINVAL for
 *   an `err` that is none.
 * Suspends: only where the generator's body does.
 * Cancel: as weft_gen_next().
 * Ownership: writes item_size bytes to `item`, as weft_gen_next().
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_gen_throw(weft_gen *gen, int err, void *item);

/** Inside the generator: what the consumer has sent.
 *
 * Returns: the pointer that weft_gen_send() was given; NULL when the consumer only asked.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the consumer's; valid until the next weft_yield().
 * Threads: the loop's own. */
WEFT_API
const void *weft_gen_received(const weft_gen *gen);

/** Inside a generator: hand over all items of another one, as if they were its own.
 *
 *     int err = weft_yield_from(gen, rest);
 *     weft_gen_close(rest);
 *
 * What the consumer sends and throws reaches `inner`. A close does not: it stays with whoever has
 * opened it.
 *
 * Returns: what the body of `inner` returned at its end, >= 0.
 * Errors: what the body of `inner` returned; WEFT_ECLOSED when `outer` was closed; -EINVAL for
 *   items of different sizes; as weft_yield() and weft_gen_next().
 * Suspends: the generator, always; the task where `inner` does.
 * Cancel: as weft_gen_next().
 * Ownership: borrows `inner`.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_yield_from(weft_gen *outer, weft_gen *inner);

/** Close a generator and free it.
 *
 * A body that stands at a weft_yield() gets WEFT_ECLOSED there and runs to its end; its other calls
 * work as ever, so that cleanup may wait. One that has not begun does not run.
 *
 * Returns: 0, whatever the body returned.
 * Errors: WEFT_EIGNORED when the body has yielded three times since: its stack is abandoned, and
 *   the generator is freed all the same. Still open after -EBUSY while somebody is inside, -EPERM
 *   outside a task when the body has begun and not ended, and WEFT_ETHREAD.
 * Suspends: only where the generator's body does.
 * Cancel: the close itself is not cancelled: it returns when the body has ended.
 * Ownership: takes the generator. NULL is allowed.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_gen_close(weft_gen *gen);

WEFT_END_DECLS

#ifndef __cplusplus
#    define weft_gen_open(gen, fn, ...)                                                            \
        weft_gen_open_with((gen), (fn),                                                            \
                           &(struct weft_gen_options){ .arg = __VA_ARGS__,                         \
                                                       .function = #fn,                            \
                                                       .site = WEFT_SITE,                          \
                                                       .size = sizeof(struct weft_gen_options) })
#else
static inline int weft_gen_open(weft_gen **gen, weft_gen_fn *fn, void *arg,
                                weft_gen_options options = {})
{
    options.arg = arg;
    options.size = static_cast<uint32_t>(sizeof options);
    return weft_gen_open_with(gen, fn, &options);
}
#endif

#endif
