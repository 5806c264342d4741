/* The note: `while True: await do_something(); await gen.sleep(60)` is no minute between two
 * rounds. It is a minute and what the work takes.
 *
 * Here as there. A minute takes 50 ms, and the work 20: a round comes each 70 ms. */

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

static int minute_loop(void *arg)
{
    for (;;) {
        int err = do_something(arg);
        if (err == 0)
            err = weft_sleep(MINUTE);
        if (err < 0)
            return err;
    }
}

/* The loop never ends: it is started in the background and ends with the program. */
static int measure(void *arg)
{
    struct rounds *rounds = arg;
    int err = weft_spawn(weft_background(), minute_loop, rounds);
    if (err == 0)
        err = weft_sleep(10 * MINUTE);
    if (err == 0 && rounds->count > 1) {
        double period = (double)(rounds->last - rounds->first) / (rounds->count - 1);
        printf("minute_loop: a round each %.1f ms\n", period / WEFT_MILLISECOND);
    }
    return err;
}

int main(void)
{
    struct rounds rounds = { 0 };
    return weft_run(measure, &rounds) < 0;
}
