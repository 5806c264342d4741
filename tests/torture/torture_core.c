/* Every way in which core waits, under the torture driver. */

#include "torture.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/blocking.h>
#include <weft/error.h>
#include <weft/local.h>
#include <weft/scope.h>
#include <weft/task.h>

/* What the scenarios count. */
static atomic_int taken, dropped; /* arguments that were given away, and that came back */

static void begin(void)
{
    taken = dropped = 0;
}

static void *give_away(void)
{
    atomic_fetch_add(&taken, 1);
    return malloc(16);
}

static void take_back(void *arg)
{
    free(arg);
    atomic_fetch_add(&dropped, 1);
}

/* Abandoned jobs drop theirs when their thread gets there; the driver's alarm ends the wait. */
static void check(int result)
{
    while (atomic_load(&taken) != atomic_load(&dropped))
        sched_yield();
    torture_accept(result);
    if (torture_is_calm())
        torture_require(result == 0);
}

/* Spawn with an argument that is freed once, whatever happens. */
static int spawn_owned(weft_scope *scope, weft_fn *fn, bool eager)
{
    void *arg = give_away();
    int err = weft_spawn(scope, fn, arg, .drop = take_back, .eager = eager);
    if (err < 0)
        take_back(arg);
    return err;
}

/* A tree of tasks, three levels deep. */

static int leaf(void *arg)
{
    (void)arg;
    int err = weft_sleep(0);
    return err < 0 ? err : weft_sleep(WEFT_MILLISECOND);
}

static int branch(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    int err = spawn_owned(&s, leaf, false);
    if (err == 0)
        err = spawn_owned(&s, leaf, true);
    if (err == 0)
        err = weft_sleep(WEFT_MICROSECOND);
    return weft_scope_leave(&s, err);
}

static int tree(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    for (int i = 0; i < 3; i++)
        spawn_owned(&s, branch, i == 1); /* unchecked: a failing spawn fails the scope */
    return weft_scope_end(&s);
}

/* Deadlines inside deadlines. */

static int wait_long(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_HOUR);
}

static int timed_out(int64_t timeout)
{
    weft_scope s;
    weft_scope_begin(&s, .timeout = timeout);
    weft_spawn(&s, wait_long, NULL);
    weft_spawn(&s, leaf, NULL);
    int err = weft_scope_end(&s);
    torture_require(err != 0 || weft_cancelled() == 0);
    return err == -ETIMEDOUT ? 0 : err;
}

static int deadlines(void *arg)
{
    (void)arg;
    weft_scope outer;
    weft_scope_begin(&outer, .timeout = WEFT_MINUTE);
    int err = timed_out(WEFT_SECOND);
    if (err == 0)
        err = timed_out(-1);
    if (err == 0) {
        weft_scope_set_deadline(&outer, weft_now() + 5 * WEFT_SECOND);
        err = weft_sleep(WEFT_SECOND);
    }
    return weft_scope_leave(&outer, err);
}

/* Cleanup behind a shield. */

static int opened, closed;

static void begin_resources(void)
{
    begin();
    opened = closed = 0;
}

static void check_resources(int result)
{
    check(result);
    torture_require(opened == closed);
}

static int use_resource(void *arg)
{
    (void)arg;
    weft_scope shield;
    opened++;
    int err = weft_sleep(WEFT_SECOND);
    weft_scope_begin(&shield, .shield = true, .timeout = WEFT_SECOND);
    weft_sleep(WEFT_MILLISECOND);
    weft_spawn(&shield, leaf, NULL);
    weft_scope_end(&shield);
    closed++;
    return err;
}

static int shields(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s, .timeout = 500 * WEFT_MILLISECOND);
    weft_spawn(&s, use_resource, NULL);
    weft_spawn(&s, use_resource, NULL);
    int err = weft_scope_leave(&s, use_resource(NULL));
    return err == -ETIMEDOUT ? 0 : err;
}

/* Failures and what they cancel. */

static int fail_soon(void *arg)
{
    (void)arg;
    int err = weft_sleep(WEFT_MILLISECOND);
    return err < 0 ? err : -EBADF;
}

static int failures(void *arg)
{
    (void)arg;
    weft_scope s, isolated;
    weft_scope_begin(&s);
    weft_spawn(&s, fail_soon, NULL);
    weft_spawn(&s, wait_long, NULL);
    int err = weft_scope_end(&s);
    torture_require(err < 0 || torture_excuses(-ECANCELED)); /* the one that was to fail */
    if (err != -EBADF)
        return err;
    weft_scope_begin(&isolated, .isolate = true, .name = "isolated");
    weft_spawn(&isolated, fail_soon, NULL, .name = "a name to be copied");
    weft_spawn(&isolated, leaf, NULL);
    err = weft_scope_end(&isolated);
    torture_require(!torture_is_calm() || weft_scope_errors(&isolated, NULL, 0) == 1);
    return err;
}

