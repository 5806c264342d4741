/* Who has overflowed a stack, in words, before the process dies of it.
 *
 *     fault ──> SIGSEGV, SIGBUS ──> on_fault(), on the thread's alternate stack (io/alternate.h)
 *                                     │ is it the running task's stack?
 *                                     ├─ yes: the report, on standard error
 *                                     ↓
 *                     what was there before us: a function is called in place, as the kernel would;
 *                     the default action is put back, and the faulting instruction runs again, so
 *                     that the core is of that place
 *
 * It is an overflow where the fault lies in the guard, the page below the stack, or the stack
 * pointer itself is below the stack: code that moves it far down before it touches anything
 * (alloca, large locals) jumps over the guard. What it touches there may be another stack, and no
 * fault at all: only code compiled with -fstack-clash-protection, which touches each page, is
 * caught always.
 *
 * The handler may have interrupted anything: it takes no lock, allocates nothing and reads what
 * belongs to its own thread. Line by line it says first what it knows, and then what it has to look
 * for: the unwinder reads a stack that may be torn, and names come from files. A second fault,
 * while the first one is handled, has the signal's default action: the kernel sees to it.
 *
 * Handlers belong to the process, and are counted by its loops. Costs nothing until a fault comes.
 */

#include "core/overflow.h"

#include "base/panic.h"
#include "core/loop.h"
#include "io/gate.h"
#include "io/symbols.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <time.h>
#include <ucontext.h>
#include <unwind.h>

#define REACH        ((uintptr_t)1 << 30)  /* how far below a stack its pointer is still its own */
#define NEAR         ((uintptr_t)64 << 10) /* below the stack pointer, what a call may touch */
#define STEP         ((uintptr_t)1 << 10)  /* the same, of one instruction or a leaf */
#define FRAMES_INNER 8
#define FRAMES_OUTER 6
#define FRAMES_MAX   100000

static const int numbers[2] = { SIGSEGV, SIGBUS };

/* Written under the lock while the handlers are not there, read by them. */
static struct {
    struct wf_lock lock;
    unsigned loops;
    uintptr_t page;
    uintptr_t frame; /* of a signal */
    struct sigaction before[2];
} handlers = { .lock = WF_LOCK_INIT };

/* Where the thread was; 0: this machine's are not known. */
struct registers {
    uintptr_t sp;
    uintptr_t pc;
    uintptr_t fp;
};

#if defined(__x86_64__)
#    define FP_NUMBER 6 /* the frame pointer's, in unwind tables */
#else
#    define FP_NUMBER 29
#endif

static struct registers registers_of(const ucontext_t *context)
{
#if defined(__x86_64__)
    const greg_t *all = context->uc_mcontext.gregs;
    return (struct registers){ (uintptr_t)all[REG_RSP], (uintptr_t)all[REG_RIP],
                               (uintptr_t)all[REG_RBP] };
#elif defined(__aarch64__)
    const mcontext_t *all = &context->uc_mcontext;
    return (struct registers){ all->sp, all->pc, all->regs[FP_NUMBER] };
#else
    (void)context;
    return (struct registers){ 0, 0, 0 };
#endif
}

/* Of an address that no pointer can be: the signal looks as if the kernel itself had sent it. */
static bool is_wild_pointer(const ucontext_t *context)
{
#if defined(__x86_64__)
    return context->uc_mcontext.gregs[REG_TRAPNO] == 13;
#else
    (void)context;
    return false;
#endif
}

struct overflow {
    const weft_task *task;
    const struct wf_fiber *fiber; /* whose stack it was: the task's, or of a generator it is in */
    struct registers at;
    uintptr_t address; /* of the fault; 0: it was found later, or by the kernel */
    bool by_signal;    /* there was no room for the frame of another one */
};

static uintptr_t low_of(const struct wf_fiber *fiber)
{
    return (uintptr_t)fiber->context.stack_low;
}

static bool is_on(const struct wf_context *context, uintptr_t address)
{
    return address - (uintptr_t)context->stack_low <= context->stack_size;
}

/* Recognising one. */

