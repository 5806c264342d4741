/* Generators.
 *
 *             open             next                     next
 *     (none) ──────> NEW ────────────────> RUNNING <──────────── PAUSED     at its weft_yield()
 *                     │                    │  │  └── weft_yield ────↑
 *                     │ close, throw       │  └── third yield after a close: its stack stays
 *                     ↓                    │ the body returns
 *                   ENDED <────────────────┴──┘                           argument dropped
 *
 * A generator has a fiber of its own and no task. While it runs its consumer's task stands on that
 * fiber: task->fiber is the stack that the task's code is on, so everything that parks, resumes or
 * looks at stacks works there as it does on the task's own. The stack below is gen->outer; when one
 * generator asks another, outer leads from each to the next, and the last is the task's own fiber.
 *
 *     task->fiber ──> inner's fiber ──outer──> generator's fiber ──outer──> the task's own
 *
 *   - outer, task, region and item mean something in RUNNING only
 *   - whoever switches has written everything down before: weft_yield() goes on in the consumer,
 *     and asking in the generator's body, without a line of ours between (context/pass.c)
 *   - so the end, too, is settled on the generator's stack. The generator lies at its top, like a
 *     task's fiber, and both last until the close
 *
 * An item costs two switches, some twenty loads and stores, and a copy: 7 ns. Neither a budget nor
 * the clock is looked at, and nothing is allocated. */

#include "base/error.h"
#include "context/context.h"
#include "core/loop.h"

#include <string.h>
#include <weft/generator.h>
#include <weft/log.h>
#include <weft/scope.h>

#define YIELDS_AFTER_CLOSE 3 /* and then its stack is abandoned */

enum state { NEW, PAUSED, RUNNING, ENDING, ENDED };

/* What is written for each item does not lie side by side: it would become vectors, slow to load.
 */
struct weft_gen {
    struct wf_fiber fiber;    /* its stack, at whose top it lies itself */
    struct wf_context caller; /* where the consumer goes on */
    struct wf_fiber *outer;   /* the consumer's stack */
    size_t item_size;
    const struct wf_region *region; /* where the consumer's code is */
    weft_gen_fn *fn;
    weft_task *task; /* who is inside */
    void *arg;
    void *item; /* where the consumer wants it; NULL: nowhere, and while it is closed */
    weft_drop_fn *drop;
    const void *received; /* what the consumer has sent; NULL */
    const char *name;
    const char *site;
    struct wf_end_hook end;
    int result; /* ENDED: the body's, 0 once an error was told */
    uint8_t state;
    uint8_t ignored; /* yields since it was told to end */
    bool closing;
    bool abandoned; /* its body has not ended and never will */
    bool reported;  /* as left open */
};

/* The end of a body. */

static void drop_argument(weft_gen *gen)
{
    weft_drop_fn *drop = gen->drop;
    gen->drop = NULL;
    if (drop)
        wf_drop(wf_running, drop, gen->arg);
}

/* Without its body, or what is left of it. */
static void end_unrun(weft_gen *gen)
{
    gen->state = ENDING;
    drop_argument(gen);
    gen->state = ENDED;
}

/* It has no value to hand back: nobody could free it. */
static int refuse_value(const weft_gen *gen, int code)
{
    struct wf_value value = wf_value_take(&code);
    if (value.drop)
        wf_drop(wf_running, value.drop, value.pointer);
    return wf_misuse(
        -EINVAL,
        "generator '%s' (opened at %s) returned a weft_return(): only a code is handed "
        "to its consumer",
        gen->name, gen->site);
}

/* The switch. */

/* The generator that was asked last on this thread: most likely the one that is meant. Compared
 * only: it may be gone. Where to switch to is known from here without waiting for `gen`, which both
 * sides have just loaded from the stack that the last switch has just loaded: one wait after the
 * other, a fifth of an item's time. */
static _Thread_local weft_gen *recent;

static WF_ALWAYS_INLINE weft_gen *guess(weft_gen *gen)
{
    weft_gen *guessed = recent, *compared = guessed;
    __asm__("" : "+r"(compared)); /* else the compiler, knowing them equal, takes `gen` */
    if (WF_UNLIKELY(compared != gen))
        recent = guessed = gen;
    return guessed;
}

/* Sanitizers know the consumer by its stack's own context. Else it is noted in the generator: an
 * address that has to be loaded first would cost a nanosecond. */
static WF_ALWAYS_INLINE struct wf_context *caller(weft_gen *gen)
{
    return WF_CONTEXT_HOOKED ? &gen->outer->context : &gen->caller;
}

/* From now on the task is on the consumer's stack again. */
static WF_ALWAYS_INLINE void leave(weft_gen *gen, weft_task *task, enum state state)
{
    gen->state = (uint8_t)state;
    task->fiber = gen->outer;
}

