/* Every way in which generators wait and end, under the torture driver. */

#include "torture.h"

#include <errno.h>
#include <stdlib.h>
#include <weft/error.h>
#include <weft/generator.h>
#include <weft/scope.h>
#include <weft/task.h>

/* What the scenarios count. */
static int taken, dropped; /* arguments that were given away, and that came back */
static int begun, ended;   /* bodies */

static void begin(void)
{
    taken = dropped = begun = ended = 0;
}

static void check(int result)
{
    torture_require(taken == dropped);
    torture_require(begun == ended);
    torture_accept(result);
    if (torture_is_calm())
        torture_require(result == 0);
}

static void take_back(void *arg)
{
    free(arg);
    dropped++;
}

/* With an argument that is freed once, whatever happens. */
static int open_owned(weft_gen **gen, weft_gen_fn *fn)
{
    void *arg = malloc(16);
    taken++;
    int err = weft_gen_open(gen, fn, arg, .item_size = sizeof(int), .drop = take_back);
    if (err < 0)
        take_back(arg);
    return err;
}

/* Numbers, with a wait before each one and a shielded wait at the end. */

static int yield_numbers(weft_gen *gen)
{
    int err = 0;
    for (int i = 0; err == 0 && i < 3; i++) {
        err = weft_sleep(i == 1 ? 0 : WEFT_MILLISECOND);
        if (err == 0)
            err = weft_yield(gen, &i);
    }
    return err;
}

static int numbers(weft_gen *gen, void *arg)
{
    (void)arg;
    weft_scope shield;
    begun++;
    int err = yield_numbers(gen);
    weft_scope_begin(&shield, .shield = true, .timeout = WEFT_SECOND);
    weft_sleep(WEFT_MILLISECOND);
    weft_scope_end(&shield);
    ended++;
    return err;
}

/* At most so many items; the error, or 0. */
static int consume(weft_gen *gen, int most)
{
    int item, more = 1;
    for (int i = 0; i < most && more > 0; i++) {
        more = weft_gen_next(gen, &item);
        if (more > 0)
            torture_require(item >= 0 && item < 3);
    }
    return more < 0 ? more : 0;
}

static int ask(int most)
{
    weft_gen *gen;
    int err = open_owned(&gen, numbers);
    if (err < 0)
        return err;
    err = consume(gen, most);
    torture_require(weft_gen_close(gen) == 0);
    return err;
}

static int all_some_none(void *arg)
{
    (void)arg;
    int err = ask(4);
    err = err < 0 ? err : ask(2);
    return err < 0 ? err : ask(0);
}

/* One generator, and tasks that ask it in turn. */

static int ask_once(void *gen)
{
    int err = consume(gen, 1);
    return err == -EBUSY ? 0 : err;
}

static int share(void *arg)
{
    (void)arg;
    weft_gen *gen;
    weft_scope s;
    int err = open_owned(&gen, numbers);
    if (err < 0)
        return err;
    weft_scope_begin(&s);
    for (int i = 0; i < 3 && err == 0; i++) {
        weft_spawn(&s, ask_once, gen, .eager = i == 1);
        err = weft_sleep(5 * WEFT_MILLISECOND);
    }
    err = weft_scope_leave(&s, err);
    torture_require(weft_gen_close(gen) == 0);
    return err;
}

/* A chain: the task waits in the innermost one, in a scope with tasks and a deadline. */

static int leaf(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_MILLISECOND);
}

static int with_tasks(weft_gen *gen, void *arg)
{
    (void)arg;
    int err = 0;
    begun++;
    for (int i = 0; i < 2 && err == 0; i++) {
        weft_scope s;
        weft_scope_begin(&s, .timeout = WEFT_SECOND);
        weft_spawn(&s, leaf, NULL);
        weft_spawn(&s, leaf, NULL, .eager = true);
        err = weft_scope_end(&s);
        if (err == 0)
            err = weft_yield(gen, &i);
    }
    ended++;
    return err;
}

static int delegate(weft_gen *gen, weft_gen_fn *fn)
{
    weft_gen *inner;
    int err = open_owned(&inner, fn);
    if (err < 0)
        return err;
    err = weft_yield_from(gen, inner);
    torture_require(weft_gen_close(inner) == 0);
    return err;
}

static int middle(weft_gen *gen, void *arg)
{
    (void)arg;
    begun++;
    int err = delegate(gen, with_tasks);
    ended++;
    return err;
}

static int outer(weft_gen *gen, void *arg)
{
    (void)arg;
    begun++;
    int err = delegate(gen, middle);
    err = err < 0 ? err : delegate(gen, numbers);
    ended++;
    return err;
}

static int ask_chain(int most)
{
    weft_gen *gen;
    int err = open_owned(&gen, outer);
    if (err < 0)
        return err;
    err = consume(gen, most);
    if (err == 0)
        err = weft_gen_throw(gen, -EBADF, NULL);
    torture_require(weft_gen_close(gen) == 0);
    return err == -EBADF ? 0 : err;
}

static int chain(void *arg)
{
    (void)arg;
    int err = ask_chain(10);
    err = err < 0 ? err : ask_chain(4);
    return err < 0 ? err : ask_chain(1);
}

static const struct torture_scenario scenarios[] = {
    { "all, some, none", all_some_none, begin, check },
    { "share", share, begin, check },
    { "chain", chain, begin, check },
};

int main(void)
{
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
