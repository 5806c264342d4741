/* Waiting for several, and for one no longer than so long, under the torture driver.
 *
 * Besides what torture_note.c asks for: who owns what it waits for leaves nothing running, who only
 * looks on cancels nothing, and what is reported of each one is what became of it. */

#include "owned.h"

#include <limits.h>
#include <weft/blocking.h>
#include <weft/future.h>
#include <weft/generator.h>
#include <weft/inspect.h>
#include <weft/scope.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* The first error of several. */
static int first_of(int err, int next)
{
    return err < 0 ? err : next;
}

/* A dump of whatever stands at the moment. */

static int take_text(void *context, const char *text, size_t size)
{
    (void)context;
    torture_require(text && size > 0);
    return 0;
}

static void dump(void)
{
    torture_require(weft_dump_to(take_text, NULL) == 0);
}

/* A future that a callback sets with the number, so many milliseconds from now. */

static void set_it(void *future)
{
    int err = weft_future_set_owned(future, own(7), give_back);
    torture_require(err == 0 || err == -ECANCELED);
}

static void release(void *future)
{
    weft_future_release(future);
}

static weft_future *set_in(int64_t milliseconds)
{
    weft_future *future = weft_future_new();
    if (!future)
        return NULL;
    weft_future_retain(future);
    if (weft_call_later(milliseconds * WEFT_MILLISECOND, set_it, future, .drop = release).id == 0) {
        set_it(future);
        weft_future_release(future);
    }
    return future;
}

/* One of each kind, to be gathered. */

#define LOT       6
#define UNTOUCHED INT_MIN

struct lot {
    weft_awaitable *list[LOT];
    int results[LOT];
    void *values[LOT];
    weft_task *task;
    weft_future *future, *timer;
    int coros; /* in front */
};

static void open_lot(struct lot *lot, weft_fn *fn, int coros)
{
    *lot = (struct lot){ .coros = coros };
    for (int i = 0; i < LOT; i++)
        lot->results[i] = UNTOUCHED;
    lot->task = owned_task(fn, 3);
    lot->future = set_in(2);
    lot->timer = weft_sleep_future(4 * WEFT_MILLISECOND);
    lot->list[0] = coros > 0 ? weft_any(owned_coro(in_a_while, 1)) : weft_any(lot->future);
    lot->list[1] = coros > 1 ? weft_any(owned_coro(fn, 2)) : weft_any(lot->timer);
    lot->list[2] = weft_any(lot->task);
    lot->list[3] = weft_any(lot->future);
    lot->list[4] = weft_any(lot->timer);
    lot->list[5] = lot->list[0]; /* awaited once */
}

static bool is_complete(const struct lot *lot)
{
    for (int i = 0; i < LOT; i++)
        if (!lot->list[i])
            return false;
    return true;
}

/* The pointers of coroutines are ours, also when others have failed. */
static void free_lot(struct lot *lot)
{
    torture_require(lot->coros == 0 || lot->values[5] == lot->values[0]);
    for (int i = 0; i < lot->coros; i++)
        if (lot->values[i])
            give_back(lot->values[i]);
    weft_task_release(lot->task);
    weft_future_release(lot->future);
    weft_future_release(lot->timer);
}

static int number_in(const struct lot *lot, int i)
{
    return lot->values[i] ? number_of(lot->values[i]) : 0;
}

static void judge_one(const struct lot *lot, int i, enum weft_on_error on_error)
{
    int result = lot->results[i];
    if (result >= 0)
        torture_require(number_in(lot, i) > 0 || lot->list[i] == weft_any(lot->timer));
    else
        torture_require(is_due(result, -EBADF) || result == -ECANCELED ||
                        (result == -EAGAIN && on_error == WEFT_RETURN_FIRST));
}

/* It did not begin: each result says why. */
static bool is_refused(const struct lot *lot, int err)
{
    bool all = err < 0 && err != -ECANCELED;
    for (int i = 0; i < LOT; i++)
        all = all && lot->results[i] == err;
    return all;
}