_Noreturn static void leave_for_good(weft_gen *gen, weft_task *task, int told)
{
    drop_argument(gen);
    wf_fiber_look(&gen->fiber);
    leave(gen, task, ENDED);
    wf_context_answer_final(&gen->fiber.context, caller(gen), told);
}

static WF_COLD int measure_body(weft_gen *gen)
{
    wf_census_begin(&gen->fiber);
    int code = gen->fn(gen, gen->arg);
    wf_census_end(&gen->fiber, (wf_entry_fn *)gen->fn);
    return code;
}

_Noreturn static void run_body(void *arg)
{
    weft_gen *gen = arg;
    int code = WF_LIKELY(!gen->fiber.measured) ? gen->fn(gen, gen->arg) : measure_body(gen);
    weft_task *task = gen->task;
    if (WF_UNLIKELY(task->innermost != gen->region))
        wf_scope_left_open(task);
    if (WF_UNLIKELY(code == WEFT_VALUE))
        code = refuse_value(gen, code);
    gen->result = code > 0 ? code : 0;
    leave_for_good(gen, task, code < 0 ? code : 0);
}

/* Let it run for the current task; weft_yield() returns `told` there. 1 when it has yielded, 0 when
 * it has ended, or its error. From item to item little changes, and stores are what an item waits
 * for: what is the same is not written. */
static WF_ALWAYS_INLINE int run_on(weft_gen *gen, int told, const void *value, void *item)
{
    weft_task *task = gen->fiber.loop->current;
    if (WF_UNLIKELY(gen->received != value))
        gen->received = value;
    if (WF_UNLIKELY(gen->task != task))
        gen->task = task;
    if (WF_UNLIKELY(gen->region != task->innermost))
        gen->region = task->innermost;
    gen->item = item;
    gen->outer = task->fiber;
    gen->state = RUNNING;
    task->fiber = &gen->fiber;
    return wf_context_ask(caller(gen), &gen->fiber.context, told);
}

static WF_NOINLINE int run_looking(weft_gen *gen, int told, const void *value, void *item)
{
    wf_fiber_look_closely(gen->fiber.loop->current->fiber);
    return run_on(gen, told, value, item);
}

static WF_ALWAYS_INLINE int run(weft_gen *gen, int told, const void *value, void *item)
{
    if (WF_UNLIKELY(gen->fiber.loop->current->fiber->has_canary))
        return run_looking(gen, told, value, item);
    return run_on(gen, told, value, item);
}

/* Asking. */

static int check_thread(const weft_gen *gen)
{
    if (gen->fiber.loop->thread != wf_this_thread())
        return wf_misuse(WEFT_ETHREAD, "generator '%s' (opened at %s) was used from another thread",
                         gen->name, gen->site);
    if (wf_running && wf_running != gen->fiber.loop)
        return wf_misuse(WEFT_ETHREAD, "generator '%s' (opened at %s) was used in another loop",
                         gen->name, gen->site);
    return 0;
}

static int check_empty(const weft_gen *gen)
{
    if (gen->state == ENDING)
        return wf_misuse(-EBUSY,
                         "generator '%s' (opened at %s) was used while its argument is dropped",
                         gen->name, gen->site);
    if (gen->state != RUNNING)
        return 0;
    return wf_misuse(-EBUSY,
                     "generator '%s' (opened at %s) was used while task '%s' (spawned at %s) is "
                     "inside it",
                     gen->name, gen->site, gen->task->name, gen->task->future.site);
}

static int check_task(const weft_gen *gen)
{
    if (wf_in_task(wf_running))
        return 0;
    return wf_misuse(-EPERM, "generator '%s' (opened at %s) was used outside a task", gen->name,
                     gen->site);
}

/* Why it does not run: 0 when it has ended. */
static WF_COLD int refuse(weft_gen *gen)
{
    int err = check_thread(gen);
    if (err == 0)
        err = check_empty(gen);
    if (err == 0)
        err = check_task(gen);
    return err;
}

static WF_ALWAYS_INLINE bool may_run(const weft_gen *gen)
{
    return gen->fiber.loop == wf_running && wf_in_task(gen->fiber.loop) && gen->state <= PAUSED;
}

int weft_gen_send(weft_gen *gen, const void *value, void *item)
{
    weft_gen *guessed = guess(gen);
    if (WF_UNLIKELY(!may_run(guessed)))
        return refuse(gen);
    return run(guessed, 0, value, item);
}

int weft_gen_next(weft_gen *gen, void *item)
{
    weft_gen *guessed = guess(gen);
    if (WF_UNLIKELY(!may_run(guessed)))
        return refuse(gen);
    return run(guessed, 0, NULL, item);
}

