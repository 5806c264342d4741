/* A user's file in strict C11: everything that a program writes down must compile without a
 * warning, the macros with their designated options above all. Compiled, never run. */

#include <weft.h>
#include <weft/stackless.h>

static int work(void *arg)
{
    return arg ? weft_return(arg) : weft_sleep(WEFT_MILLISECOND);
}

static void call(void *arg)
{
    (void)arg;
}

static int client(weft_stream *stream, void *arg)
{
    char buffer[64];
    (void)arg;
    return (int)weft_read(stream, buffer, sizeof buffer);
}

static int tasks(void *arg)
{
    weft_scope plain, full;
    weft_task *task = NULL;
    weft_task *const constant = task;
    void *value = NULL;

    weft_scope_begin(&plain);
    weft_spawn(&plain, work, arg);
    weft_spawn(&plain, work, &value, .name = "named", .task = &task, .eager = true,
               .stack_size = 16384, .copy = sizeof value, .drop = call);
    weft_scope_begin(&full, .timeout = 2 * WEFT_SECOND, .shield = true, .isolate = true,
                     .name = "full", .deadline = weft_now() + WEFT_HOUR);
    weft_spawn(weft_background(), work, NULL);
    int err = weft_await(constant);
    err = err < 0 ? err : weft_await_value(task, &value);
    weft_task_cancel(task, "enough");
    weft_task_release(task);
    weft_scope_cancel(&full, "enough");
    err = weft_scope_leave(&full, err);
    return err < 0 ? err : weft_scope_end(&plain);
}

static int step(weft_stackless *self, int64_t result)
{
    static weft_future *const future;
    weft_then_await(self, future, step);
    return result < 0 ? (int)result : weft_then_sleep(self, WEFT_SECOND, step);
}

static const weft_stackless_kind plain_kind = WEFT_STACKLESS(step, NULL);
static const weft_stackless_kind named_kind = WEFT_STACKLESS(step, NULL, .name = "named");

static int stackless(weft_scope *scope, weft_stackless *two)
{
    int err = weft_stackless_spawn(scope, &two[0], &plain_kind);
    return err < 0 ? err : weft_stackless_spawn(scope, &two[1], &named_kind);
}

static int numbers(weft_gen *gen, void *arg)
{
    const int *sent = weft_gen_received(gen);
    int err = weft_yield(gen, sent ? sent : arg);
    return err < 0 ? err : weft_yield_from(gen, gen);
}

static int generators(void *arg)
{
    weft_gen *gen;
    int item = 0;
    int err = weft_gen_open(&gen, numbers, arg);

    err = err < 0 ? err
                  : weft_gen_open(&gen, numbers, arg, .item_size = sizeof item, .name = "n",
                                  .drop = call, .stack_size = 16384);
    err = err < 0 ? err : weft_gen_next(gen, &item);
    err = err < 0 ? err : weft_gen_send(gen, &item, &item);
    err = err < 0 ? err : weft_gen_throw(gen, WEFT_ELIMIT, NULL);
    return err < 0 ? err : weft_gen_close(gen);
}

static int intervals(void *arg)
{
    weft_interval every;
    int err = weft_interval_init(&every, WEFT_MINUTE);

    (void)arg;
    err = err < 0 ? err
                  : weft_interval_init(&every, WEFT_MINUTE, .policy = WEFT_INTERVAL_BURST,
                                       .first = -1, .jitter = WEFT_SECOND);
    err = err < 0 ? err : (int)weft_interval_next(&every);
    return err < 0 ? err : weft_sleep_until(weft_deadline(WEFT_SECOND));
}

static int streams(void *address)
{
    weft_listener *listener;
    weft_stream *stream;
    int err = weft_listen(&listener, "127.0.0.1:0", .backlog = 10);

    err = err < 0 ? err : weft_serve_on(listener, client, .max_clients = 10, .drain = WEFT_SECOND);
    err = err < 0 ? err : weft_serve(address, client);
    err = err < 0 ? err : weft_serve("[::]:7777", client, .arg = address);
    err = err < 0 ? err : weft_connect(&stream, "mem:name");
    err = err < 0 ? err : weft_connect(&stream, "db:5432", .linger = -1);
    return err;
}

static int spread(void *arg)
{
    weft_broadcast news;
    weft_subscription mine;
    weft_watch watch;
    weft_token token, below;
    weft_tracker tracker;
    weft_scope scope;
    uint64_t seen = 0;
    int item = 0, value = 0;
    int err = weft_broadcast_init(&news, sizeof item, 16);

    err = err < 0 ? err : weft_broadcast_init(&news, sizeof item, 16, .wait_for_slowest = true);
    err = err < 0 ? err : weft_subscription_begin(&mine, &news);
    err = err < 0 ? err : weft_watch_init(&watch, sizeof value, &value);
    err = err < 0 ? err : weft_token_init(&token, NULL);
    err = err < 0 ? err : weft_token_init(&below, &token);
    weft_tracker_init(&tracker);
    err = err < 0 ? err : weft_tracker_spawn(&tracker, work, arg);
    weft_scope_begin(&scope);
    err = err < 0 ? err
                  : weft_tracker_spawn(&tracker, work, arg, .scope = &scope, .drop = call,
                                       .name = "named");
    err = err < 0 ? err : weft_token_bind(&below, &scope);
    weft_case cases[] = { weft_case_subscription(&mine, &item),
                          weft_case_watch(&watch, &seen, &value), weft_case_token(&token) };
    ssize_t index = weft_select(cases, 3);
    return weft_scope_leave(&scope, err < 0 ? err : (int)index);
}

static int pools(void *arg)
{
    weft_pool *pool;
    int err = weft_pool_open(&pool);

    err = err < 0 ? err : weft_pool_open(&pool, .name = "files", .threads = 2);
    err = err < 0 ? err : weft_blocking(work, arg);
    err = err < 0 ? err : weft_blocking(work, arg, .pool = pool, .abandon = call);
    weft_pool_close(pool);
    return err;
}

int main(void)
{
    weft_loop *loop;
    int err = weft_loop_new(&loop);

    err = err < 0 ? err : weft_loop_new(&loop, .backend = "epoll", .stack_size = 65536);
    weft_call_soon(call, NULL);
    weft_call_soon(call, loop, .drop = call, .name = "named");
    weft_handle_cancel(weft_call_later(WEFT_SECOND, call, loop));
    weft_handle_cancel(weft_call_later(WEFT_SECOND, call, loop, .drop = call));
    weft_handle_cancel(weft_call_at(weft_deadline(WEFT_SECOND), call, loop, .drop = call));
    weft_post(loop, call, NULL);
    weft_post(loop, call, NULL, .dropped = call);
    static weft_stackless two[2];
    stackless(weft_loop_background(loop), two);
    weft_loop_free(loop);
    err = err < 0 ? err : weft_run(tasks, "argument");
    err = err < 0 ? err : weft_run(generators, NULL);
    err = err < 0 ? err : weft_run(intervals, NULL);
    err = err < 0 ? err : weft_run(spread, NULL);
    err = err < 0 ? err : weft_run(streams, NULL, .grace = WEFT_SECOND, .clock = WEFT_CLOCK_TEST);
    return err < 0 ? err : weft_run(pools, NULL, .no_signals = true);
}
