#ifndef WEFT_LOOP_H
#define WEFT_LOOP_H

/* The loop: one thread's scheduler and multiplexer.
 *
 * A program calls weft_run() and lives in tasks. The loop by hand (weft_loop_new, _run_…, _free),
 * callbacks and messages from other threads are here too. */

#include <weft/await.h>
#include <weft/define.h>

WEFT_BEGIN_DECLS

typedef struct weft_loop weft_loop;

/* What a task and a blocking job run. Returns >= 0, or a negative error. */
typedef int weft_fn(void *arg);
/* What the loop calls: outside every task, so it may not suspend. */
typedef void weft_callback(void *arg);
/* Frees an argument or a result that nobody will use. */
typedef void weft_drop_fn(void *arg);

/* What time is. */
enum weft_clock {
    WEFT_CLOCK_REAL, /* the kernel's monotonic clock */
    WEFT_CLOCK_TEST, /* stands still; jumps to the next timer when nothing else can happen */
};

/* What finds the overflow of a task's stack. docs/stacks.md has what each costs. */
enum weft_guards {
    WEFT_GUARDS_BEST,  /* marks; where there are none pages, and when those run out canaries */
    WEFT_GUARDS_MARKS, /* marks in the page table, which trap (Linux 6.13): no limit but memory */
    WEFT_GUARDS_PAGES, /* protected pages, which trap: a quarter of vm.max_map_count at most, in
                          all loops of the process, some 16,000 by default */
    WEFT_GUARDS_CANARIES, /* nothing traps: looked for at each switch, and then it is too late */
};

/* Options of weft_run() and weft_loop_new(). */
struct weft_loop_options {
    void *arg;           /* weft_run(): its second argument */
    weft_loop **loop;    /* weft_loop_new(): its first argument */
    const char *backend; /* "epoll", "uring"; "uring,epoll": the first of them that can be had;
                            NULL: WEFT_BACKEND, else epoll */
    int64_t grace;     /* how long tasks may take to end once they must: when main has ended, at the
                          second interrupt, and when one that was interrupted was found not to
                          listen. 0: 10 s, WEFT_FOREVER: no limit */
    size_t stacks_max; /* stacks alive at one time, in each loop; 0: 1,048,576. A task that cannot
                          have one ends with -ENOMEM */
    uint32_t posts_max;  /* messages waiting; 0: 65,536 */
    uint32_t stack_size; /* weft_run(): of main's stack, as in weft_spawn(); 0: 64 KiB */
    uint16_t threads;    /* weft_run(): loops, each in a thread of its own with a main of its own; 0
                            and 1: one, at most 1,024 */
    uint8_t clock;       /* enum weft_clock */
    bool no_signals;     /* weft_run() leaves SIGINT and SIGTERM alone */
    bool debug;          /* a thread watches for slow steps, as with WEFT_DEBUG=1: the log says who
                            holds the loop up and where, while it does; and it is measured
                            exactly how deep stacks are */
    bool pin;            /* with threads: loop i stays on the i-th processor that may be used */
    uint8_t guards;      /* enum weft_guards */
    /* SIGSEGV and SIGBUS are left alone: a stack overflow ends the process without a word. Else
     * what handled them before is called after the report, and for all other faults. */
    bool no_overflow_report;
    int64_t slow_step; /* with debug: how long a step may take; 0: 100 ms */
    int64_t spin;      /* how long a loop with nothing to do looks for messages of other threads
                          before it sleeps, at most; it does so only where they use to come as
                          soon. < 0: never; 0: WEFT_SPIN, else 20 us where the process may use
                          four processors or more. Never with the test clock */
    const char *site;  /* where it was called; set by the macro */
    size_t size;       /* of this struct; set by the macro */
};

