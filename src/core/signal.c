#include "core/signal.h"

#include "core/group.h"
#include "core/loop.h"

#include <sched.h>

static const int signals[2] = { SIGINT, SIGTERM };

/* Whose interrupt this process's signals are, and how many threads are just posting it. */
static _Atomic(struct wf_interrupt *) taker;
static atomic_int posting;

static void by_default(int number)
{
    struct sigaction action = { .sa_handler = SIG_DFL };
    sigaction(number, &action, NULL);
    raise(number); /* comes when the handler returns */
}

static void on_signal(int number)
{
    atomic_fetch_add(&posting, 1);
    struct wf_interrupt *interrupt = atomic_load(&taker);
    if (interrupt && atomic_fetch_add(&interrupt->count, 1) >= 2)
        by_default(number);
    else if (interrupt)
        weft_signal_post(&interrupt->notice);
    atomic_fetch_sub(&posting, 1);
}

static bool is_handled_by(int number, void (*handler)(int))
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
           action.sa_handler == handler;
}

/* Whoever has put up another handler since keeps it. */
static void restore(struct wf_interrupt *interrupt)
{
    for (int i = 0; i < 2; i++) {
        if (interrupt->taken[i] && is_handled_by(signals[i], on_signal))
            sigaction(signals[i], &interrupt->before[i], NULL);
        interrupt->taken[i] = false;
    }
}

static void on_notice(void *arg)
{
    struct wf_interrupt *interrupt = arg;
    unsigned count = atomic_load(&interrupt->count), handled = interrupt->handled;
    interrupt->handled = count;
    if (interrupt->loop->group) {
        wf_group_interrupt(interrupt->loop, count); /* it tells us too */
        return;
    }
    if (handled == 0 && count > 0)
        weft_task_cancel(interrupt->main, "interrupted");
    if (handled < 2 && count >= 2)
        wf_interrupt_pierce(interrupt->loop, interrupt->main);
}

void wf_interrupt_pierce(weft_loop *loop, weft_task *main)
{
    wf_region_pierce(&main->member.region, "interrupted twice");
    wf_region_pierce(&loop->background.region, "interrupted twice");
    wf_loop_begin_grace(loop);
}

void wf_interrupt_take(struct wf_interrupt *interrupt, weft_loop *loop, weft_task *main)
{
    *interrupt = (struct wf_interrupt){ .loop = loop, .main = main };
    loop->references_own++; /* the notice's */
    weft_notice_init(&interrupt->notice, loop, on_notice, interrupt);
    struct wf_interrupt *nobody = NULL;
    if (!atomic_compare_exchange_strong(&taker, &nobody, interrupt))
        return;
    struct sigaction ours = { .sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK };
    sigemptyset(&ours.sa_mask);
    for (int i = 0; i < 2; i++)
        if (is_handled_by(signals[i], SIG_DFL))
            interrupt->taken[i] = sigaction(signals[i], &ours, &interrupt->before[i]) == 0;
}

/* In the child of a fork: nobody else posts, and the run is the parent's. */
void wf_interrupt_leave(void)
{
    struct wf_interrupt *interrupt = atomic_load(&taker);
    if (interrupt)
        restore(interrupt);
    atomic_store(&taker, NULL);
    atomic_store(&posting, 0);
}

void wf_interrupt_give_back(struct wf_interrupt *interrupt)
{
    restore(interrupt);
    struct wf_interrupt *us = interrupt;
    atomic_compare_exchange_strong(&taker, &us, NULL);
    while (atomic_load(&posting) > 0) /* another thread's handler holds the notice */
        sched_yield();
    interrupt->loop->references_own--;
    weft_notice_fini(&interrupt->notice);
}
