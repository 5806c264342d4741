#include "observer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>

struct observer {
    const struct board *board;
    bool prints;
    pthread_t thread;

    pthread_mutex_t lock; /* of what follows, up to the line */
    pthread_cond_t ending;
    bool ends;
    struct view view; /* its windows are a ring … */
    int64_t seconds;  /* … of which so many were written */
    /* ------------------ the thread's own from here on */
    struct watch watch;
    struct meter meter;
    int64_t window_end;
    struct block longest; /* that ended in this second; start 0: none */
};

static void note_block(struct view *view, const struct block *block)
{
    memmove(&view->blocks[1], &view->blocks[0], (OBSERVER_BLOCKS - 1) * sizeof view->blocks[0]);
    view->blocks[0] = *block;
    view->block_count += view->block_count < OBSERVER_BLOCKS;
    view->blocks_seen++;
}

static void look(struct observer *observer, int64_t now)
{
    struct block ended[STOREFRONT_PULSES];
    int count = watch_look(&observer->watch, observer->board, now, ended);
    pthread_mutex_lock(&observer->lock);
    for (int i = 0; i < count; i++)
        note_block(&observer->view, &ended[i]);
    memcpy(observer->view.going_on, observer->watch.going_on, sizeof observer->view.going_on);
    pthread_mutex_unlock(&observer->lock);
    for (int i = 0; i < count; i++)
        if (ended[i].duration > observer->longest.duration)
            observer->longest = ended[i];
}

/* The block to tell of at the end of a second: one that goes on, else the longest that ended. */
static struct block worst(const struct observer *observer)
{
    struct block worst = observer->longest;
    for (int i = 0; i < STOREFRONT_PULSES; i++) {
        const struct block *block = &observer->watch.going_on[i];
        if (block->start != 0 && block->duration > worst.duration)
            worst = *block;
    }
    return worst;
}

static void close_window(struct observer *observer, int64_t now)
{
    struct window window = { .second = observer->seconds + 1 };
    meter_read(&observer->meter, observer->board, now, &window);
    pthread_mutex_lock(&observer->lock);
    observer->view.windows[observer->seconds % OBSERVER_WINDOWS] = window;
    observer->seconds++;
    pthread_mutex_unlock(&observer->lock);

    struct block block = worst(observer);
    if (observer->prints)
        window_print(&window, &block);
    observer->longest = (struct block){ 0 };
}

/* Wait until the next look, or until it is to end. Returns whether it goes on. */
static bool wait(struct observer *observer, int64_t until)
{
    struct timespec time = { .tv_sec = until / WEFT_SECOND, .tv_nsec = until % WEFT_SECOND };
    pthread_mutex_lock(&observer->lock);
    int err = 0;
    while (!observer->ends && err == 0)
        err = pthread_cond_timedwait(&observer->ending, &observer->lock, &time);
    bool ends = observer->ends;
    pthread_mutex_unlock(&observer->lock);
    return !ends;
}

static void *observe(void *arg)
{
    struct observer *observer = arg;
    int64_t now = weft_now();
    while (wait(observer, now + watch_interval(observer->board, now))) {
        now = weft_now();
        look(observer, now);
        if (now >= observer->window_end) {
            close_window(observer, now);
            observer->window_end += WEFT_SECOND;
            if (observer->window_end < now) /* it was stopped for a while */
                observer->window_end = now + WEFT_SECOND;
        }
    }
    return NULL;
}

/* Signals are for the loop's thread. */
static int start_thread(struct observer *observer)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&observer->thread, NULL, observe, observer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}

static void init(struct observer *observer, const struct board *board, bool prints)
{
    int64_t now = weft_now();
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&observer->lock, NULL);
    pthread_cond_init(&observer->ending, &attributes);
    pthread_condattr_destroy(&attributes);
    observer->board = board;
    observer->prints = prints;
    observer->window_end = now + WEFT_SECOND;
    meter_init(&observer->meter, board, now);
}

static void free_it(struct observer *observer)
{
    pthread_cond_destroy(&observer->ending);
    pthread_mutex_destroy(&observer->lock);
    free(observer);
}

int observer_start(struct observer **result, const struct board *board, bool prints)
{
    struct observer *observer = calloc(1, sizeof *observer);
    if (observer == NULL)
        return -ENOMEM;
    init(observer, board, prints);
    int err = start_thread(observer);
    if (err < 0) {
        free_it(observer);
        return err;
    }
    *result = observer;
    return 0;
}

void observer_stop(struct observer *observer)
{
    if (observer == NULL)
        return;
    pthread_mutex_lock(&observer->lock);
    observer->ends = true;
    pthread_cond_signal(&observer->ending);
    pthread_mutex_unlock(&observer->lock);
    pthread_join(observer->thread, NULL);
    free_it(observer);
}

static void copy_windows(const struct observer *observer, int64_t second, struct view *view)
{
    int64_t last = observer->seconds, first = last - OBSERVER_WINDOWS;
    first = first < second ? second : first;
    first = first < 0 || first > last ? 0 : first;
    for (int64_t i = first; i < last; i++)
        view->windows[view->window_count++] = observer->view.windows[i % OBSERVER_WINDOWS];
}

void observer_view(struct observer *observer, int64_t second, struct view *view)
{
    pthread_mutex_lock(&observer->lock);
    view->window_count = 0;
    copy_windows(observer, second, view);
    view->block_count = observer->view.block_count;
    memcpy(view->blocks, observer->view.blocks, sizeof view->blocks);
    memcpy(view->going_on, observer->view.going_on, sizeof view->going_on);
    view->blocks_seen = observer->view.blocks_seen;
    pthread_mutex_unlock(&observer->lock);
}