/** Run `main` as the first task of a new loop of this thread until it ends.
 *
 * When `main` has ended, what lives in the background is cancelled and joined, for at most
 * `.grace`; then whoever is still alive is named on the runtime log and abandoned. SIGINT and
 * SIGTERM, where they have their default action, cancel `main`; the second one cancels shields
 * too and begins the grace, for `main` as well; the third has the default action.
 *
 * With `.threads` = n there are n loops: loop 0 on this thread, the others on threads of their own,
 * and `main` runs once on each, with the same `arg`; weft_loop_index() says where. A main that
 * fails cancels the others, and so do SIGINT and SIGTERM, which loop 0 takes. Every loop, with what
 * lives in its background, goes on until all mains have ended. docs/threads.md has the whole story.
 *
 * Returns: what `main` returned, >= 0; of several loops, what loop 0's did.
 * Errors: main's own, and of several the first; -EDEADLK inside a running loop; -ENOMEM, -EMFILE,
 *   -EAGAIN when a loop or thread cannot be made: then no main has run; -ENOTSUP for an unknown
 *   backend, or several loops in virtual time; -EPERM, -ENOSYS and the like when io_uring was named
 *   and this process has none (weft_error_detail() says why); -EINVAL for more than 1,024;
 *   WEFT_ESTUCK when tasks outlived the grace.
 * Suspends: never; it blocks the thread until main ends.
 * Cancel: SIGINT and SIGTERM as above.
 * Ownership: borrows `arg`.
 * Threads: any thread that runs no loop. */
WEFT_API
int weft_run_with(weft_fn *main, const struct weft_loop_options *options);

/** Make a loop that belongs to the calling thread.
 *
 * Returns: 0, and the loop in *loop.
 * Errors: -ENOMEM, -EMFILE, -ENOTSUP as weft_run(); -ENOTSUP for `.threads` > 1, too.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: gives one reference, ended by weft_loop_free().
 * Threads: the loop belongs to the caller's. */
WEFT_API
int weft_loop_new_with(const struct weft_loop_options *options);

/** End a loop: cancel its background, run until it is joined or the grace is over, free it.
 *
 * Tasks that are still alive then are reported as "destroyed while pending" and abandoned with
 * their stacks. Handles and results stay readable until they are released.
 *
 * Returns: 0.
 * Errors: -EDEADLK while it runs (inside a task or callback); WEFT_ETHREAD from another thread;
 *   WEFT_ESTUCK when tasks were abandoned.
 * Suspends: never; it blocks the thread.
 * Cancel: nothing to lose.
 * Ownership: takes the owner's reference. NULL is allowed.
 * Threads: the loop's own. */
WEFT_API
int weft_loop_free(weft_loop *loop);

/** Keep the loop's memory, so that another thread may post to it at any time.
 *
 * Returns: the loop.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: gives a reference, ended by weft_loop_release().
 * Threads: any. */
WEFT_API
weft_loop *weft_loop_retain(weft_loop *loop);

/** Give back a reference of weft_loop_retain().
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes the reference. NULL is allowed.
 * Threads: any. */
WEFT_API
void weft_loop_release(weft_loop *loop);

/** The loop that runs on this thread, else the newest one this thread made and has not freed.
 *
 * Returns: the loop, or NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrowed.
 * Threads: any; each has its own. */
WEFT_API
weft_loop *weft_loop_current(void);

/** Which loop of its weft_run() the current one is.
 *
 * Returns: 0 … weft_loop_count() - 1; 0 for a loop that is alone, and where there is none.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: none.
 * Threads: any; each has its own loop. */
WEFT_API
unsigned weft_loop_index(void);

/** How many loops the current one's weft_run() has.
 *
 * Returns: `.threads`; 1 for a loop that is alone; 0 where there is none.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: none.
 * Threads: any. */
WEFT_API
unsigned weft_loop_count(void);