int weft_gen_throw(weft_gen *gen, int err, void *item)
{
    if (err >= 0)
        return wf_misuse(-EINVAL,
                         "%d was thrown into generator '%s' (opened at %s): errors are < 0", err,
                         gen->name, gen->site);
    int refused = refuse(gen);
    if (refused < 0)
        return refused;
    if (gen->state == PAUSED)
        return run(gen, err, NULL, item);
    if (gen->state == NEW)
        end_unrun(gen);
    return err;
}

/* Inside. */

static WF_COLD int refuse_outside(const weft_gen *gen)
{
    int err = check_thread(gen);
    if (err < 0)
        return err;
    return wf_misuse(-EPERM,
                     "weft_yield() was called outside generator '%s' (opened at %s), or by another "
                     "one that it asks",
                     gen->name, gen->site);
}

static WF_COLD int refuse_scope(const weft_gen *gen, const weft_task *task, const void *frame)
{
    wf_check_innermost(task, frame);
    return wf_misuse(-EINVAL,
                     "generator '%s' (opened at %s) yields with the scope open that was begun at "
                     "%s: end it first, or its deadline would cancel the consumer",
                     gen->name, gen->site, task->scope_site);
}

/* It was told to end. */
static WF_COLD int yield_after_close(weft_gen *gen, weft_task *task)
{
    if (++gen->ignored < YIELDS_AFTER_CLOSE)
        return WEFT_ECLOSED;
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR,
             "generator '%s' (opened at %s) was closed and has ignored WEFT_ECLOSED %d times: its "
             "stack is abandoned",
             gen->name, gen->site, YIELDS_AFTER_CLOSE);
    gen->abandoned = true;
    leave_for_good(gen, task, WEFT_EIGNORED);
}

static inline bool is_inside(const weft_gen *gen)
{
    return gen->fiber.loop == wf_running && gen->fiber.loop->current->fiber == &gen->fiber;
}

/* 0: the item may go to the consumer. */
static int check_yield(weft_gen *gen, const void *frame)
{
    if (!is_inside(gen))
        return refuse_outside(gen);
    weft_task *task = gen->fiber.loop->current;
    if (task->innermost != gen->region)
        return refuse_scope(gen, task, frame);
    return gen->closing ? yield_after_close(gen, task) : 0;
}

static WF_ALWAYS_INLINE int hand_over(weft_gen *gen)
{
    leave(gen, gen->task, PAUSED);
    return wf_context_answer(&gen->fiber.context, caller(gen), 1);
}

/* What would make the compiler save registers in weft_yield() itself. */
static WF_NOINLINE int yield_slowly(weft_gen *gen, const void *item, const void *frame)
{
    int err = check_yield(gen, frame);
    if (WF_UNLIKELY(err < 0))
        return err;
    if (item && gen->item)
        memcpy(gen->item, item, gen->item_size);
    wf_fiber_look(&gen->fiber);
    return hand_over(gen);
}

static WF_ALWAYS_INLINE bool may_yield(const weft_gen *gen)
{
    return is_inside(gen) && gen->fiber.loop->current->innermost == gen->region;
}

/* An item of common size is a load and a store. Who closes wants no item. */
int weft_yield(weft_gen *given, const void *item)
{
    weft_gen *gen = guess(given);
    size_t size = gen->item_size;
    if (WF_UNLIKELY(!may_yield(gen) || !item || !gen->item || gen->fiber.has_canary))
        return yield_slowly(gen, item, wf_context_stack_pointer());
    if (WF_LIKELY(size == 8))
        memcpy(gen->item, item, 8);
    else if (size == 4)
        memcpy(gen->item, item, 4);
    else
        return yield_slowly(gen, item, wf_context_stack_pointer());
    return hand_over(gen);
}

const void *weft_gen_received(const weft_gen *gen)
{
    return gen->received;
}

/* Delegation. */

static int check_sizes(const weft_gen *outer, const weft_gen *inner)
{
    if (outer->item_size == inner->item_size)
        return 0;
    return wf_misuse(-EINVAL,
                     "generator '%s' (opened at %s) hands on items of %zu bytes from generator "
                     "'%s' (opened at %s), whose items have %zu",
                     outer->name, outer->site, outer->item_size, inner->name, inner->site,
                     inner->item_size);
}

/* The inner one writes straight to where the outer one's consumer wants the item. */
static int hand_on(weft_gen *outer, weft_gen *inner)
{
    int told = 0;
    for (;;) {
        int more = told < 0 ? weft_gen_throw(inner, told, outer->item)
                            : weft_gen_send(inner, outer->received, outer->item);
        if (more <= 0)
            return more < 0 ? more : inner->result;
        told = weft_yield(outer, NULL);
        if (told == WEFT_ECLOSED)
            return told;
    }
}