/* Those who own what they wait for have waited for it. */
static void judge(const struct lot *lot, int err, enum weft_on_error on_error)
{
    bool touched = !is_refused(lot, err);
    torture_require(lot->results[0] != UNTOUCHED);
    torture_require(is_complete(lot) || err < 0);
    for (int i = 0; i < LOT && touched; i++) {
        judge_one(lot, i, on_error);
        torture_require(err < 0 || lot->results[i] >= 0);
        torture_require(i < lot->coros || (i == 5 && lot->coros) || on_error == WEFT_RETURN_FIRST ||
                        weft_is_done(lot->list[i]));
    }
}

/* With a failure among them, or without. */
static int gather(weft_fn *fn, enum weft_on_error on_error)
{
    struct lot lot;
    open_lot(&lot, fn, on_error == WEFT_RETURN_FIRST ? 0 : 2);
    int err = weft_gather(lot.list, LOT, .on_error = (uint8_t)on_error, .results = lot.results,
                          .values = lot.values);
    dump();
    judge(&lot, err, on_error);
    torture_require(is_due(err, fn == fail_in_a_while ? -EBADF : 0));
    free_lot(&lot);
    return err == -EBADF ? 0 : err;
}

static int gather_all(void *arg)
{
    (void)arg;
    int err = gather(in_a_while, WEFT_WAIT_ALL);
    return first_of(err, gather(fail_in_a_while, WEFT_WAIT_ALL));
}

static int gather_or_cancel(void *arg)
{
    (void)arg;
    int err = gather(in_a_while, WEFT_CANCEL_REST);
    return first_of(err, gather(fail_in_a_while, WEFT_CANCEL_REST));
}

static int gather_first(void *arg)
{
    (void)arg;
    int err = gather(in_a_while, WEFT_RETURN_FIRST);
    return first_of(err, gather(fail_in_a_while, WEFT_RETURN_FIRST));
}

/* Nobody asks for the results: pointers are dropped, further failures logged. */
static int gather_blindly(void *arg)
{
    (void)arg;
    weft_awaitable *list[] = { weft_any(owned_coro(in_a_while, 1)),
                               weft_any(owned_coro(fail_in_a_while, 1)),
                               weft_any(owned_coro(fail_in_a_while, 2)),
                               weft_any(owned_coro(at_once, 2)) };
    int err = weft_gather(list, COUNT(list));
    torture_require(is_due(err, -EBADF));
    torture_accept(weft_gather(list, 0));
    return err == -EBADF ? 0 : err;
}

/* Gathers in gathers: a tree of coroutines, three levels deep. */

static int gather_tree(void *arg);

static int sum_of(void *const values[], size_t count)
{
    int sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (!values[i])
            continue;
        sum += number_of(values[i]);
        give_back(values[i]);
    }
    return sum;
}

static int gather_tree(void *arg)
{
    int depth = number_of(arg);
    if (depth == 0)
        return in_a_while(arg);
    weft_awaitable *list[] = { weft_any(owned_coro(gather_tree, depth - 1)),
                               weft_any(owned_coro(gather_tree, depth - 1)),
                               weft_any(owned_coro(in_a_while, depth)) };
    void *values[3] = { NULL };
    int err = weft_gather(list, 3, .on_error = depth % 2 ? WEFT_CANCEL_REST : WEFT_WAIT_ALL,
                          .values = values);
    dump();
    int sum = sum_of(values, 3);
    return err < 0 ? err : weft_return_owned(own(sum), give_back);
}

static int nested(void *arg)
{
    (void)arg;
    int sum = await_number_of(owned_coro(gather_tree, 2));
    torture_accept(sum);
    torture_require(sum < 0 || sum == 2 * (1 + 1 + 2) + 3);
    return sum;
}

/* Looking on. */

#define WATCHED 5 /* more than have their seats inline */

struct watched {
    weft_awaitable *list[WATCHED];
    weft_task *tasks[3];
    weft_future *futures[2];
};

static void open_watched(struct watched *w, weft_fn *second)
{
    w->tasks[0] = owned_task(in_a_while, 3);
    w->tasks[1] = owned_task(second, 1);
    w->tasks[2] = owned_task(in_a_while, 2);
    w->futures[0] = set_in(4);
    w->futures[1] = weft_sleep_future(5 * WEFT_MILLISECOND);
    for (int i = 0; i < 3; i++)
        w->list[i] = weft_any(w->tasks[i]);
    w->list[3] = weft_any(w->futures[0]);
    w->list[4] = weft_any(w->futures[1]);
}