/** A loop of the current one's weft_run(), to post to: it answers -ESHUTDOWN when it has ended.
 *
 *     weft_post(weft_loop_at(0), count_one, NULL);
 *
 * Returns: the loop; NULL beyond the last one.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrowed until the current loop ends; weft_loop_retain() keeps it longer.
 * Threads: any that has a loop: tasks and callbacks of each. */
WEFT_API
weft_loop *weft_loop_at(unsigned index);

/** End the run when it has become quiet: once nothing new has come to any of its loops for `quiet`
 * ns, or when `timeout` ns are over, every main is cancelled as by the first Ctrl-C, and the run
 * ends as it then does.
 *
 *     weft_loop_shutdown(2 * WEFT_SECOND, 15 * WEFT_SECOND);
 *
 * New is a task that is spawned into a background, a post that arrives, a client that is accepted:
 * each begins the quiet time anew. What runs already may go on meanwhile, and spawn in its own
 * scopes. Asked again, also by another loop, the shortest quiet time and the earliest end count.
 *
 * Returns: 0; the caller goes on, and is cancelled in its time.
 * Errors: -EPERM where no weft_run() is under way.
 * Suspends: never.
 * Cancel: cannot be taken back.
 * Ownership: none.
 * Threads: any loop's of the run: tasks and callbacks. <= 0 is at once; WEFT_FOREVER: no limit. */
WEFT_API
int weft_loop_shutdown(int64_t quiet, int64_t timeout);

/** Run until a task or future is done, or a coroutine has run as a task of the background:
 * weft_loop_run_until_complete(loop, x). What else is pending stays and goes on in the next run.
 * Callbacks that were asked for before have been called.
 *
 * Returns: its result, >= 0.
 * Errors: its own; for NULL the maker's error; -EDEADLK when a loop runs on this thread; -EXDEV
 *   for an object of another loop; WEFT_ETHREAD from another thread; -ESHUTDOWN after
 *   weft_loop_free(); -EALREADY for a coroutine that was taken before; -ECANCELED when
 *   weft_loop_stop() came first.
 * Suspends: never; it blocks the thread.
 * Cancel: cancel the task.
 * Ownership: takes a coroutine, borrows a task or future.
 * Threads: the loop's own. */
WEFT_API
int weft_loop_run_until_complete_with(weft_loop *loop, weft_awaitable *awaitable);

/** Run until weft_loop_stop().
 *
 * Returns: 0 after a stop.
 * Errors: -EDEADLK, WEFT_ETHREAD, -ESHUTDOWN as weft_loop_run_until_complete().
 * Suspends: never; it blocks the thread.
 * Cancel: weft_loop_stop().
 * Ownership: borrows the loop.
 * Threads: the loop's own. */
WEFT_API
int weft_loop_run_forever(weft_loop *loop);

/** End the run after the turn that is under way; before a run: make it one turn that does not wait.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is cancelled; what is pending goes on in the next run.
 * Ownership: borrows the loop.
 * Threads: the loop's own; others post a callback that calls it. */
WEFT_API
void weft_loop_stop(weft_loop *loop);

/** Whether the loop is inside a run.
 *
 * Returns: true between the start and the end of a run.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the loop.
 * Threads: the loop's own. */
WEFT_API
bool weft_loop_is_running(const weft_loop *loop);

/* What a loop has, and what it has done since it was made. Later releases may add fields. */
struct weft_loop_stats {
    const char *backend;        /* "epoll" or "uring"; static */
    const char *backend_reason; /* why it is this one, in words; static */
    size_t tasks;               /* alive, those that have ended and are still named included */
    size_t ready;               /* tasks and callbacks that wait for their turn */
    size_t timers;
    uint64_t spawned;  /* tasks */
    uint64_t turns;    /* of the loop */
    uint64_t switches; /* to a task */
    uint64_t polls;    /* times the kernel was asked what has happened */
    size_t lent;       /* bytes: buffers that hold what was received, or that the kernel may use */
    size_t pinned;     /* bytes shared with the kernel, that cannot be swapped: io_uring's rings */
};
typedef struct weft_loop_stats weft_loop_stats;

