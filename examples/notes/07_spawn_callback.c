/* The note: `IOLoop.current().spawn_callback(divide, 1, 0)` for what nobody will await: the loop
 * calls it in its next turn and logs the exception.
 *
 * A task in the background: weft_spawn(weft_background(), ...). It does not run before its creator
 * waits, unless it is told to be .eager, as Tornado's old coroutines are; both kinds are logged
 * when they fail, and the loop goes on. To be cancelled is no failure: the last one is, when the
 * program ends, and says nothing. */

#include <errno.h>
#include <stdio.h>
#include <weft.h>

struct division {
    int a, b;
};

static int divide(void *arg)
{
    const struct division *division = arg;
    printf("  %s: divide(%d, %d)\n", weft_task_name(weft_task_self()), division->a, division->b);
    return division->b == 0 ? -EDOM : division->a / division->b;
}

static int wait_forever(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_FOREVER);
}

static int callbacks(void *arg)
{
    puts("spawn a lazy one");
    int err = weft_spawn(weft_background(), divide, arg, .name = "lazy");
    puts("spawn an eager one");
    if (err == 0)
        err = weft_spawn(weft_background(), divide, arg, .name = "eager", .eager = true);
    if (err == 0)
        err = weft_spawn(weft_background(), wait_forever, NULL);
    puts("wait");
    if (err == 0)
        err = weft_sleep(10 * WEFT_MILLISECOND);
    puts("the loop has gone on");
    return err;
}

int main(void)
{
    struct division by_zero = { 1, 0 };
    return weft_run(callbacks, &by_zero) < 0;
}