/* Handles and values. */

static int make_value(void *arg)
{
    (void)arg;
    int err = weft_sleep(WEFT_MILLISECOND);
    return err < 0 ? err : weft_return_owned(give_away(), take_back);
}

static int await_one(weft_task *task)
{
    void *value = NULL;
    int err = weft_await_value(task, &value);
    torture_require(err < 0 || value != NULL);
    return err;
}

static int values(void *arg)
{
    (void)arg;
    weft_task *tasks[3] = { NULL, NULL, NULL };
    int err = 0;
    for (int i = 0; i < 3 && err == 0; i++)
        err = weft_spawn(weft_background(), make_value, NULL, .task = &tasks[i], .eager = i == 2);
    for (int i = 0; i < 3 && err == 0; i++)
        err = await_one(tasks[i]);
    for (int i = 0; i < 3; i++)
        weft_task_release(tasks[i]);
    return err;
}

/* Arguments that are copied. */

static int use_copy(void *arg)
{
    char text[64];
    memcpy(text, arg, sizeof text);
    int err = weft_sleep(WEFT_MILLISECOND);
    torture_require(memcmp(text, arg, sizeof text) == 0);
    return err;
}

static int copies(void *arg)
{
    (void)arg;
    static const uint32_t sizes[] = { 0, 16 << 10, 256 << 10 };
    char text[64] = "copied";
    weft_scope s;
    weft_scope_begin(&s);
    for (int i = 0; i < 6; i++) {
        text[10] = (char)i;
        weft_spawn(&s, use_copy, text, .copy = sizeof text, .stack_size = sizes[i % 3],
                   .name = "copy", .eager = i > 3);
    }
    return weft_scope_end(&s);
}

/* Tasks that cancel one another. */

static int cancel_it(void *arg)
{
    int err = weft_sleep(WEFT_MILLISECOND);
    weft_task_cancel(arg, "by a sibling");
    return err;
}

static int mutual(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_task *victim = NULL;
    weft_scope_begin(&s);
    int err = weft_spawn(&s, wait_long, NULL, .task = &victim);
    if (err == 0)
        err = weft_spawn(&s, cancel_it, victim);
    if (err == 0)
        err = weft_await(victim);
    bool benign = err == -ECANCELED && weft_task_is_cancelled(victim);
    err = weft_scope_leave(&s, benign ? 0 : err);
    weft_task_release(victim);
    return err;
}

/* Blocking functions: bound, on a pool of one thread, abandonable. */

static int add_one(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static int use_owned(void *arg)
{
    return arg ? 0 : -EINVAL;
}

static int call_bound(void *arg)
{
    atomic_int ran = 0;
    int err = weft_blocking(add_one, &ran, .pool = arg);
    torture_require(err < 0 || ran == 1);
    return err;
}

static int call_abandonable(void *arg)
{
    void *owned = give_away();
    int err = weft_blocking(use_owned, owned, .pool = arg, .abandon = take_back);
    if (err != -ECANCELED)
        take_back(owned);
    return err;
}

static int blocking(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_pool *pool;
    int err = weft_pool_open(&pool, .name = "torture", .threads = 1);
    if (err < 0)
        return err;
    weft_scope_begin(&s);
    weft_spawn(&s, call_bound, pool);
    weft_spawn(&s, call_bound, pool);
    weft_spawn(&s, call_abandonable, pool);
    weft_spawn(&s, call_abandonable, pool);
    err = call_bound(pool);
    if (err == 0)
        err = call_abandonable(NULL);
    err = weft_scope_leave(&s, err);
    weft_pool_close(pool);
    return err;
}

/* Posts, notices and callbacks. */

static struct weft_notice notice;
static int heard;

static void hear(void *arg)
{
    (void)arg;
    heard++;
}

static void hear_and_free(void *arg)
{
    heard++;
    take_back(arg);
}

static void hear_again(void *arg)
{
    heard++;
    weft_call_soon(hear, arg);
    weft_spawn(weft_background(), leaf, NULL);
}

static void *post_from_afar(void *arg)
{
    for (int i = 0; i < 5; i++) {
        void *message = give_away();
        if (weft_post(arg, hear_and_free, message, .dropped = take_back) < 0)
            take_back(message);
    }
    weft_loop_release(arg);
    return NULL;
}

static int post_all(weft_loop *loop)
{
    for (int i = 0; i < 3; i++) {
        void *message = give_away();
        int err = weft_post(loop, hear_and_free, message, .dropped = take_back);
        if (err < 0) {
            take_back(message);
            return err;
        }
    }
    return 0;
}

/* With an argument that is freed once, whatever happens. */
static weft_handle call_owned(int64_t delay)
{
    void *arg = give_away();
    weft_handle handle = weft_call_later(delay, hear, arg, .drop = take_back);
    if (!handle.id)
        take_back(arg);
    return handle;
}

static int call_all(void)
{
    weft_handle a = weft_call_soon(hear_again, NULL), b = call_owned(WEFT_SECOND),
                c = call_owned(WEFT_MILLISECOND);
    weft_handle_cancel(b);
    return a.id && b.id && c.id ? 0 : -ENOMEM;
}

static int messages(void *arg)
{
    (void)arg;
    weft_loop *loop = weft_loop_current();
    pthread_t thread;
    heard = 0;
    bool has_thread = pthread_create(&thread, NULL, post_from_afar, weft_loop_retain(loop)) == 0;
    if (!has_thread)
        weft_loop_release(loop);
    weft_notice_init(&notice, loop, hear, NULL);
    int err = post_all(loop);
    if (err == 0)
        err = call_all();
    if (err == 0)
        err = weft_signal_post(&notice);
    if (err == 0)
        err = weft_sleep(WEFT_SECOND / 2);
    torture_require(err < 0 || heard >= 7);
    weft_signal_post(&notice);
    weft_notice_fini(&notice);
    if (has_thread)
        pthread_join(thread, NULL);
    return err;
}

/* Foreign descriptors. */

static int write_late(void *arg)
{
    int err = weft_sleep(WEFT_MILLISECOND);
    if (err == 0 && write(*(int *)arg, "x", 1) != 1)
        err = -EIO;
    return err;
}

static int poll_it(void *arg)
{
    int err = weft_poll_fd(*(int *)arg, WEFT_READABLE);
    return err < 0 ? err : 0;
}

static int poll_pipe(int *pipes)
{
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_SECOND); /* the writer alone may be cancelled */
    weft_spawn(&s, poll_it, &pipes[0]);
    weft_spawn(&s, poll_it, &pipes[0]);
    weft_spawn(&s, write_late, &pipes[1]);
    int err = weft_poll_fd(pipes[1], WEFT_WRITABLE);
    err = weft_scope_leave(&s, err < 0 ? err : 0);
    return err == -ETIMEDOUT && torture_excuses(-ECANCELED) ? -ECANCELED : err;
}