/** What a loop does and has done, and by which driver it does it.
 *
 *     weft_loop_stats stats;
 *     weft_loop_get_stats(weft_loop_current(), &stats);
 *     printf("%s: %s\n", stats.backend, stats.backend_reason);
 *
 * Returns: nothing; *stats is written: all zero for NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the loop.
 * Threads: the loop's own. */
WEFT_API
void weft_loop_get_stats(const weft_loop *loop, weft_loop_stats *stats);

/** The time: nanoseconds of a clock that never goes back, read fresh; the test clock's where the
 * current loop has one.
 *
 * Returns: nanoseconds since some fixed point, > 0.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: none.
 * Threads: any. */
WEFT_API
int64_t weft_now(void);

/** A counter to measure by, in a third of weft_now()'s time: the processor's, or the test clock.
 *
 *     uint64_t before = weft_ticks();
 *     …
 *     int64_t took = weft_ticks_time(weft_ticks() - before);
 *
 * Returns: the counter. Differences are exact to about one in a thousand.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: none.
 * Threads: any; what one has read says nothing to another. */
WEFT_API
uint64_t weft_ticks(void);

/** How long so many ticks are.
 *
 * Returns: nanoseconds.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: none.
 * Threads: as weft_ticks(). */
WEFT_API
int64_t weft_ticks_time(uint64_t ticks);

/** The time `timeout` ns from now, for `.deadline` and weft_call_at(): WEFT_FOREVER and other sums
 * that would overflow are WEFT_FOREVER.
 *
 * Returns: a point in time as weft_now() tells them.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: none.
 * Threads: any. */
WEFT_API
int64_t weft_deadline(int64_t timeout);

/* Callbacks. */

/* Names a callback that was asked for; 0 when that failed. By value: ignoring it is free, and
 * cancelling one that has run, or twice, does nothing. */
typedef struct weft_handle {
    uint64_t id;
} weft_handle;

/* Options of weft_call_soon(), weft_call_later() and weft_call_at(). At most 80 bytes: the calls
 * are hot. */
struct weft_call_options {
    void *arg;            /* the argument after fn */
    weft_drop_fn *drop;   /* called with arg exactly once: after the callback or instead of it */
    const char *name;     /* for the log; static or outliving the callback; NULL: the function's */
    const char *function; /* the function's name; set by the macro */
    const char *site;     /* where it was called; set by the macro */
    uint32_t size;        /* of this struct; set by the macro */
    bool no_locals;       /* run without the task-local values of who asks for it */
};

/** Call `fn(arg)` once in the next turn of the current loop, after what is ready now.
 *
 *     weft_call_soon(greet, strdup("hello"), .drop = free);
 *
 * Returns: a handle; its id is 0 when there is no loop (-EPERM) or no memory, see
 *   weft_error_detail().
 * Errors: in the handle.
 * Suspends: never.
 * Cancel: weft_handle_cancel().
 * Ownership: borrows `arg` until the call. With `.drop` takes it, unless the id is 0: `.drop` is
 *   called with it after the callback, or instead of it when the callback is cancelled or the loop
 *   ends first.
 * Threads: the loop's own; others use weft_post(). */
WEFT_API
weft_handle weft_call_soon_with(weft_callback *fn, const struct weft_call_options *options);

/** Call `fn(arg)` once, `delay` ns from now (<= 0: in the next turn).
 *
 * Returns: a handle as weft_call_soon().
 * Errors: in the handle.
 * Suspends: never.
 * Cancel: weft_handle_cancel().
 * Ownership: as weft_call_soon().
 * Threads: the loop's own. */
WEFT_API
weft_handle weft_call_later_with(int64_t delay, weft_callback *fn,
                                 const struct weft_call_options *options);

