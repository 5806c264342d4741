/* A task says hello, sleeps, says goodbye and hands a value back. While it sleeps, the one who
 * spawned it goes on: two tasks, one thread, no callbacks. */

#include <stdio.h>
#include <weft.h>

static int greet(void *name)
{
    printf("hello, %s\n", (const char *)name);

    int err = weft_sleep(50 * WEFT_MILLISECOND);
    if (err < 0)
        return err;

    printf("goodbye, %s\n", (const char *)name);
    return weft_return("it was a pleasure");
}

static int hello(void *arg)
{
    weft_scope scope;
    weft_task *task = NULL;
    void *words;

    (void)arg;
    weft_scope_begin(&scope);
    weft_spawn(&scope, greet, "world", .task = &task);
    puts("the greeter starts as soon as we wait for something");
    weft_sleep(10 * WEFT_MILLISECOND);
    puts("now it sleeps, and we do not");

    if (weft_await_value(task, &words) >= 0)
        printf("its last words: %s\n", (const char *)words);
    weft_task_release(task);
    return weft_scope_end(&scope);
}

int main(void)
{
    return weft_run(hello, NULL) < 0;
}
