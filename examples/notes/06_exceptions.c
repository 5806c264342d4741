/* The note: `divide(1, 0)` of a coroutine raises nothing at the call. The exception is kept in the
 * future and comes out where that is awaited; without an `await` it is not seen at all.
 *
 * Errors are values here and take the same way: weft_call() returns as if all were well, and
 * weft_await() returns the error. One that nobody has read by the time that its handle is given
 * back is logged: once, with the name of the task and the line where it was made. */

#include <errno.h>
#include <stdio.h>
#include <weft.h>

struct division {
    int a, b;
};

static int divide(void *arg)
{
    const struct division *division = arg;
    return division->b == 0 ? -EDOM : division->a / division->b;
}

static int divisions(void *arg)
{
    puts("divide(1, 0) is called");
    weft_future *future = weft_call(divide, arg);
    puts("and nothing has happened");

    int err = weft_await(future);
    printf("awaited: %s\n", weft_error_text(err));
    weft_future_release(future);

    puts("divide(1, 0) is called again, and nobody awaits it");
    weft_future_release(weft_call(divide, arg));
    return err == -EDOM ? 0 : err;
}

int main(void)
{
    struct division by_zero = { 1, 0 };
    return weft_run(divisions, &by_zero) < 0;
}
