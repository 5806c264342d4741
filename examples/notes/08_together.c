/* The note: two sleeps of 1 s and 2 s that are awaited one after the other take 3 s, and as two
 * tasks 2 s. And when one of them fails? `asyncio.gather` raises at once and the other one goes on;
 * `gen.multi` waits for both and raises then; a TaskGroup cancels the other one, waits, and raises.
 *
 * All of that here. A second takes a tenth of one. */

#include <errno.h>
#include <stdio.h>
#include <weft.h>

#define SECOND (WEFT_SECOND / 10)

struct job {
    const char *name;
    int seconds;
    int result;
};

static struct job one = { "one", 1, 0 }, two = { "two", 2, 0 }, bad = { "bad", 1, -EIO };

static int work(void *arg)
{
    const struct job *job = arg;
    int err = weft_sleep(job->seconds * SECOND);
    if (err == 0)
        err = job->result;
    printf("  %s: %s\n", job->name, weft_error_text(err));
    return err;
}

static int in_turn(struct job *first)
{
    int err = weft_await(weft_coro_new(work, first));
    return err < 0 ? err : weft_await(weft_coro_new(work, &two));
}

static int wait_for_both(struct job *first)
{
    weft_awaitable *both[] = { weft_any(weft_coro_new(work, first)),
                               weft_any(weft_coro_new(work, &two)) };
    return weft_gather(both, 2);
}

/* Tasks: a coroutine that goes on after the gather would belong to nobody. */
static int return_at_once(struct job *first)
{
    weft_task *tasks[] = { weft_create_task(weft_coro_new(work, first)),
                           weft_create_task(weft_coro_new(work, &two)) };
    weft_awaitable *both[] = { weft_any(tasks[0]), weft_any(tasks[1]) };
    int err = weft_gather(both, 2, .on_error = WEFT_RETURN_FIRST);
    puts("  gather has returned");
    weft_await(tasks[1]);
    weft_task_release(tasks[0]);
    weft_task_release(tasks[1]);
    return err;
}

static int cancel_the_other(struct job *first)
{
    weft_scope group;
    weft_scope_begin(&group);
    weft_spawn(&group, work, first);
    weft_spawn(&group, work, &two);
    return weft_scope_end(&group);
}

static const struct {
    const char *name;
    int (*run)(struct job *first);
    struct job *first;
} ways[] = {
    { "one after the other", in_turn, &one },
    { "gather", wait_for_both, &one },
    { "gather, and one fails", return_at_once, &bad },
    { "multi, and one fails", wait_for_both, &bad },
    { "task group, and one fails", cancel_the_other, &bad },
};

static int together(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        puts(ways[i].name);
        int64_t begin = weft_now();
        int err = ways[i].run(ways[i].first);
        printf("%s, after %.2f s\n", weft_error_text(err), (double)(weft_now() - begin) / SECOND);
        if (err != ways[i].first->result)
            return err;
    }
    return 0;
}

int main(void)
{
    return weft_run(together, NULL) < 0;
}