static void close_watched(struct watched *w)
{
    for (int i = 0; i < 3; i++)
        weft_task_release(w->tasks[i]);
    weft_future_release(w->futures[0]);
    weft_future_release(w->futures[1]);
}

static int result_of(weft_awaitable *awaitable)
{
    return weft_future_result((weft_future *)awaitable, NULL);
}

static int look_any(struct watched *w)
{
    int i = (int)weft_wait_any(w->list, WATCHED, WEFT_FOREVER);
    torture_accept(i);
    torture_require(i < 0 || (i < WATCHED && weft_is_done(w->list[i])));
    torture_require(i == 1 || !torture_is_calm());
    return i < 0 ? i : 0;
}

static int look_for_errors(struct watched *w, bool fails)
{
    int i = (int)weft_wait_first_error(w->list, WATCHED, WEFT_FOREVER);
    torture_accept(i);
    torture_require(i < 0 || i == WATCHED || result_of(w->list[i]) < 0);
    torture_require(i == (fails ? 1 : WATCHED) || !torture_is_calm());
    return i < 0 ? i : 0;
}

static int look_all(struct watched *w)
{
    int early = weft_wait_all(w->list, WATCHED, WEFT_MILLISECOND / 2);
    torture_require(is_due(early, -ETIMEDOUT) || early == 0);
    int err = weft_wait_all(w->list, WATCHED, WEFT_FOREVER);
    torture_accept(err);
    for (int i = 0; i < WATCHED && err == 0; i++)
        torture_require(weft_is_done(w->list[i]));
    return err;
}

static int look_on_at(weft_fn *second)
{
    struct watched w;
    open_watched(&w, second);
    int err = look_any(&w);
    err = first_of(err, look_for_errors(&w, second == fail_in_a_while));
    err = first_of(err, look_all(&w));
    close_watched(&w);
    return err;
}

static int look_on(void *arg)
{
    (void)arg;
    int err = look_on_at(in_a_while);
    return first_of(err, look_on_at(fail_in_a_while));
}

/* In the order in which they are done; each once. A cancel in between loses nothing. */
static int iterate(struct watched *w, int most)
{
    weft_completed completed;
    size_t index, seen = 0;
    int more = weft_completed_begin(&completed, w->list, WATCHED);
    torture_accept(more);
    for (int n = 0; n < most && more >= 0; n++) {
        more = weft_completed_next(&completed, &index);
        torture_accept(more);
        if (more <= 0)
            break;
        torture_require(weft_is_done(w->list[index]) && !(seen & 1u << index));
        seen |= 1u << index;
    }
    torture_require(more != 0 || seen == (1u << WATCHED) - 1);
    dump();
    weft_completed_end(&completed);
    weft_completed_end(&completed);
    return more < 0 ? more : 0;
}

static int completed(void *arg)
{
    (void)arg;
    struct watched w;
    open_watched(&w, fail_in_a_while);
    int err = iterate(&w, 2);
    err = first_of(err, iterate(&w, WATCHED + 1));
    close_watched(&w);
    return err;
}

/* One, and no longer than so long. */

static int wait_for_coros(void)
{
    void *value = NULL;
    int err = weft_wait_for_value(owned_coro(in_a_while, 1), WEFT_SECOND, &value);
    torture_accept(err);
    if (value)
        give_back(value);
    int late = weft_wait_for(owned_coro(in_a_while, 1000), WEFT_MILLISECOND);
    torture_require(is_due(late, -ETIMEDOUT));
    torture_require(is_due(weft_wait_for(owned_coro(at_once, 1), 0), -ETIMEDOUT));
    return first_of(err, late == -ETIMEDOUT ? 0 : late);
}

static int wait_for_task(int milliseconds, int due)
{
    void *value = NULL;
    weft_task *task = owned_task(in_a_while, milliseconds);
    int err = weft_wait_for_value(task, 10 * WEFT_MILLISECOND, &value);
    torture_require(is_due(err, due));
    torture_require(!task || weft_task_is_done(task) || err == -ENOMEM);
    torture_require(err < 0 || number_of(value) == milliseconds + 1);
    weft_task_release(task);
    return err == -ETIMEDOUT ? 0 : err;
}

