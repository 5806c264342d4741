#ifndef WF_TESTS_TORTURE_OWNED_H
#define WF_TESTS_TORTURE_OWNED_H

/* Arguments and results that are somebody's to free, and a count of them: what was given away has
 * come back exactly once when the run is over, whatever has failed. One program, one count. */

#include "torture.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <weft/coro.h>
#include <weft/error.h>
#include <weft/task.h>
#include <weft/wait.h>

#define OWNED_ALIVE 0x5ca1ab1e
#define OWNED_DEAD  0xdeadbea7

static atomic_int given, returned;

struct owned {
    unsigned state;
    int number;
};

static inline void owned_begin(void)
{
    atomic_store(&given, 0);
    atomic_store(&returned, 0);
}

/* Abandoned jobs give theirs back when their thread gets there; the driver's alarm ends the wait.
 */
static inline void owned_check(int result)
{
    while (atomic_load(&given) != atomic_load(&returned))
        sched_yield();
    torture_accept(result);
}

static inline void *own(int number)
{
    struct owned *owned = malloc(sizeof *owned);
    torture_require(owned);
    *owned = (struct owned){ OWNED_ALIVE, number };
    atomic_fetch_add(&given, 1);
    return owned;
}

static inline int number_of(const void *arg)
{
    const struct owned *owned = arg;
    torture_require(owned->state == OWNED_ALIVE);
    return owned->number;
}

static inline void give_back(void *arg)
{
    struct owned *owned = arg;
    torture_require(owned->state == OWNED_ALIVE);
    owned->state = OWNED_DEAD;
    free(owned);
    atomic_fetch_add(&returned, 1);
}

/* Await a coroutine and take its number: that, or the error. */
static inline int await_number_of(weft_coro *coro)
{
    void *value = NULL;
    int err = weft_await_value(coro, &value);
    if (err < 0)
        return err;
    int number = number_of(value);
    give_back(value);
    return number;
}

/* A coroutine of `fn` with a number of its own; NULL: the number has come back. */
static inline weft_coro *owned_coro_of(weft_fn *fn, const char *name, int number)
{
    void *arg = own(number);
    weft_coro *coro = weft_coro_new(fn, arg, .name = name, .drop = give_back);
    if (!coro)
        give_back(arg);
    return coro;
}

#define owned_coro(fn, number) owned_coro_of((fn), #fn, (number))

/* A task of such a coroutine. */
#define owned_task(fn, number) weft_create_task(owned_coro((fn), (number)))

/* Bodies. */

/* The next number, at once. */
static inline int at_once(void *arg)
{
    return weft_return_owned(own(number_of(arg) + 1), give_back);
}

/* The next number, so many milliseconds later. */
static inline int in_a_while(void *arg)
{
    int err = weft_sleep(number_of(arg) * WEFT_MILLISECOND);
    return err < 0 ? err : at_once(arg);
}

/* -EBADF, so many milliseconds later. */
static inline int fail_in_a_while(void *arg)
{
    int err = weft_sleep(number_of(arg) * WEFT_MILLISECOND);
    return err < 0 ? err : -EBADF;
}

/* Whether an error is this one, or what the run explains. */
static inline bool is_due(int err, int due)
{
    return err == due || torture_excuses(err);
}

#endif
