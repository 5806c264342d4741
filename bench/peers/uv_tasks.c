/* The operations of bench_timer on libuv. Reads lines "operation count", answers each with
 * nanoseconds for one operation; "-" for one that it does not have. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static uv_timer_t *others, one;
static long pending;

static void never(uv_timer_t *timer)
{
    (void)timer;
}

/* The loop knows each of them until a turn after it was closed. */
static void forget_all(void)
{
    for (long i = 0; i < pending; i++)
        uv_close((uv_handle_t *)&others[i], NULL);
    uv_run(uv_default_loop(), UV_RUN_NOWAIT);
    free(others);
    others = NULL;
    pending = 0;
}

/* Beside how many was asked last: they stay. */
static void keep(long count)
{
    forget_all();
    others = calloc((size_t)count, sizeof *others);
    if (!others)
        abort();
    for (pending = 0; pending < count; pending++) {
        uv_timer_init(uv_default_loop(), &others[pending]);
        uv_timer_start(&others[pending], never, (uint64_t)(3600000 + pending * 7919 % 1000003), 0);
    }
}

static double set_and_stop(long count)
{
    uint64_t start = uv_hrtime();
    for (long i = 0; i < count; i++) {
        uv_timer_start(&one, never, (uint64_t)(3600000 + i * 104729 % 1000003), 0);
        uv_timer_stop(&one);
    }
    return (double)(uv_hrtime() - start) / (double)count;
}

int main(void)
{
    char name[32];
    long count;
    uv_timer_init(uv_default_loop(), &one);
    while (scanf("%31s %ld", name, &count) == 2) {
        if (strncmp(name, "timer", 5) != 0) {
            puts("-");
        } else {
            if (pending != atol(name + 5))
                keep(atol(name + 5));
            printf("%f\n", set_and_stop(count));
        }
        fflush(stdout);
    }
    forget_all();
    uv_close((uv_handle_t *)&one, NULL);
    uv_run(uv_default_loop(), UV_RUN_NOWAIT);
    return uv_loop_close(uv_default_loop()) == 0 ? 0 : 1;
}