static int wait_for_future(int milliseconds, int due)
{
    void *value = NULL;
    weft_future *future = set_in(milliseconds);
    int err = weft_wait_for_value(future, 10 * WEFT_MILLISECOND, &value);
    bool early = torture_excuses(-ENOMEM); /* it was set at once */
    torture_require(is_due(err, due) || (early && err == 0));
    torture_require(!future || weft_is_done(future) || err == -ENOMEM);
    torture_require(err < 0 || number_of(value) == 7);
    int again = weft_wait_for(future, 0);
    torture_require(again == 0 || again == -ECANCELED || torture_excuses(again));
    weft_future_release(future);
    return err == -ETIMEDOUT ? 0 : err;
}

static int wait_for(void *arg)
{
    (void)arg;
    int err = wait_for_coros();
    err = first_of(err, wait_for_task(2, 0));
    err = first_of(err, wait_for_task(1000, -ETIMEDOUT));
    err = first_of(err, wait_for_future(2, 0));
    return first_of(err, wait_for_future(1000, -ETIMEDOUT));
}

/* Only the waiting stops. */
static int with_timeout(void *arg)
{
    (void)arg;
    weft_task *task = owned_task(in_a_while, 20);
    weft_future *future = set_in(20);
    int late = weft_with_timeout(task, 10 * WEFT_MILLISECOND);
    torture_require(is_due(late, -ETIMEDOUT));
    int err = weft_with_timeout(future, 5 * WEFT_MILLISECOND);
    torture_require(is_due(err, -ETIMEDOUT) || torture_excuses(-ENOMEM));
    void *value = NULL;
    err = weft_with_timeout_value(task, WEFT_SECOND, &value);
    torture_accept(err);
    torture_require(err < 0 || number_of(value) == 21);
    err = first_of(err, weft_with_timeout(future, WEFT_FOREVER));
    torture_accept(err);
    weft_task_release(task);
    weft_future_release(future);
    return err;
}

/* What it shields goes on, whatever becomes of who waits. */

static int shielded_begun, shielded_ended;

static int shielded_body(void *arg)
{
    shielded_begun++;
    int err = in_a_while(arg);
    shielded_ended++;
    return err;
}

static int shield_in_scope(void *arg)
{
    (void)arg;
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = WEFT_MILLISECOND);
    int err = weft_shield(owned_coro(shielded_body, 3));
    torture_require(err < 0 || torture_excuses(-ECANCELED));
    return weft_scope_leave(&scope, err);
}

static int shield(void *arg)
{
    (void)arg;
    void *value = NULL;
    shielded_begun = shielded_ended = 0;
    int err = weft_shield_value(owned_coro(shielded_body, 1), &value);
    torture_accept(err);
    if (err >= 0) {
        torture_require(number_of(value) == 2);
        give_back(value);
    }
    int late = shield_in_scope(NULL);
    torture_require(is_due(late, -ETIMEDOUT) || torture_excuses(-ECANCELED));
    int slept = weft_sleep(10 * WEFT_MILLISECOND);
    torture_require(slept < 0 || shielded_begun == shielded_ended);
    return first_of(err, slept);
}

static void check_shield(int result)
{
    torture_require(shielded_begun == shielded_ended);
    owned_check(result);
}

/* Blocking functions in all of this. They never take long: real time passes while they run. */

static int compute(void *arg)
{
    return number_of(arg) * 2;
}

static int block(void *arg)
{
    int result = weft_blocking(compute, arg);
    return result < 0 ? result : weft_return_owned(own(result), give_back);
}

static int block_and_leave(void *arg)
{
    void *job = own(number_of(arg));
    int result = weft_blocking(compute, job, .abandon = give_back);
    if (result != -ECANCELED)
        give_back(job);
    return result;
}

static int blocking(void *arg)
{
    (void)arg;
    weft_task *task = owned_task(block_and_leave, 4);
    weft_awaitable *list[] = { weft_any(owned_coro(block, 1)), weft_any(owned_coro(block, 2)),
                               weft_any(owned_coro(block_and_leave, 3)), weft_any(task),
                               weft_any(owned_coro(in_a_while, 1)) };
    void *values[COUNT(list)] = { NULL };
    int err = weft_gather(list, COUNT(list), .on_error = WEFT_CANCEL_REST, .values = values);
    torture_accept(err);
    torture_require(err < 0 || weft_task_result(task, NULL) == 8);
    int sum = sum_of(values, COUNT(list));
    torture_require(err < 0 || sum == 2 + 4 + 2);
    weft_task_release(task);
    int result = weft_wait_for(owned_coro(block_and_leave, 5), WEFT_HOUR);
    torture_accept(result);
    torture_require(result < 0 || result == 10);
    return first_of(err, result);
}

