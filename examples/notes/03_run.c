/* The note: `asyncio.run(main())` makes a loop, runs main() in it and gives back its value.
 *
 * weft_run() does the same: what main leaves behind in the background is cancelled, and waited for,
 * before the loop is closed; then another run may begin. A run inside a run is refused, for the
 * outer loop would stand still: inside, await. */

#include <stdio.h>
#include <weft.h>

static int forever(void *arg)
{
    (void)arg;
    puts("  forever: begins");
    int err = weft_sleep(WEFT_FOREVER);
    printf("  forever: %s\n", weft_error_text(err));
    return err;
}

static int answer(void *arg)
{
    (void)arg;
    int err = weft_spawn(weft_background(), forever, NULL);
    if (err == 0)
        err = weft_sleep(10 * WEFT_MILLISECOND);
    return err < 0 ? err : 42;
}

static int run_again(void *arg)
{
    int err = weft_run(answer, arg);
    printf("a run inside a run: %s\n", weft_error_text(err));
    return 0;
}

int main(void)
{
    int result = weft_run(answer, NULL);
    printf("the first run: %d\n", result);
    if (result >= 0)
        result = weft_run(answer, NULL);
    printf("the second run: %d\n", result);
    return result < 0 || weft_run(run_again, NULL) < 0;
}
