/* A million sleepers: stackless tasks of 128 bytes each, in one block of memory. All of them sleep,
 * wake, and sleep again; no stack is held meanwhile. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft.h>
#include <weft/stackless.h>

#define NAPS 2

struct sleeper {
    weft_stackless self;
    int naps;
};

static long woken;

/* The first time it is called it has not slept yet. */
static int nap(weft_stackless *self, int64_t result)
{
    struct sleeper *sleeper = weft_stackless_of(self, struct sleeper, self);
    if (result < 0)
        return (int)result;
    woken += sleeper->naps > 0;
    if (sleeper->naps++ == NAPS)
        return 0;
    return weft_then_sleep(self, WEFT_SECOND, nap);
}

static const weft_stackless_kind sleepers = WEFT_STACKLESS(nap, NULL);

static long resident_bytes(void)
{
    char line[128];
    long kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmRSS: %ld", &kilobytes) == 1)
            break;
    if (status)
        fclose(status);
    return kilobytes * 1024;
}

static int crowd(struct sleeper *list, long count)
{
    weft_scope scope;
    int64_t begin = weft_now();
    long before = resident_bytes();

    weft_scope_begin(&scope);
    for (long i = 0; i < count; i++)
        weft_stackless_spawn(&scope, &list[i].self, &sleepers);
    int err = weft_sleep(0); /* each has begun its first nap when this is over */
    printf("%ld sleepers, %ld bytes each, asleep after %" PRId64 " ms\n", count,
           (resident_bytes() - before) / count, (weft_now() - begin) / WEFT_MILLISECOND);
    err = weft_scope_leave(&scope, err);
    printf("woken %ld times in %" PRId64 " ms\n", woken, (weft_now() - begin) / WEFT_MILLISECOND);
    return err;
}

static int program(void *arg)
{
    long count = *(long *)arg;
    struct sleeper *list = calloc((size_t)count, sizeof *list);
    int err = list ? crowd(list, count) : -ENOMEM;
    free(list);
    return err;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 1000000;
    woken = 0;
    return count < 1 || weft_run(program, &count) < 0;
}