/* All of it inside one another: a limit around a gather, whose coroutines shield, gather and wait
 * with limits of their own. */

static int limited(void *arg)
{
    int err = weft_wait_for(owned_coro(in_a_while, 1000), number_of(arg) * WEFT_MILLISECOND);
    torture_require(is_due(err, -ETIMEDOUT) || err == -ECANCELED);
    return err == -ETIMEDOUT ? at_once(arg) : err;
}

static int shielding(void *arg)
{
    void *value = NULL;
    int err = weft_shield_value(owned_coro(in_a_while, number_of(arg)), &value);
    torture_accept(err == -ECANCELED ? 0 : err); /* the limit around it */
    return err < 0 ? err : weft_return_owned(value, give_back);
}

static int mixed(void *arg)
{
    weft_task *task = owned_task(limited, 2);
    weft_awaitable *list[] = { weft_any(owned_coro(limited, 1)), weft_any(owned_coro(shielding, 3)),
                               weft_any(owned_coro(gather_tree, 1)), weft_any(task) };
    void *values[COUNT(list)] = { NULL };
    int err = weft_gather(list, COUNT(list), .on_error = WEFT_CANCEL_REST, .values = values);
    torture_require(!task || weft_task_is_done(task) || err == -ENOMEM);
    values[3] = NULL; /* the task's */
    int sum = sum_of(values, COUNT(list));
    weft_task_release(task);
    return err < 0 ? err : sum + number_of(arg);
}

static int inside(void *arg)
{
    (void)arg;
    int sum = weft_wait_for(owned_coro(mixed, 100), WEFT_SECOND);
    torture_accept(sum);
    torture_require(sum < 0 || sum == 100 + 2 + 4 + (1 + 1 + 2));
    int late = weft_wait_for(owned_coro(mixed, 100), 2 * WEFT_MILLISECOND);
    torture_require(is_due(late, -ETIMEDOUT));
    return first_of(sum, late == -ETIMEDOUT ? 0 : late);
}

/* Refused lists: whoever is refused has taken the coroutines. */
static int refused(void *arg)
{
    (void)arg;
    weft_future *future = set_in(1);
    weft_awaitable *list[] = { weft_any(owned_coro(at_once, 1)), weft_any(future),
                               weft_any(owned_coro(at_once, 2)) };
    int err = weft_gather(list, COUNT(list), .on_error = WEFT_RETURN_FIRST);
    torture_require(is_due(err, -EINVAL));
    list[0] = weft_any(owned_coro(at_once, 3));
    list[2] = NULL;
    torture_require(weft_gather(list, COUNT(list)) < 0);
    torture_require(is_due(weft_with_timeout(owned_coro(at_once, 1), 1), -EINVAL));
    weft_completed none;
    list[0] = weft_any(owned_coro(at_once, 4));
    torture_require(is_due(weft_completed_begin(&none, list, 2), -EINVAL));
    torture_require(weft_completed_next(&none, &(size_t){ 0 }) == 0);
    weft_completed_end(&none);
    err = weft_await(future);
    torture_accept(err);
    weft_future_release(future);
    return err;
}

/* Two tasks that would wait for each other. */

static weft_task *partners[2];

static int await_partner(void *arg)
{
    int err = weft_await(partners[number_of(arg)]);
    torture_require(is_due(err, -EDEADLK) || err >= 0);
    return err == -EDEADLK ? 0 : err;
}

static int deadlock(void *arg)
{
    (void)arg;
    partners[0] = owned_task(await_partner, 1);
    partners[1] = owned_task(await_partner, 0);
    weft_awaitable *both[] = { weft_any(partners[0]), weft_any(partners[1]) };
    int err = weft_gather(both, 2);
    torture_accept(err);
    if (!weft_is_done(both[0]) || !weft_is_done(both[1])) /* the gather was refused */
        err = first_of(err, weft_sleep(WEFT_MILLISECOND));
    for (int i = 0; i < 2; i++) {
        weft_task_cancel(partners[i], "its partner is forgotten");
        weft_task_release(partners[i]);
    }
    return err;
}