/** Call `fn(arg)` once, not before weft_now() is `when`; equal times keep the order of asking.
 *
 * Returns: a handle as weft_call_soon().
 * Errors: in the handle.
 * Suspends: never.
 * Cancel: weft_handle_cancel().
 * Ownership: as weft_call_soon().
 * Threads: the loop's own. */
WEFT_API
weft_handle weft_call_at_with(int64_t when, weft_callback *fn,
                              const struct weft_call_options *options);

/** Make sure that a callback which has not run never will, in whichever of the thread's loops it
 * was asked for.
 *
 * Returns: true when it was still waiting; false when it has run or runs, was cancelled, or
 *   never was.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: on true `.drop` has been called with `arg` (it may not suspend); without one `arg` is
 *   the caller's again.
 * Threads: the loop's own; in others the handle names nothing. */
WEFT_API
bool weft_handle_cancel(weft_handle handle);

/** Inside a callback: say that it failed. The failure goes to the application log with the
 * callback's name and where it was asked for; the loop and other callbacks go on.
 *
 * Returns: nothing.
 * Errors: none; outside a callback it is reported as misuse. A task that a callback starts, and a
 *   `.drop` that it causes, are outside.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: copies `text`.
 * Threads: the loop's own. */
WEFT_API
void weft_callback_fail(int err, const char *text);

/* Messages from other threads. */

struct weft_post_options {
    void *arg;
    weft_drop_fn *dropped; /* called with arg instead, when the loop closes first */
    const char *function;  /* the function's name; set by the macro */
    const char *site;      /* where it was called; set by the macro */
    size_t size;           /* of this struct; set by the macro */
};

/** Call `fn(arg)` on the loop's thread, in one of its next turns; posts of one thread keep order.
 *
 * The poster needs a reference (weft_loop_retain) unless it knows that the loop lives. A loop that
 * is awake costs no system call.
 *
 * Returns: 0.
 * Errors: -ESHUTDOWN after the loop was closed; -EAGAIN when `.posts_max` messages wait; -ENOMEM.
 * Suspends: never.
 * Cancel: cannot be taken back.
 * Ownership: on success `arg` goes to `fn`, or to `.dropped` when the loop closes first; on
 *   failure it stays the caller's.
 * Threads: any; not from signal handlers (weft_signal_post). */
WEFT_API
int weft_post_with(weft_loop *loop, weft_callback *fn, const struct weft_post_options *options);

/* A message that a signal handler can send: the caller's memory, no allocation, coalescing. */
struct weft_notice {
    uint64_t opaque[16];
};

/** Prepare a notice that calls `fn(arg)` on the loop.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: weft_notice_fini().
 * Ownership: the notice is the caller's memory and keeps a reference on the loop.
 * Threads: the loop's own. */
WEFT_API
void weft_notice_init(struct weft_notice *notice, weft_loop *loop, weft_callback *fn, void *arg);

/** Take a notice back: after this `fn` is not called and the memory is the caller's.
 *
 * No handler may post it any more.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: a notice on its way is dropped.
 * Ownership: gives back the loop's reference.
 * Threads: the loop's own. */
WEFT_API
void weft_notice_fini(struct weft_notice *notice);

/** Post a notice. Several posts before the loop gets there are one call.
 *
 * Returns: 0.
 * Errors: -ESHUTDOWN after the loop was closed.
 * Suspends: never.
 * Cancel: cannot be taken back.
 * Ownership: borrows the notice until it was delivered.
 * Threads: any, and signal handlers. */
WEFT_API
int weft_signal_post(struct weft_notice *notice);

/* Readiness of descriptors that others own. */

#define WEFT_READABLE 1u
#define WEFT_WRITABLE 2u
#define WEFT_HANGUP   4u

