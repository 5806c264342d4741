/* Intervals: see weft/interval.h for what they promise.
 *
 *     grid ────┬────────────┬────────────┬────────────┬──>
 *            given        next │       next + period
 *                              due: next + what the dice said
 *
 * State is the next tick that nobody has been given. weft_interval_next() first leaves out what its
 * policy leaves out, then waits until `due`, then takes the tick, which moves `next` on by a
 * period. A wait that is cancelled has not taken it.
 *
 * Invariants: `next` <= `due` <= `next` + `jitter`. `next` is on the grid, or at the end of time,
 * where all sums stop: WEFT_FOREVER. Ticks are counted in `missed` when they are left out and told
 * with the next one that is given.
 *
 * A tick costs a reading of the clock and a sleep; an interval holds nothing, no timer either while
 * nobody waits. */

#include "core/loop.h"

#include <string.h>
#include <weft/error.h>
#include <weft/interval.h>

#define MAGIC  UINT64_C(0x7469636b7469636b)
#define BROKEN UINT64_C(0x6e6f7469636b7321) /* init said no */

struct interval {
    uint64_t magic;
    weft_loop *loop;
    const weft_task *waiting; /* inside weft_interval_next(); NULL */
    const char *site;
    int64_t next;
    int64_t due;
    int64_t period;
    int64_t jitter;
    int64_t missed;
    uint8_t policy;
    bool at_once; /* the first tick, which is never too late */
};

_Static_assert(sizeof(struct interval) <= sizeof(weft_interval), "weft_interval is too small");

static struct interval *inside(weft_interval *interval)
{
    return (struct interval *)(void *)interval;
}

/* Begin. */

/* Binaries of other releases have other sizes: what they do not know is zero. */
static struct weft_interval_options read_options(const struct weft_interval_options *given)
{
    struct weft_interval_options options = { 0 };
    size_t size = given->size && given->size < sizeof options ? given->size : sizeof options;
    memcpy(&options, given, size);
    return options;
}

static int check_options(const struct weft_interval_options *options)
{
    const char *site = wf_site(options->site);
    if (options->period <= 0)
        return wf_misuse(-EINVAL, "an interval with a period of %lld ns, at %s",
                         (long long)options->period, site);
    if (options->jitter < 0 || options->jitter > options->period)
        return wf_misuse(-EINVAL, ".jitter of %lld ns at %s: from 0 to the period, %lld ns",
                         (long long)options->jitter, site, (long long)options->period);
    if (options->policy > WEFT_INTERVAL_DELAY)
        return wf_misuse(-EINVAL, ".policy %u at %s is none of weft_interval's", options->policy,
                         site);
    if (!weft_loop_current())
        return wf_misuse(-EPERM, "an interval on a thread without a loop, at %s", site);
    return 0;
}

static int64_t time_of(const struct interval *interval)
{
    return wf_clock_now(&interval->loop->clock);
}

/* The next tick is at `next`. */
static void aim(struct interval *interval, int64_t next)
{
    int64_t late = 0;
    if (interval->jitter > 0)
        late =
            (int64_t)wf_random_below(wf_loop_dice(interval->loop), (uint64_t)interval->jitter + 1);
    interval->next = next;
    interval->due = wf_clock_after(next, late);
}

static int64_t first_after(const struct weft_interval_options *options)
{
    if (options->first < 0)
        return 0;
    return options->first > 0 ? options->first : options->period;
}

int weft_interval_init_with(weft_interval *out, const struct weft_interval_options *given)
{
    struct weft_interval_options options = read_options(given);
    struct interval *interval = inside(out);
    *interval = (struct interval){ .magic = BROKEN, .site = options.site };
    int err = check_options(&options);
    if (err < 0)
        return err;
    *interval = (struct interval){
        .magic = MAGIC,
        .loop = weft_loop_current(),
        .site = options.site,
        .period = options.period,
        .jitter = options.jitter,
        .policy = options.policy,
        .at_once = options.first < 0,
    };
    aim(interval, wf_clock_after(time_of(interval), first_after(&options)));
    return 0;
}

/* Next. */

static int check_use(const weft_task *task, const struct interval *interval)
{
    if (interval->magic == BROKEN)
        return wf_misuse(-EINVAL,
                         "task '%s' asked for a tick of an interval that weft_interval_init() "
                         "refused at %s",
                         task->name, wf_site(interval->site));
    if (interval->magic != MAGIC)
        return wf_misuse(-EINVAL,
                         "task '%s' asked for a tick of an interval that weft_interval_init() "
                         "has not begun",
                         task->name);
    if (interval->loop != task->future.loop)
        return wf_misuse(WEFT_ETHREAD, "task '%s' asked for a tick of another loop's interval (%s)",
                         task->name, wf_site(interval->site));
    if (interval->waiting)
        return wf_misuse(-EBUSY,
                         "task '%s' asked for a tick of the interval (%s) that task '%s' waits for",
                         task->name, wf_site(interval->site), interval->waiting->name);
    return 0;
}

/* The first point of the grid that is not over. */
static void skip(struct interval *interval, int64_t now)
{
    int64_t over = now - interval->next; /* >= 0 */
    int64_t into = over % interval->period;
    interval->missed += over / interval->period + (into > 0);
    aim(interval, into > 0 ? wf_clock_after(now, interval->period - into) : now);
}

static void delay(struct interval *interval, int64_t now)
{
    int64_t over = now - interval->next;
    interval->missed += over / interval->period + 1;
    aim(interval, wf_clock_after(now, interval->period));
}

/* Too late is what is over already: nobody has waited for it. */
static void catch_up(struct interval *interval, int64_t now)
{
    if (now <= interval->due || interval->at_once)
        return;
    if (interval->policy == WEFT_INTERVAL_SKIP)
        skip(interval, now);
    else if (interval->policy == WEFT_INTERVAL_DELAY)
        delay(interval, now);
}

static int64_t take(struct interval *interval)
{
    int64_t missed = interval->missed;
    interval->missed = 0;
    interval->at_once = false;
    aim(interval, wf_clock_after(interval->next, interval->period));
    return missed;
}

static int wait_until_due(weft_task *task, struct interval *interval)
{
    interval->waiting = task;
    int err = wf_sleep_until(task, interval->due);
    interval->waiting = NULL;
    return err;
}

int64_t weft_interval_next(weft_interval *asked)
{
    struct interval *interval = inside(asked);
    weft_task *task;
    int err = wf_enter(&task);
    if (err < 0)
        return err;
    err = check_use(task, interval);
    if (err < 0)
        return err;
    int64_t now = time_of(interval);
    catch_up(interval, now);
    if (now < interval->due)
        err = wait_until_due(task, interval);
    return err < 0 ? err : take(interval);
}