int weft_yield_from(weft_gen *outer, weft_gen *inner)
{
    int err = check_yield(outer, wf_context_stack_pointer());
    if (err == 0)
        err = check_sizes(outer, inner);
    return err < 0 ? err : hand_on(outer, inner);
}

/* The end. */

/* Its body runs to its end; 0 or WEFT_EIGNORED. */
static int end_body(weft_gen *gen)
{
    gen->closing = true;
    if (gen->state == PAUSED)
        run(gen, WEFT_ECLOSED, NULL, NULL);
    else if (gen->state == NEW)
        end_unrun(gen);
    return gen->abandoned ? WEFT_EIGNORED : 0;
}

/* It lies on its stack: both go, unless the stack is to stay. */
static void free_generator(weft_gen *gen)
{
    wf_list_remove_init(&gen->end.link);
    if (!gen->abandoned)
        wf_fiber_free(&gen->fiber);
}

int weft_gen_close(weft_gen *gen)
{
    if (!gen)
        return 0;
    int err = check_thread(gen);
    if (err == 0)
        err = check_empty(gen);
    if (err == 0 && gen->state == PAUSED)
        err = check_task(gen);
    if (err < 0)
        return err;
    err = end_body(gen);
    free_generator(gen);
    return err;
}

/* Left open. */

static int end_left_open(void *arg)
{
    return end_body(arg);
}

/* A task that ends it. The background is cancelled already, so tasks that are new would not begin:
 * this one counts as begun. Its waits are cancelled, like those of everybody at the end. */
static void start_end(weft_gen *gen)
{
    weft_task *task = NULL;
    struct weft_spawn_options options = {
        .arg = gen, .task = &task, .function = gen->name, .site = gen->site, .size = sizeof options
    };
    if (weft_spawn_with(weft_loop_background(gen->fiber.loop), end_left_open, &options) < 0)
        return;
    if (wf_task_prepare(task) == 0)
        task->state = WF_TASK_READY;
    weft_task_release(task);
}

static void report_left_open(weft_gen *gen)
{
    if (gen->reported)
        return;
    gen->reported = true;
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING, "generator '%s' (opened at %s) was left open",
             gen->name, gen->site);
}

/* A task that was abandoned may be inside, or have been about to close it. */
static void free_left_open(weft_gen *gen)
{
    if (gen->state == PAUSED || gen->state == RUNNING)
        if (gen->fiber.loop->tasks_abandoned)
            return;
    if (gen->state != ENDED)
        end_unrun(gen);
    free_generator(gen);
}

static void loop_ends(struct wf_end_hook *hook, bool refused)
{
    weft_gen *gen = wf_container(hook, weft_gen, end);
    report_left_open(gen);
    if (refused)
        free_left_open(gen);
    else if (gen->state == PAUSED)
        start_end(gen);
    else if (gen->state == NEW)
        end_unrun(gen);
}

/* Birth. */

static int check_open(const weft_loop *loop, const struct weft_gen_options *options)
{
    if (!loop)
        return wf_misuse(-EPERM, "a generator was opened at %s where there is no loop",
                         wf_site(options->site));
    if (loop->closed)
        return wf_fail(-ESHUTDOWN, "the loop has ended");
    if (options->stack_size > WF_STACK_LARGE)
        return wf_misuse(-EINVAL, ".stack_size of %u at %s: at most %zu", options->stack_size,
                         wf_site(options->site), WF_STACK_LARGE);
    return 0;
}

/* For a report of its stack. */
static void tell_names(const struct wf_fiber *fiber, const char **name, const char **site)
{
    const weft_gen *gen = (const weft_gen *)fiber;
    *name = gen->name;
    *site = gen->site;
}

static const char *name_of(const struct weft_gen_options *options)
{
    if (options->name)
        return options->name;
    return options->function ? options->function : "generator";
}

int weft_gen_open_with(weft_gen **out, weft_gen_fn *fn, const struct weft_gen_options *options)
{
    weft_loop *loop = weft_loop_current();
    int err = check_open(loop, options);
    if (err < 0)
        return err;
    struct wf_fiber *fiber;
    err = wf_fiber_new(loop, wf_fiber_class(options->stack_size), sizeof(weft_gen),
                       (wf_entry_fn *)fn, &fiber);
    if (err < 0)
        return err;
    weft_gen *gen = (weft_gen *)fiber;
    memset(&gen->caller, 0, sizeof *gen - sizeof *fiber);
    wf_fiber_begin(fiber, 0, run_body, gen);
    gen->item_size = options->item_size;
    gen->fn = fn;
    gen->arg = options->arg;
    gen->drop = options->drop;
    gen->name = name_of(options);
    gen->site = wf_site(options->site);
    gen->end.run = loop_ends;
    loop->generator_names = tell_names;
    wf_list_push_back(&loop->end_hooks, &gen->end.link);
    *out = gen;
    return 0;
}