/** Wait until a descriptor is ready, once.
 *
 * For foreign libraries' sockets, pipes, event descriptors. A regular file is always ready. Close
 * the descriptor only when nobody waits.
 *
 * Returns: what is ready: WEFT_READABLE, WEFT_WRITABLE, WEFT_HANGUP.
 * Errors: -EBADF; -EEXIST when a stream owns the descriptor; -EINVAL for an empty interest;
 *   -ENOMEM; -ECANCELED; -EPERM outside a task.
 * Suspends: always, unless it is a regular file.
 * Cancel: loses nothing.
 * Ownership: borrows the descriptor.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_poll_fd(int fd, unsigned interest);

WEFT_END_DECLS

/* weft_run(main, arg, .grace = …), weft_loop_new(&loop, …), weft_call_soon(fn, arg, .drop = …),
 * weft_post(loop, fn, arg, …) */
#define weft_loop_run_until_complete(loop, x) weft_loop_run_until_complete_with((loop), weft_any(x))

#ifndef __cplusplus
#    define weft_run(main, ...)                                                                    \
        weft_run_with((main),                                                                      \
                      &(struct weft_loop_options){ .arg = __VA_ARGS__,                             \
                                                   .site = WEFT_SITE,                              \
                                                   .size = sizeof(struct weft_loop_options) })
#    define weft_loop_new(...)                                                                     \
        weft_loop_new_with(&(struct weft_loop_options){                                            \
            .loop = __VA_ARGS__, .site = WEFT_SITE, .size = sizeof(struct weft_loop_options) })
#    define WEFT_CALL_OPTIONS_(fn, ...)                                                            \
        &(struct weft_call_options)                                                                \
        {                                                                                          \
            .arg = __VA_ARGS__, .function = #fn, .site = WEFT_SITE,                                \
            .size = sizeof(struct weft_call_options)                                               \
        }
#    define weft_call_soon(fn, ...) weft_call_soon_with((fn), WEFT_CALL_OPTIONS_(fn, __VA_ARGS__))
#    define weft_call_later(delay, fn, ...)                                                        \
        weft_call_later_with((delay), (fn), WEFT_CALL_OPTIONS_(fn, __VA_ARGS__))
#    define weft_call_at(when, fn, ...)                                                            \
        weft_call_at_with((when), (fn), WEFT_CALL_OPTIONS_(fn, __VA_ARGS__))
#    define weft_post(target, fn, ...)                                                             \
        weft_post_with((target), (fn),                                                             \
                       &(struct weft_post_options){ .arg = __VA_ARGS__,                            \
                                                    .function = #fn,                               \
                                                    .site = WEFT_SITE,                             \
                                                    .size = sizeof(struct weft_post_options) })
#else
static inline int weft_run(weft_fn *main, void *arg, weft_loop_options options = {})
{
    options.arg = arg;
    options.size = sizeof options;
    return weft_run_with(main, &options);
}

static inline int weft_loop_new(weft_loop **loop, weft_loop_options options = {})
{
    options.loop = loop;
    options.size = sizeof options;
    return weft_loop_new_with(&options);
}

static inline weft_handle weft_call_soon(weft_callback *fn, void *arg,
                                         weft_call_options options = {})
{
    options.arg = arg;
    options.size = sizeof options;
    return weft_call_soon_with(fn, &options);
}

static inline weft_handle weft_call_later(int64_t delay, weft_callback *fn, void *arg,
                                          weft_call_options options = {})
{
    options.arg = arg;
    options.size = sizeof options;
    return weft_call_later_with(delay, fn, &options);
}

static inline weft_handle weft_call_at(int64_t when, weft_callback *fn, void *arg,
                                       weft_call_options options = {})
{
    options.arg = arg;
    options.size = sizeof options;
    return weft_call_at_with(when, fn, &options);
}

static inline int weft_post(weft_loop *target, weft_callback *fn, void *arg,
                            weft_post_options options = {})
{
    options.arg = arg;
    options.size = sizeof options;
    return weft_post_with(target, fn, &options);
}
#endif

#endif
