/* The note: `nxt = gen.sleep(60)`, then the work, then `await nxt`: the clock runs while the work
 * is done, and a round comes each minute, or as often as the work allows.
 *
 * It works because the sleep is a future whose time runs from the call on, whoever awaits it:
 * weft_sleep_future(). A coroutine object that sleeps would begin only when it is awaited, and this
 * loop would be no better than the first one. A minute takes 50 ms, and the work 20: a round comes
 * each 50 ms. */

#include <stdio.h>
#include <weft.h>

#define MINUTE (50 * WEFT_MILLISECOND)

struct rounds {
    int count;
    int64_t first, last;
};

static int do_something(struct rounds *rounds)
{
    rounds->last = weft_now();
    if (rounds->count++ == 0)
        rounds->first = rounds->last;
    return weft_sleep(20 * WEFT_MILLISECOND); /* asks a database, in real life */
}

static int minute_loop2(void *arg)
{
    for (;;) {
        weft_future *next = weft_sleep_future(MINUTE);
        int err = do_something(arg);
        if (err == 0)
            err = weft_await(next);
        weft_future_release(next);
        if (err < 0)
            return err;
    }
}

/* The loop never ends: it is started in the background and ends with the program. */
static int measure(void *arg)
{
    struct rounds *rounds = arg;
    int err = weft_spawn(weft_background(), minute_loop2, rounds);
    if (err == 0)
        err = weft_sleep(10 * MINUTE);
    if (err == 0 && rounds->count > 1) {
        double period = (double)(rounds->last - rounds->first) / (rounds->count - 1);
        printf("minute_loop2: a round each %.1f ms\n", period / WEFT_MILLISECOND);
    }
    return err;
}

int main(void)
{
    struct rounds rounds = { 0 };
    return weft_run(measure, &rounds) < 0;
}
