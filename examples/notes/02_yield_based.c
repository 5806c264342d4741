/* The note: before `async def` there were generators, and `@gen.coroutine` made coroutines of them.
 * A decorated function runs as soon as it is called, up to its first `yield`, and gives a Future; a
 * native one gives an object that waits to be awaited.
 *
 * weft has both. weft_call() runs a function to its first wait and gives a future, which is done
 * already when there was none; weft_coro_new() runs nothing. One word awaits either, so each may
 * call the other. Generators, with values to yield and a body that begins when the first one is
 * asked for, are a third thing: weft_gen. */

#include <stdio.h>
#include <weft.h>

static int await_based(void *text)
{
    int err = weft_sleep(10 * WEFT_MILLISECOND);
    return err < 0 ? err : weft_return(text);
}

static int yield_based(void *text)
{
    puts("  the body runs at the call, up to here");
    int err = weft_await(weft_coro_new(await_based, NULL)); /* the new kind in the old one */
    puts("  and goes on");
    return err < 0 ? err : weft_return(text);
}

static int finish(void *text)
{
    return weft_return(text);
}

static int get_from(weft_future *future)
{
    void *text;
    printf("%s, %s\n", weft_is_future(future) ? "a future" : "no future",
           weft_is_done(future) ? "done already" : "not done yet");
    int err = weft_await_value(future, &text); /* the old kind in the new one */
    if (err == 0)
        printf("its result: %s\n", (const char *)text);
    weft_future_release(future);
    return err;
}

static int count(weft_gen *gen, void *arg)
{
    int err = 0;
    puts("  the generator begins");
    for (int i = 1; err == 0 && i <= *(const int *)arg; i++)
        err = weft_yield(gen, &i);
    return err;
}

static int numbers(void)
{
    weft_gen *gen;
    int three = 3, number, more;
    int err = weft_gen_open(&gen, count, &three, .item_size = sizeof number);
    if (err < 0)
        return err;
    puts("a generator is open; nothing has run");
    while ((more = weft_gen_next(gen, &number)) > 0)
        printf("  %d\n", number);
    weft_gen_close(gen);
    return more;
}

static int yields(void *arg)
{
    weft_coro *coroutine = weft_coro_new(await_based, arg);
    printf("a coroutine is %s\n", weft_is_future(coroutine) ? "a future" : "no future");
    int err = weft_await(coroutine);
    if (err == 0)
        err = get_from(weft_call(yield_based, "it has waited"));
    if (err == 0)
        err = get_from(weft_call(finish, "it had nothing to wait for"));
    return err < 0 ? err : numbers();
}

int main(void)
{
    return weft_run(yields, NULL) < 0;
}
