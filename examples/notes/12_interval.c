/* The note ends at minute_loop2, but that one is late a little more in each round: every sleep
 * begins when the one before it was found to be over. And once the work has taken too long, the
 * minutes stay where it has pushed them. Tornado's `PeriodicCallback` keeps to a grid.
 *
 * So does weft_interval: its ticks stand at the beginning, one period after another. What becomes
 * of those that the work has missed is up to the policy: left out, given at once, or a new grid. */

#include <stdio.h>
#include <weft.h>

#define PERIOD (20 * WEFT_MILLISECOND)

static double passed(int64_t begin, int64_t unit)
{
    return (double)(weft_now() - begin) / (double)unit;
}

/* 100 ticks of a millisecond, given or left out, end after 100 ms. */
static int keep_the_grid(void)
{
    weft_interval every;
    int64_t begin = weft_now();
    int err = weft_interval_init(&every, WEFT_MILLISECOND);
    for (int64_t ticks = 0; err == 0 && ticks < 100; ticks++) {
        int64_t missed = weft_interval_next(&every);
        if (missed < 0)
            return (int)missed;
        ticks += missed;
        err = weft_sleep(WEFT_MILLISECOND / 2); /* the work */
    }
    printf("the tick of 100 ms was over after %.1f ms\n", passed(begin, WEFT_MILLISECOND));
    return err;
}

/* The work after the first tick takes three periods and a half. */
static int stall(const char *name, enum weft_interval_policy policy)
{
    weft_interval every;
    int64_t begin = weft_now();
    int err = weft_interval_init(&every, PERIOD, .first = -1, .policy = (uint8_t)policy);
    printf("%s\n", name);
    for (int i = 0; err == 0 && i < 5; i++) {
        int64_t missed = weft_interval_next(&every);
        if (missed < 0)
            return (int)missed;
        printf("  a tick at %.2f, %d left out\n", passed(begin, PERIOD), (int)missed);
        if (i == 0)
            err = weft_sleep(7 * PERIOD / 2);
    }
    return err;
}

static int intervals(void *arg)
{
    (void)arg;
    int err = keep_the_grid();
    if (err == 0)
        err = stall("skip", WEFT_INTERVAL_SKIP);
    if (err == 0)
        err = stall("burst", WEFT_INTERVAL_BURST);
    if (err == 0)
        err = stall("delay", WEFT_INTERVAL_DELAY);
    return err;
}

int main(void)
{
    return weft_run(intervals, NULL) < 0;
}
