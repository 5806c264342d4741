/* What tasks, futures, callbacks, timers and scopes cost, each beside the least that could do it by
 * hand (bench/floor/task_floor.h), and some beside what comes nearest in Go and in CPython's
 * asyncio (bench/peers/), where those are on the machine. Figures mean something in a release
 * build only.
 *
 *     bench_spawn [--help] */

#include "floor/task_floor.h"
#include "table.h"

#include <string.h>
#include <weft.h>

/* Tasks. */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int spawn_and_join(void *arg)
{
    struct row *row = arg;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        weft_scope scope;
        weft_scope_begin(&scope);
        weft_spawn(&scope, nothing, NULL);
        weft_scope_end(&scope);
    }
    return row_finish(row, start);
}

static int spawn_and_await(void *arg)
{
    struct row *row = arg;
    weft_scope scope;
    weft_scope_begin(&scope);
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        weft_task *task;
        weft_spawn(&scope, nothing, NULL, .task = &task);
        weft_await(task);
        weft_task_release(task);
    }
    row_finish(row, start);
    return weft_scope_end(&scope);
}

static int spawn_many_and_join(void *arg)
{
    enum { MANY = 1000 };
    struct row *row = arg;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i += MANY) {
        weft_scope scope;
        weft_scope_begin(&scope);
        for (int k = 0; k < MANY; k++)
            weft_spawn(&scope, nothing, NULL);
        weft_scope_end(&scope);
    }
    return row_finish(row, start);
}

static int spawn_eagerly_and_join(void *arg)
{
    struct row *row = arg;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        weft_scope scope;
        weft_scope_begin(&scope);
        weft_spawn(&scope, nothing, NULL, .eager = true);
        weft_scope_end(&scope);
    }
    return row_finish(row, start);
}

static int await_done(void *arg)
{
    struct row *row = arg;
    weft_scope scope;
    weft_task *task;
    weft_scope_begin(&scope);
    weft_spawn(&scope, nothing, NULL, .task = &task, .eager = true);
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++)
        bench_keep((uint64_t)weft_await(task));
    row_finish(row, start);
    weft_task_release(task);
    return weft_scope_end(&scope);
}

static int await_ready(void *arg)
{
    struct row *row = arg;
    weft_future *future = weft_future_new();
    weft_future_set(future, NULL);
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++)
        bench_keep((uint64_t)weft_await(future));
    row_finish(row, start);
    weft_future_release(future);
    return 0;
}

static int call_and_release(void *arg)
{
    struct row *row = arg;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++)
        weft_future_release(weft_call(nothing, NULL));
    return row_finish(row, start);
}

static int gather_a_thousand(void *arg)
{
    enum { MANY = 1000 };
    struct row *row = arg;
    static weft_awaitable *list[MANY];
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i += MANY) {
        for (int k = 0; k < MANY; k++)
            list[k] = weft_any(weft_coro_new(nothing, NULL));
        weft_gather(list, MANY);
    }
    return row_finish(row, start);
}

/* Turns: the others yield until told to end, so one turn of ours is one of each. */

static int yield_until(void *arg)
{
    const bool *over = arg;
    while (!*over)
        weft_sleep(0);
    return 0;
}

static int yield_in_turn(void *arg)
{
    struct row *row = arg;
    bool over = false;
    weft_scope scope;
    weft_scope_begin(&scope);
    for (int i = 1; i < row->tasks; i++)
        weft_spawn(&scope, yield_until, &over);
    weft_sleep(0);
    weft_sleep(0);
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i += row->tasks)
        weft_sleep(0);
    row_finish(row, start);
    over = true;
    return weft_scope_end(&scope);
}

/* Callbacks and timers. */

static void add_one(void *arg)
{
    ++*(long *)arg;
}

static int call_soon_and_run(void *arg)
{
    enum { BATCH = 100 };
    struct row *row = arg;
    long sum = 0;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i += BATCH) {
        for (int k = 0; k < BATCH; k++)
            weft_call_soon(add_one, &sum);
        weft_sleep(0);
    }
    row_finish(row, start);
    return sum == row->count ? 0 : -EIO;
}

static int call_at_and_cancel(void *arg)
{
    struct row *row = arg;
    int64_t when = weft_now() + WEFT_SECOND;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++)
        weft_handle_cancel(weft_call_at(when, add_one, NULL));
    return row_finish(row, start);
}

static int call_later_and_cancel(void *arg)
{
    struct row *row = arg;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++)
        weft_handle_cancel(weft_call_later(WEFT_SECOND, add_one, NULL));
    return row_finish(row, start);
}

/* Scopes. */

static int begin_and_end(void *arg)
{
    struct row *row = arg;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        weft_scope scope;
        weft_scope_begin(&scope);
        bench_keep((uint64_t)weft_scope_end(&scope));
    }
    return row_finish(row, start);
}