static bool is_below(const struct wf_fiber *fiber, const struct registers *at, uintptr_t address)
{
    uintptr_t low = low_of(fiber), page = handlers.page;
    if (address < low && low - address <= page)
        return true;
    if (at->sp == 0 || at->sp >= low || low - at->sp > REACH)
        return false;
    return low - at->sp <= page || (address < low && address + NEAR >= at->sp);
}

/* The kernel had to write the frame of a signal there. */
static bool is_cramped(const struct wf_fiber *fiber, const struct registers *at)
{
    return at->sp - low_of(fiber) < handlers.frame;
}

static bool is_of(struct overflow *overflow, const weft_task *task)
{
    if (!task || !task->fiber)
        return false;
    if (!(overflow->by_signal ? is_cramped(task->fiber, &overflow->at)
                              : is_below(task->fiber, &overflow->at, overflow->address)))
        return false;
    overflow->task = task;
    overflow->fiber = task->fiber;
    return true;
}

/* Whoever is about to switch has made another one current already. */
static bool is_of_another(struct overflow *overflow, weft_loop *loop)
{
    struct wf_region *region = &loop->background.region;
    const weft_task *task;
    while ((task = wf_task_next(loop, &region)))
        if (is_of(overflow, task))
            return true;
    return false;
}

static bool is_overflow(struct overflow *overflow, weft_loop *loop, const ucontext_t *context)
{
    const stack_t *alternate = &context->uc_stack;
    const weft_task *task = loop->current != &loop->root ? loop->current : loop->interrupted;
    uintptr_t sp = overflow->at.sp;
    if (sp - (uintptr_t)alternate->ss_sp < alternate->ss_size)
        return false; /* in a handler */
    if (is_of(overflow, task))
        return true;
    if (is_on(&loop->thread_fiber.context, sp) ||
        (task && task->fiber && is_on(&task->fiber->context, sp)))
        return false;
    return is_of_another(overflow, loop);
}

/* Its words. */

static void add_site(struct wf_words *words, const char *name, const char *made, const char *site)
{
    wf_words_add(words, "'");
    wf_words_add(words, name);
    wf_words_add(words, "' (");
    wf_words_add(words, made);
    wf_words_add(words, wf_site(site));
    wf_words_add(words, ")");
}

static void add_task(struct wf_words *words, const weft_task *task)
{
    wf_words_add(words, "task ");
    wf_words_number(words, wf_task_number(task));
    wf_words_add(words, " ");
    add_site(words, task->name, "spawned at ", task->future.site);
}

static bool is_generator(const struct overflow *overflow)
{
    return !overflow->fiber->task && overflow->fiber->loop->generator_names;
}

static void add_owner(struct wf_words *words, const struct overflow *overflow)
{
    const char *name, *site;
    if (!is_generator(overflow)) {
        add_task(words, overflow->task);
        return;
    }
    overflow->fiber->loop->generator_names(overflow->fiber, &name, &site);
    wf_words_add(words, "generator ");
    add_site(words, name, "opened at ", site);
    wf_words_add(words, ", which ");
    add_task(words, overflow->task);
    wf_words_add(words, " is in,");
}

/* A pointer that went astray, while the stack had room: not near the stack pointer. */
static bool is_stray(const struct overflow *overflow)
{
    uintptr_t sp = overflow->at.sp;
    return !overflow->by_signal && sp >= low_of(overflow->fiber) && sp - overflow->address > STEP;
}

/* So many bytes of so many. */
static void add_depth(struct wf_words *words, const struct overflow *overflow)
{
    const struct wf_context *context = &overflow->fiber->context;
    uintptr_t lowest = overflow->at.sp;
    if (overflow->address < lowest && !is_stray(overflow) && !overflow->by_signal)
        lowest = overflow->address;
    wf_words_count(words, low_of(overflow->fiber) + context->stack_size - lowest);
    wf_words_add(words, " of ");
    wf_words_count(words, context->stack_size);
    wf_words_add(words, " bytes");
}

static const char *const found_later = ", which was found at its next switch";
static const char *const found_by_kernel =
    ", too few left for a signal whose handler is without SA_ONSTACK";