/* A circle of three, each of which waits in another way. Who closes it is told, and its failure is
 * what the others get, or they are cancelled. */

static weft_task *circle[3];

static int gather_next(void *arg)
{
    (void)arg;
    return weft_gather((weft_awaitable *[]){ weft_any(circle[1]) }, 1);
}

static int wait_for_next(void *arg)
{
    (void)arg;
    return weft_wait_for(circle[2], WEFT_HOUR);
}

static int look_at_next(void *arg)
{
    (void)arg;
    return weft_wait_all((weft_awaitable *[]){ weft_any(circle[0]) }, 1, WEFT_FOREVER);
}

static int in_a_circle(void *arg)
{
    (void)arg;
    int err = 0, told = 0;
    circle[0] = owned_task(gather_next, 0);
    circle[1] = owned_task(wait_for_next, 1);
    circle[2] = owned_task(look_at_next, 2);
    for (int i = 0; i < 3; i++) {
        int result = weft_with_timeout(circle[i], WEFT_MINUTE);
        torture_require(result >= 0 || is_due(result, -EDEADLK));
        told += result == -EDEADLK;
        err = result == -EDEADLK ? err : first_of(err, result);
    }
    torture_require(told == 3 || !torture_is_calm());
    for (int i = 0; i < 3; i++) {
        weft_task_cancel(circle[i], "the circle is forgotten");
        weft_task_release(circle[i]);
    }
    return err;
}

/* A generator whose items are gathered, closed in the middle. */

static int yield_sums(weft_gen *gen, void *arg)
{
    int err = 0;
    for (int i = 1; err == 0 && i <= number_of(arg); i++) {
        void *value = NULL;
        err = weft_wait_for_value(owned_coro(gather_tree, 1), WEFT_SECOND, &value);
        int sum = err < 0 ? 0 : number_of(value);
        if (value)
            give_back(value);
        if (err >= 0)
            err = weft_yield(gen, &sum);
    }
    return err;
}

static int generated(void *arg)
{
    (void)arg;
    weft_gen *gen;
    void *count = own(3);
    int sum,
        err = weft_gen_open(&gen, yield_sums, count, .item_size = sizeof sum, .drop = give_back);
    if (err < 0) {
        give_back(count);
        return err;
    }
    for (int i = 0; i < 2 && err >= 0; i++) {
        err = weft_gen_next(gen, &sum);
        torture_accept(err);
        torture_require(err <= 0 || sum == 1 + 1 + 2);
    }
    torture_require(weft_gen_close(gen) == 0);
    return err < 0 ? err : 0;
}

static const char *const looks_on[] = { "only looks on", "goes on after", NULL };
static const char *const own_end[] = { "would wait for its own end", NULL };

int main(void)
{
    static const struct torture_scenario scenarios[] = {
        { "gather, wait all", gather_all, owned_begin, owned_check, .strict = true },
        { "gather, cancel rest", gather_or_cancel, owned_begin, owned_check, .strict = true },
        { "gather, return first", gather_first, owned_begin, owned_check, .strict = true },
        { "gather, blindly", gather_blindly, owned_begin, owned_check, .strict = true },
        { "gather, nested", nested, owned_begin, owned_check, .strict = true, .debug = true },
        { "look on", look_on, owned_begin, owned_check, .strict = true },
        { "completed", completed, owned_begin, owned_check, .strict = true },
        { "wait for", wait_for, owned_begin, owned_check, .strict = true },
        { "with timeout", with_timeout, owned_begin, owned_check, .strict = true },
        { "shield", shield, owned_begin, check_shield, .strict = true },
        { "inside", inside, owned_begin, owned_check, .strict = true },
        { "refused", refused, owned_begin, owned_check, .strict = true, .says = looks_on },
        { "deadlock", deadlock, owned_begin, owned_check, .strict = true, .says = own_end },
        { "circle", in_a_circle, owned_begin, owned_check, .strict = true, .says = own_end },
        { "generated", generated, owned_begin, owned_check, .strict = true },
        { "blocking", blocking, owned_begin, owned_check, .strict = true },
    };
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
