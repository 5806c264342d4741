/* The watchdog: a thread that names who holds the loop up, while it does.
 *
 * The switch reads no clock. What it does anyway is count, so a thread of its own looks at the
 * counters some times in each `.slow_step`:
 *
 *     a count has moved, or the loop sleeps in the kernel ──> a new step begins
 *     nothing has moved for .slow_step (100 ms) ──> interrupt the loop's thread: who, and where
 *                                                   on the log at once, once a step
 *     it moves again ──> the log says how long it took
 *
 * Names are read by the loop's thread itself, in the signal's handler, because they are its own;
 * and only while the step is the one that was seen, so that nobody is named for another's and no
 * stack is unwound in the middle of a switch: the count moves before that. Times are real, also of
 * a loop with the test clock; but the time for which the thread was ready and others had the
 * processors is not its step's. The kernel counts it, and has counted all of it once the thread
 * runs, as it does in the handler.
 *
 * Costs: one thread for each run, some 40 wake-ups a second, with one read each. */

#include "core/watchdog.h"

#include "base/memory.h"
#include "core/loop.h"
#include "io/sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/log.h>

#define LOOKS_PER_STEP 4

struct wf_watchdog {
    weft_loop *loop;
    struct wf_sampler *sampler;
    int64_t limit;
    uint64_t step;  /* that was seen last */
    int64_t since;  /* when it was seen first … */
    int64_t waited; /* … and how long the thread had waited for a processor until then */
    bool reported;
    char who[256]; /* the handler's, then the watchdog's */
};

bool wf_debug_from_environment(void)
{
    const char *text = getenv("WEFT_DEBUG");
    return text && text[0] && strcmp(text, "0") != 0;
}

static int64_t real_now(void)
{
    static const struct wf_clock real = { .test = false };
    return wf_clock_now(&real);
}

/* Each of them only grows: the sum stands still when they all do. */
static uint64_t step_of(const weft_loop *loop)
{
    const struct wf_loop_counters *c = &loop->counters;
    return atomic_load_explicit(&c->resumes, memory_order_relaxed) +
           atomic_load_explicit(&c->callbacks, memory_order_relaxed) +
           atomic_load_explicit(&c->turns, memory_order_relaxed) +
           atomic_load_explicit(&c->polls, memory_order_relaxed);
}

/* In the signal's handler: no locks, no allocation. */
static void put(char *text, size_t size, const char *const *parts)
{
    size_t used = 0;
    for (; *parts; parts++)
        for (const char *c = *parts; *c && used < size - 1; c++)
            text[used++] = *c;
    text[used] = '\0';
}

static bool note(void *context)
{
    struct wf_watchdog *dog = context;
    const weft_loop *loop = dog->loop;
    const weft_task *task = loop->current;
    const struct wf_callback *callback = loop->callback;
    if (step_of(loop) != dog->step)
        return false;
    if (task != &loop->root)
        put(dog->who, sizeof dog->who,
            (const char *[]){ "task '", task->name, "' (spawned at ", task->future.site, ")",
                              NULL });
    else if (callback && callback->is_step)
        put(dog->who, sizeof dog->who,
            (const char *[]){ "stackless task '", callback->name, "' (", wf_site(callback->site),
                              ")", NULL });
    else if (callback)
        put(dog->who, sizeof dog->who,
            (const char *[]){ "callback '", callback->name ? callback->name : "?",
                              "' (asked for at ", wf_site(callback->site), ")", NULL });
    else
        put(dog->who, sizeof dog->who, (const char *[]){ "the loop itself", NULL });
    return true;
}

static long long ms(int64_t duration)
{
    return (long long)(duration / WEFT_MILLISECOND);
}

static void report_frames(const struct wf_sample *sample)
{
    char text[256];
    for (unsigned i = 0; i < sample->count; i++)
        weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING, "  frame %u: %s", i,
                 wf_sampler_describe(sample->frames[i], text, sizeof text));
}

/* How long the step takes, without the time that others had. */
static int64_t duration_at(const struct wf_watchdog *dog, int64_t now, int64_t waited)
{
    return now - dog->since - (waited - dog->waited);
}

static void report_begin(struct wf_watchdog *dog, struct wf_sampler *sampler, int64_t now)
{
    struct wf_sample sample = { .count = 0 };
    int err = wf_sampler_interrupt(sampler, &sample);
    int64_t duration = duration_at(dog, now, wf_sampler_waited(sampler));
    if (err == 0 || duration < dog->limit)
        return;
    if (err < 0)
        snprintf(dog->who, sizeof dog->who, "a step, whose thread takes no signals,");
    dog->reported = true;
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING,
             "%s has held the loop up for %lld ms and still runs; it is at", dog->who,
             ms(duration));
    report_frames(&sample);
}

static void report_end(struct wf_watchdog *dog, int64_t duration)
{
    dog->reported = false;
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING, "%s took %lld ms in one step", dog->who,
             ms(duration));
}

static int64_t period_of(const struct wf_watchdog *dog)
{
    int64_t period = dog->limit / LOOKS_PER_STEP;
    return dog->reported || period < WEFT_MILLISECOND ? WEFT_MILLISECOND : period;
}

static int64_t look(void *context, struct wf_sampler *sampler)
{
    struct wf_watchdog *dog = context;
    int64_t now = real_now();
    uint64_t step = step_of(dog->loop);
    if (step != dog->step || atomic_load(&dog->loop->inbox->asleep)) {
        if (dog->reported)
            report_end(dog, duration_at(dog, now, wf_sampler_waited(sampler)));
        dog->step = step;
        dog->since = now;
        dog->waited = wf_sampler_waited(sampler);
    } else if (!dog->reported && duration_at(dog, now, wf_sampler_waited(sampler)) >= dog->limit) {
        report_begin(dog, sampler, now);
    }
    return period_of(dog);
}

static int start(struct wf_watchdog *dog, weft_loop *loop)
{
    dog->loop = loop;
    dog->limit = loop->slow_step > 0 ? loop->slow_step : WF_SLOW_STEP;
    dog->step = step_of(loop) - 1; /* none that was seen */
    dog->since = real_now();
    struct wf_sampler_options options = {
        .look = look, .note = note, .context = dog, .period = period_of(dog)
    };
    return wf_sampler_start(&dog->sampler, &options);
}

void wf_watchdog_start(weft_loop *loop)
{
    struct wf_watchdog *dog = wf_alloc_zero(sizeof *dog);
    if (dog && start(dog, loop) == 0) {
        loop->watchdog = dog;
        return;
    }
    wf_free(dog);
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING,
             "no memory or thread for the watchdog: slow steps are not reported");
}

void wf_watchdog_stop(weft_loop *loop)
{
    struct wf_watchdog *dog = loop->watchdog;
    if (!dog)
        return;
    loop->watchdog = NULL;
    int64_t now = real_now(), waited = wf_sampler_waited(dog->sampler);
    wf_sampler_stop(dog->sampler); /* from here on what it has seen is ours to read */
    if (dog->reported)
        report_end(dog, duration_at(dog, now, waited));
    wf_free(dog);
}
