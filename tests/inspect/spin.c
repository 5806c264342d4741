/* A program to be sampled: its task computes, after a wait each time. */

#include <weft/await.h>
#include <weft/loop.h>
#include <weft/scope.h>
#include <weft/task.h>

#include <stdint.h>
#include <time.h>

#define ROUNDS 10
#define ROUND  30000000 /* ns */

static int64_t used(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static __attribute__((noinline)) void spin(void)
{
    int64_t end = used() + ROUND;
    while (used() < end)
        for (volatile int i = 0; i < 100000;)
            i = i + 1;
    __asm__ volatile(""); /* it stays behind the calls */
}

static __attribute__((noinline)) int compute(void *arg)
{
    int err = 0;
    (void)arg;
    for (int i = 0; err == 0 && i < ROUNDS; i++) {
        err = weft_sleep(WEFT_MILLISECOND);
        spin();
    }
    return err;
}

static int spin_main(void *arg)
{
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, compute, arg);
    return weft_scope_end(&s);
}

int main(void)
{
    return weft_run(spin_main, NULL) < 0;
}