static void add_what(struct wf_words *words, const struct overflow *overflow)
{
    if (overflow->at.sp == 0) {
        wf_words_add(words, " has overflowed its stack of ");
        wf_words_count(words, overflow->fiber->context.stack_size);
        wf_words_add(words, " bytes");
        wf_words_add(words, overflow->address == 0 ? found_later : "");
        return;
    }
    wf_words_add(words, is_stray(overflow) ? " has reached below its stack, of which it uses "
                                           : " has overflowed its stack: ");
    add_depth(words, overflow);
    wf_words_add(words, overflow->by_signal ? found_by_kernel : "");
}

static const char *advice(const struct overflow *overflow)
{
    static const char *const by_class[WF_STACK_CLASSES] = {
        "its .stack_size is 16 KiB: give it 64 or 256 KiB, or keep what is large on the heap",
        "its .stack_size is 64 KiB: give it 256 KiB, or keep what is large on the heap",
        "its .stack_size is 256 KiB, the largest: keep what is large on the heap, bound what recurses",
    };
    return by_class[overflow->fiber->class];
}

static void say_essentials(const struct overflow *overflow)
{
    struct wf_words words = { .size = 0 };
    wf_words_add(&words, "weft: ");
    add_owner(&words, overflow);
    add_what(&words, overflow);
    wf_words_say(&words);
    wf_words_add(&words, "weft: ");
    wf_words_add(&words,
                 is_stray(overflow)
                     ? "a pointer or an index is out of its bounds; more stack does not help"
                     : advice(overflow));
    wf_words_say(&words);
}

/* Frames. */

struct walk {
    const struct overflow *overflow;
    struct wf_symbols *symbols;
    uintptr_t outer[FRAMES_OUTER]; /* the last ones, round and round */
    uintptr_t fp;                  /* of the last one */
    unsigned count;
    bool arrived; /* past the handler's own frames */
    bool ended;   /* at the task's function */
};

/* "crawl+0x2a (program)", "program+0x1a2b", "0x7f...". Symbols are looked for before a return
 * address: of another one `exact` is 1. */
static void add_symbol(struct wf_words *words, struct wf_symbols *symbols, uintptr_t address,
                       unsigned exact)
{
    const struct wf_symbol *symbol = wf_symbol_find(symbols, address + exact);
    const char *name = symbol->name ? symbol->name : symbol->module;
    uintptr_t offset = (symbol->name ? symbol->name_offset : symbol->module_offset) - exact;
    if (name)
        wf_words_add(words, name);
    if (offset != 0) {
        wf_words_add(words, name ? "+0x" : "0x");
        wf_words_hex(words, offset);
    }
    if (symbol->name && symbol->module) {
        wf_words_add(words, " (");
        wf_words_add(words, symbol->module);
        wf_words_add(words, ")");
    }
}

static void say_frame(const struct walk *walk, unsigned number, uintptr_t address)
{
    struct wf_words words = { .size = 0 };
    wf_words_add(&words, "weft:   frame ");
    wf_words_number(&words, number);
    wf_words_add(&words, ": ");
    add_symbol(&words, walk->symbols, address, address == walk->overflow->at.pc);
    wf_words_say(&words);
}

/* The innermost are said as they are found: the walk may not come to its end. */
static void add_frame(struct walk *walk, uintptr_t address)
{
    if (walk->count < FRAMES_INNER)
        say_frame(walk, walk->count, address);
    walk->outer[walk->count++ % FRAMES_OUTER] = address;
}

static _Unwind_Reason_Code note(struct _Unwind_Context *frame, void *arg)
{
    struct walk *walk = arg;
    uintptr_t pc = _Unwind_GetIP(frame);
    walk->arrived = walk->arrived || pc == walk->overflow->at.pc;
    if (!walk->arrived)
        return _URC_NO_REASON;
    walk->ended = (uintptr_t)_Unwind_GetRegionStart(frame) == (uintptr_t)wf_task_run;
    if (pc == 0 || walk->count == FRAMES_MAX || walk->ended)
        return _URC_NORMAL_STOP;
    add_frame(walk, pc);
    walk->fp = _Unwind_GetGR(frame, FP_NUMBER);
    return _URC_NO_REASON;
}

#if WF_ASAN
#    define UNCHECKED __attribute__((no_sanitize("address")))
#else
#    define UNCHECKED
#endif