static int begin_and_end_in_time(void *arg)
{
    struct row *row = arg;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        weft_scope scope;
        weft_scope_begin(&scope, .timeout = WEFT_SECOND);
        bench_keep((uint64_t)weft_scope_end(&scope));
    }
    return row_finish(row, start);
}

/* Generators. */

static int yield_for_ever(weft_gen *gen, void *arg)
{
    int err = 0;
    for (uint64_t i = *(uint64_t *)arg; err == 0; i++)
        err = weft_yield(gen, &i);
    return err;
}

static int ask_for_items(void *arg)
{
    struct row *row = arg;
    uint64_t first = 0, item;
    weft_gen *gen;
    int err = weft_gen_open(&gen, yield_for_ever, &first, .item_size = sizeof item);
    if (err < 0)
        return err;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        weft_gen_next(gen, &item);
        bench_keep(item);
    }
    row_finish(row, start);
    return weft_gen_close(gen);
}

/* Streams in memory. */

static int answer(void *arg)
{
    weft_stream *stream = arg;
    char bytes[64];
    ssize_t n;
    while ((n = weft_read(stream, bytes, sizeof bytes)) > 0)
        if ((n = weft_write(stream, bytes, (size_t)n)) < 0)
            break;
    return (int)n;
}

static int ask(struct row *row, weft_stream *stream)
{
    char bytes[64] = "ping";
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        int err = weft_write(stream, bytes, sizeof bytes);
        if (err < 0 || weft_read(stream, bytes, sizeof bytes) != sizeof bytes)
            return err < 0 ? err : -EIO;
    }
    return row_finish(row, start);
}

static int ping_pong(void *arg)
{
    weft_stream *near, *far;
    weft_scope scope;
    int err = weft_memory_pair(&near, &far);
    if (err < 0)
        return err;
    weft_scope_begin(&scope);
    weft_spawn(&scope, answer, far);
    err = ask(arg, near);
    weft_close(near);
    err = weft_scope_leave(&scope, err);
    weft_close(far);
    return err;
}

/* The table. */

static void compare_yields(const char *name, int tasks, const char *floor_name)
{
    enum { COUNT = 1000 * 1000 };
    struct row row = { .body = yield_in_turn, .count = COUNT, .tasks = tasks };
    struct task_floor_ring ring = { tasks, COUNT / tasks };
    bench_row(name, "ns",
              (struct bench_side[]){ { "weft", NULL, row_run, &row },
                                     { "floor", floor_name, task_floor_ring_ns, &ring },
                                     { .name = NULL } });
}

enum { FEW = 300 * 1000, MANY = 3 * 1000 * 1000 };

#define LIFE "a stack, two switches"
#define DONE "a call, two loads"
#define RING "a switch in a ring"

static const struct line tasks[] = {
    { "spawn/await", spawn_and_await, LIFE, task_floor_life_ns, FEW, "spawn" },
    { "spawn/join", spawn_and_join, LIFE, task_floor_life_ns, FEW, NULL },
    { "spawn/join 1,000", spawn_many_and_join, LIFE, task_floor_life_ns, FEW, NULL },
    { "spawn/eagerly", spawn_eagerly_and_join, LIFE, task_floor_life_ns, FEW, NULL },
    { "spawn/gather", gather_a_thousand, LIFE, task_floor_life_ns, FEW, "gather" },
    { "spawn/call", call_and_release, LIFE, task_floor_life_ns, FEW, "call" },
    { "spawn/ready", await_ready, DONE, task_floor_done_ns, MANY, "await" },
    { "spawn/ended", await_done, DONE, task_floor_done_ns, MANY, NULL },
};

static const struct line others[] = {
    { "spawn/callback", call_soon_and_run, "a ring buffer of calls", task_floor_queue_ns, MANY,
      "callback" },
    { "spawn/call_at", call_at_and_cancel, "link, unlink", task_floor_timer_ns, MANY, NULL },
    { "spawn/call_later", call_later_and_cancel, "clock, link, unlink",
      task_floor_timer_from_now_ns, FEW, NULL },
    { "spawn/scope", begin_and_end, "the same of a record", task_floor_record_ns, MANY, NULL },
    { "spawn/timeout", begin_and_end_in_time, "clock, link, unlink", task_floor_timer_from_now_ns,
      FEW, NULL },
    { "spawn/generator", ask_for_items, "two switches, two moves", task_floor_value_ns, MANY,
      "generator" },
    { "spawn/memory stream", ping_pong, "two switches, four copies", task_floor_ping_pong_ns, FEW,
      NULL },
};

int main(int argc, char **argv)
{
    table_begin("spawn", argc, argv);
    task_floor_init();
    table_compare(tasks, sizeof tasks / sizeof tasks[0]);
    compare_yields("spawn/yield 1", 1, "a call");
    compare_yields("spawn/yield 100", 100, RING);
    compare_yields("spawn/yield 10,000", 10000, RING);
    table_compare(others, sizeof others / sizeof others[0]);
    return table_end();
}
