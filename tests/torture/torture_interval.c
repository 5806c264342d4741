/* Every way in which an interval waits, under the torture driver. */

#include "torture.h"

#include <errno.h>
#include <weft/error.h>
#include <weft/interval.h>
#include <weft/scope.h>
#include <weft/task.h>

#define PERIOD (10 * WEFT_MILLISECOND)

static void check(int result)
{
    torture_accept(result);
    if (torture_is_calm())
        torture_require(result == 0);
}

/* Whatever was cancelled: ticks given and left out are the grid, counted once. A period of sleep is
 * work. */
static int keeps_its_grid(weft_interval *every, int64_t first, int ticks)
{
    int64_t counted = 0;
    int err = 0;
    while (err == 0 && ticks-- > 0) {
        int64_t missed = weft_interval_next(every);
        if (missed < 0)
            return (int)missed;
        counted += missed + 1;
        torture_require((weft_now() - first) / PERIOD == counted - 1);
        err = weft_sleep(ticks % 3 * PERIOD);
    }
    return err;
}

/* A call that was cancelled, and then one that is not: nothing is lost in between. */
static int after_a_cancel(weft_interval *every)
{
    weft_scope limited;
    weft_scope_begin(&limited, .timeout = PERIOD / 2);
    int64_t missed = weft_interval_next(every);
    int err = weft_scope_leave(&limited, missed < 0 ? (int)missed : 0);
    return err == -ETIMEDOUT ? 0 : err;
}

static int grid(void *arg)
{
    (void)arg;
    weft_interval every;
    int64_t first = weft_now() + PERIOD;
    int err = weft_interval_init(&every, PERIOD);
    if (err == 0)
        err = after_a_cancel(&every);
    return err < 0 ? err : keeps_its_grid(&every, first, 6);
}

/* Tasks with an interval each, of every policy, and a shielded last tick. */

static int tick(void *arg)
{
    const struct weft_interval_options *options = arg;
    weft_interval every;
    weft_scope shield;
    int64_t missed = 0;
    int err = weft_interval_init_with(&every, options);
    for (int i = 0; err == 0 && missed >= 0 && i < 4; i++) {
        missed = weft_interval_next(&every);
        if (missed >= 0)
            err = weft_sleep(i * PERIOD);
    }
    weft_scope_begin(&shield, .shield = true, .timeout = WEFT_SECOND);
    int64_t last = weft_interval_next(&every);
    torture_require(!torture_is_calm() || last >= 0);
    weft_scope_end(&shield);
    return missed < 0 ? (int)missed : err;
}

static int policies(void *arg)
{
    (void)arg;
    static struct weft_interval_options options[] = {
        { .period = PERIOD, .policy = WEFT_INTERVAL_SKIP, .first = -1 },
        { .period = PERIOD, .policy = WEFT_INTERVAL_BURST, .jitter = PERIOD / 2 },
        { .period = PERIOD, .policy = WEFT_INTERVAL_DELAY, .first = PERIOD / 3 },
    };
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    for (int i = 0; i < 3; i++)
        weft_spawn(&s, tick, &options[i]);
    return weft_scope_end(&s);
}

/* Sleeping until a time that comes, and until one that is over. */
static int until(void *arg)
{
    (void)arg;
    int64_t when = weft_now() + WEFT_SECOND;
    int err = weft_sleep_until(when);
    torture_require(err < 0 || weft_now() >= when);
    return err < 0 ? err : weft_sleep_until(when - 1);
}

static const struct torture_scenario scenarios[] = {
    { "grid", grid, NULL, check },
    { "policies", policies, NULL, check },
    { "until", until, NULL, check },
};

int main(void)
{
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