static int polls(void *arg)
{
    (void)arg;
    int pipes[2];
    if (pipe(pipes) < 0)
        return -errno;
    int err = poll_pipe(pipes);
    if (err == 0)
        err = poll_pipe(pipes); /* readable at once */
    close(pipes[0]);
    close(pipes[1]);
    return err;
}

/* What is left in the background when main ends. */

static int background(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        int err = spawn_owned(weft_background(), i == 1 ? use_resource : wait_long, i == 2);
        if (err < 0)
            return err;
    }
    call_owned(WEFT_HOUR);
    return weft_sleep(WEFT_MILLISECOND);
}

/* Task-local values: owned ones that tasks and callbacks share. */

static weft_local first = WEFT_LOCAL("first"), second = WEFT_LOCAL("second");

static int set_value(const weft_local *key)
{
    return weft_local_set_owned(key, give_away(), take_back);
}

static int set_and_sleep(void *arg)
{
    (void)arg;
    torture_require(weft_local_get(&first));
    int err = set_value(&second);
    if (err == 0)
        err = weft_task_set_name(weft_task_self(), "one that has a value");
    if (err == 0)
        err = weft_sleep(WEFT_MILLISECOND);
    torture_require(err < 0 || weft_local_get(&second));
    return err;
}

static int hurry(weft_task *task, void *self)
{
    if (task != self)
        weft_task_cancel(task, "enough");
    return 0;
}

static int inherit(weft_scope *s)
{
    int err = weft_spawn(s, set_and_sleep, NULL);
    if (err == 0)
        err = weft_spawn(s, set_and_sleep, NULL, .eager = true);
    if (err == 0 && !weft_call_soon(hear_again, NULL).id)
        err = -ENOMEM;
    if (err == 0)
        err = set_value(&first);
    if (err == 0)
        err = weft_sleep(0);
    int each = weft_task_each(hurry, weft_task_self());
    return err < 0 ? err : each;
}

static int locals(void *arg)
{
    (void)arg;
    int err = set_value(&first);
    if (err < 0)
        return err;
    torture_require(weft_local_get(&first));
    weft_scope s;
    weft_scope_begin(&s);
    err = weft_scope_leave(&s, inherit(&s));
    if (err == 0)
        err = weft_local_set(&first, NULL);
    return err;
}

int main(void)
{
    static const struct torture_scenario scenarios[] = {
        { "tree", tree, begin, check },
        { "deadlines", deadlines, begin, check },
        { "shields", shields, begin_resources, check_resources },
        { "failures", failures, begin, check },
        { "values", values, begin, check },
        { "copies", copies, begin, check },
        { "mutual", mutual, begin, check },
        { "blocking", blocking, begin, check },
        { "messages", messages, begin, check },
        { "polls", polls, begin, check },
        { "locals", locals, begin, check },
        { "background", background, begin_resources, check_resources },
    };
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