/* Code without unwind tables is the end of the unwinder's way: on by frame pointers, as long as
 * they lie on the stack and go upward. */
UNCHECKED static void follow(struct walk *walk)
{
    const struct wf_context *context = &walk->overflow->fiber->context;
    uintptr_t top = low_of(walk->overflow->fiber) + context->stack_size, above = 0;
    uintptr_t fp = walk->fp;
    while (walk->count < FRAMES_MAX && fp > above && fp % sizeof fp == 0 && is_on(context, fp) &&
           top - fp >= 2 * sizeof fp) {
        const uintptr_t *frame = (const uintptr_t *)fp;
        if (frame[1] == 0)
            return;
        add_frame(walk, frame[1]);
        above = fp;
        fp = frame[0];
    }
}

static void say_outer(const struct walk *walk)
{
    unsigned first = walk->count > FRAMES_OUTER ? walk->count - FRAMES_OUTER : 0;
    if (first > FRAMES_INNER) {
        struct wf_words words = { .size = 0 };
        wf_words_add(&words, "weft:   ... ");
        wf_words_count(&words, first - FRAMES_INNER);
        wf_words_add(&words, " frames ...");
        wf_words_say(&words);
    }
    for (unsigned i = first > FRAMES_INNER ? first : FRAMES_INNER; i < walk->count; i++)
        say_frame(walk, i, walk->outer[i % FRAMES_OUTER]);
}

static void say_entry(const struct overflow *overflow, struct wf_symbols *symbols)
{
    struct wf_words words = { .size = 0 };
    wf_words_add(&words, "weft: task ");
    wf_words_number(&words, wf_task_number(overflow->task));
    wf_words_add(&words, " runs ");
    add_symbol(&words, symbols, (uintptr_t)overflow->task->fn, 1);
    wf_words_add(&words, " and is at");
    wf_words_say(&words);
}

/* Several loops run the same code and fault together: whoever dies first cuts the others off, so
 * the second waits a little until the first has said all. False: it has not. */
static bool take_turn(atomic_flag *taken)
{
    const struct timespec moment = { .tv_nsec = 10 * WEFT_MILLISECOND };
    for (int i = 0; i < 100; i++) {
        if (!atomic_flag_test_and_set(taken))
            return true;
        nanosleep(&moment, NULL);
    }
    return false;
}

static void say_frames(const struct overflow *overflow)
{
    static struct wf_symbols symbols; /* too large for this stack */
    static atomic_flag taken = ATOMIC_FLAG_INIT;
    struct walk walk = { .overflow = overflow, .symbols = &symbols, .fp = overflow->at.fp };
    if (overflow->at.pc == 0 || !take_turn(&taken))
        return;
    wf_symbols_open(&symbols);
    say_entry(overflow, &symbols);
    _Unwind_Backtrace(note, &walk);
    if (walk.count == 0)
        add_frame(&walk, overflow->at.pc);
    if (!walk.ended)
        follow(&walk);
    say_outer(&walk);
    wf_symbols_close(&symbols);
    atomic_flag_clear(&taken);
}

/* The handler. */

/* By kill() and its like. */
static bool was_sent(const siginfo_t *info)
{
    return info->si_code <= 0 || (info->si_signo == SIGBUS && info->si_code == BUS_MCEERR_AO);
}

/* Without an address: the instruction did not do it, or has none to tell of. */
static bool was_forced(const siginfo_t *info)
{
    return info->si_code == SI_KERNEL;
}

/* What would not come again by itself is raised, and comes when the handler returns. */
static void by_default(int number, const struct sigaction *action, const siginfo_t *info)
{
    static const struct sigaction none = { .sa_handler = SIG_DFL };
    if (was_sent(info) && action->sa_handler == SIG_IGN)
        return;
    sigaction(number, was_forced(info) ? &none : action, NULL);
    if (was_sent(info) || was_forced(info))
        raise(number);
}

