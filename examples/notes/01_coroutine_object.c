/* The note: with `async def square(x)`, calling `square(7)` only makes an object, and `await` runs
 * it.
 *
 * The object is weft_coro_new() here. weft_await() runs it as if it had been called: in the same
 * task, and before the loop gives anybody else a turn. It runs once: who awaits it again is told,
 * and so is who forgets one. What has become a task can be awaited as often as you like. */

#include <stdio.h>
#include <weft.h>

static int square(void *arg)
{
    int x = *(const int *)arg;
    printf("  square(%d) runs\n", x);
    return x * x;
}

static void say(void *text)
{
    puts(text);
}

static int object(int *x)
{
    weft_coro *coroutine = weft_coro_new(square, x);
    puts("the object is there; nothing has run");
    weft_call_soon(say, "  the loop's next turn");

    int result = weft_await(coroutine);
    printf("awaited: %d\n", result);
    int err = weft_sleep(0);
    printf("awaited again: %s\n", weft_error_text(weft_await(coroutine)));
    return err;
}

static int task(int *x)
{
    weft_task *task = weft_create_task(weft_coro_new(square, x));
    int first = weft_await(task);
    int second = weft_await(task);
    printf("a task, awaited twice: %d and %d\n", first, second);
    weft_task_release(task);
    return first < 0 ? first : 0;
}

static int coroutines(void *arg)
{
    int err = object(arg);
    if (err == 0)
        err = task(arg);
    weft_coro_new(square, arg, .name = "forgotten"); /* never awaited: reported at the end */
    return err;
}

int main(void)
{
    int x = 7;
    return weft_run(coroutines, &x) < 0;
}