/* As the kernel does it: what this handler blocks beyond that is unblocked by its return. */
static void set_mask(int number, const struct sigaction *action, const ucontext_t *context)
{
    sigset_t mask;
    sigemptyset(&mask);
    for (int i = 1; i < NSIG; i++)
        if (sigismember(&context->uc_sigmask, i) > 0 || sigismember(&action->sa_mask, i) > 0)
            sigaddset(&mask, i);
    if (!(action->sa_flags & SA_NODEFER))
        sigaddset(&mask, number);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void call(int number, struct sigaction *stored, siginfo_t *info, void *context)
{
    struct sigaction action = *stored;
    if (action.sa_flags & (int)SA_RESETHAND)
        *stored = (struct sigaction){ .sa_handler = SIG_DFL };
    set_mask(number, &action, context);
    if (action.sa_flags & SA_SIGINFO)
        action.sa_sigaction(number, info, context);
    else
        action.sa_handler(number);
}

/* Where the one before us was put up after us the last time, it may call us again, with the same
 * signal and deeper on the same stack. */
static bool is_called_again(const siginfo_t *info)
{
    static _Thread_local struct {
        const siginfo_t *info;
        uintptr_t frame;
    } last;
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    bool again = last.info == info && frame < last.frame;
    last.info = info;
    last.frame = frame;
    return again;
}

static void pass_on(int number, siginfo_t *info, void *context)
{
    static const struct sigaction none = { .sa_handler = SIG_DFL };
    struct sigaction *before = &handlers.before[number == SIGBUS];
    if (is_called_again(info))
        by_default(number, &none, info);
    else if (before->sa_handler == SIG_DFL || before->sa_handler == SIG_IGN)
        by_default(number, before, info);
    else
        call(number, before, info, context);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    weft_loop *loop = wf_running ? wf_running : wf_left_behind;
    struct overflow overflow = { .at = registers_of(context) };
    if (loop && loop->reports_overflows && !was_sent(info)) {
        overflow.by_signal = was_forced(info) && !is_wild_pointer(context);
        overflow.address = was_forced(info) ? 0 : (uintptr_t)info->si_addr;
        if (is_overflow(&overflow, loop, context)) {
            say_essentials(&overflow);
            say_frames(&overflow);
        }
    }
    pass_on(number, info, context);
    errno = saved;
}

_Noreturn void wf_overflow_found(const weft_task *task, const struct wf_fiber *fiber)
{
    struct overflow overflow = { .task = task, .fiber = fiber };
    say_essentials(&overflow);
    abort();
}

/* Putting it up. */

static bool is_ours(int number)
{
    struct sigaction action = { .sa_handler = SIG_DFL };
    sigaction(number, NULL, &action);
    return (action.sa_flags & SA_SIGINFO) && action.sa_sigaction == on_fault;
}

static _Unwind_Reason_Code stop(struct _Unwind_Context *frame, void *arg)
{
    (void)frame, (void)arg;
    return _URC_NORMAL_STOP;
}

/* The unwinder prepares itself at its first use, which a handler must not. */
static void prepare(void)
{
    if (handlers.page == 0)
        _Unwind_Backtrace(stop, NULL);
    handlers.page = getauxval(AT_PAGESZ);
    handlers.frame = wf_alternate_frame_size() + 128; /* and the red zone */
}

/* In two steps: a fault in between must not find nothing. */
static void put_up(void)
{
    struct sigaction ours = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    prepare();
    sigemptyset(&ours.sa_mask);
    for (int i = 0; i < 2; i++)
        sigaddset(&ours.sa_mask, numbers[i]);
    for (int i = 0; i < 2; i++)
        if (!is_ours(numbers[i]) && sigaction(numbers[i], NULL, &handlers.before[i]) == 0)
            sigaction(numbers[i], &ours, NULL);
}

/* Whoever has put up another handler since keeps it. */
static void take_back(void)
{
    for (int i = 0; i < 2; i++)
        if (is_ours(numbers[i]))
            sigaction(numbers[i], &handlers.before[i], NULL);
}

void wf_overflow_report_begin(weft_loop *loop)
{
    loop->reports_overflows = true;
    wf_lock(&handlers.lock);
    if (handlers.loops++ == 0)
        put_up();
    wf_unlock(&handlers.lock);
}

void wf_overflow_report_end(weft_loop *loop)
{
    if (!loop->reports_overflows)
        return;
    loop->reports_overflows = false;
    wf_lock(&handlers.lock);
    if (--handlers.loops == 0)
        take_back();
    wf_unlock(&handlers.lock);
}
