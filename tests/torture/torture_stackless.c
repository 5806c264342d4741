/* Stackless tasks, under the torture driver: whatever is cancelled or fails, each one that was
 * spawned is dropped exactly once, and what it took of the loop is given back. */

#include "torture.h"

#include "core/line.h"
#include "core/stackless.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/error.h>
#include <weft/future.h>
#include <weft/scope.h>
#include <weft/stackless.h>
#include <weft/stream.h>
#include <weft/task.h>

#define ALIVE 0x5ca1ab1e

/* One of each scenario's stackless tasks. */
struct actor {
    unsigned alive;
    weft_stackless self;
    int left;
    weft_stream *stream;
    weft_scope *scope;
    void *object;
    int number;
    char data[64];
};

static long spawned, dropped;

static void begin(void)
{
    spawned = dropped = 0;
}

static void check(int result)
{
    torture_accept(result);
    torture_require(spawned == dropped);
    if (torture_is_calm())
        torture_require(result == 0);
}

static struct actor *actor_of(weft_stackless *self)
{
    struct actor *actor = weft_stackless_of(self, struct actor, self);
    torture_require(actor->alive == ALIVE);
    return actor;
}

static void drop(weft_stackless *self)
{
    struct actor *actor = actor_of(self);
    actor->alive = 0;
    dropped++;
    free(actor);
}

static struct actor *make(int left)
{
    struct actor *actor = calloc(1, sizeof *actor);
    torture_require(actor);
    actor->alive = ALIVE;
    actor->left = left;
    return actor;
}

/* Spawn it, or free it. */
static int start(weft_scope *scope, struct actor *actor, const weft_stackless_kind *kind)
{
    int err = weft_stackless_spawn(scope, &actor->self, kind);
    if (err < 0)
        free(actor);
    else
        spawned++;
    return err;
}

static bool is_gone(int err)
{
    return err == WEFT_EEND || err == -EPIPE || err == -ECONNRESET || err == -ETIMEDOUT ||
           err == WEFT_EABANDONED;
}

/* What is told to those who wait for one that was cancelled. */
static int verdict(int err)
{
    return is_gone(err) && !torture_is_calm() ? 0 : err;
}

/* Sleeps, turns, and times that are over. */

static int tick(weft_stackless *self, int64_t result)
{
    struct actor *actor = actor_of(self);
    if (result < 0)
        return (int)result;
    switch (actor->left--) {
    case 0:
        return 0;
    case 1:
        return weft_then_yield(self, tick);
    case 2:
        return weft_then_sleep_until(self, weft_now() - 1, tick);
    default:
        return weft_then_sleep(self, actor->left * WEFT_MILLISECOND, tick);
    }
}

static const weft_stackless_kind ticker = WEFT_STACKLESS(tick, drop);

static int sleeps(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    for (int i = 1; i <= 4; i++)
        start(&s, make(i), &ticker);
    start(weft_background(), make(3), &ticker);
    return weft_scope_end(&s);
}

/* Futures and tasks, and a step that sets one. */

/* The handle goes with it, whether a step ran or not. */
static void drop_handle(weft_stackless *self)
{
    struct actor *actor = actor_of(self);
    if (actor->object)
        weft_future_release(actor->object);
    drop(self);
}

static int await_object(weft_stackless *self, int64_t result)
{
    struct actor *actor = actor_of(self);
    if (result < 0 || actor->left-- == 0)
        return (int)result;
    return weft_then_await(self, (weft_future *)actor->object, await_object);
}

static const weft_stackless_kind awaiter = WEFT_STACKLESS(await_object, drop_handle);

static int set_object(weft_stackless *self, int64_t result)
{
    struct actor *actor = actor_of(self);
    if (result < 0)
        return (int)result;
    if (actor->left-- > 0)
        return weft_then_sleep(self, WEFT_MILLISECOND, set_object);
    weft_future_set(actor->object, NULL);
    return 0;
}

static const weft_stackless_kind setter = WEFT_STACKLESS(set_object, drop_handle);

static int later(void *arg)
{
    (void)arg;
    int err = weft_sleep(2 * WEFT_MILLISECOND);
    return err < 0 ? err : 5;
}

static int awaits(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_task *task = NULL;
    weft_future *future = weft_future_new();
    if (!future)
        return -ENOMEM;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    struct actor *first = make(2), *second = make(1), *third = make(1);
    first->object = weft_future_retain(future);
    second->object = weft_future_retain(future);
    start(&s, first, &awaiter);
    start(&s, second, &setter);
    int err = weft_spawn(&s, later, NULL, .task = &task);
    third->object = err == 0 ? weft_task_future(task) : weft_sleep_future(WEFT_MILLISECOND);
    start(&s, third, &awaiter);
    weft_future_release(future);
    return verdict(weft_scope_end(&s));
}

/* Steps that spawn: tasks, and more of their like. */

static int touch(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_MILLISECOND);
}

static int multiply(weft_stackless *self, int64_t result);
static const weft_stackless_kind multiplier = WEFT_STACKLESS(multiply, drop);

static int multiply(weft_stackless *self, int64_t result)
{
    struct actor *actor = actor_of(self);
    if (result < 0 || actor->left == 0)
        return (int)result;
    for (int i = 0; i < 2; i++) {
        struct actor *child = make(actor->left - 1);
        child->scope = actor->scope;
        start(actor->scope, child, &multiplier);
    }
    weft_spawn(actor->scope, touch, NULL);
    actor->left = 0;
    return weft_then_sleep(self, WEFT_MILLISECOND, multiply);
}

static int spawns(void *arg)
{
    (void)arg;
    weft_scope s;
    struct actor *root = make(2);
    root->scope = &s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    start(&s, root, &multiplier);
    return weft_scope_end(&s);
}

/* An object that is known by its ops: a line in front of numbers. */

struct box {
    int numbers;
    struct wf_line line;
};

static bool box_take(struct wf_waiter *w, int64_t *result)
{
    struct box *box = w->object;
    if (box->numbers == 0)
        return false;
    *result = *(int *)w->item = box->numbers--;
    return true;
}

static void box_join(struct wf_waiter *w)
{
    wf_line_join(&((struct box *)w->object)->line, w);
}

static bool box_abort(struct wf_waiter *w)
{
    wf_line_leave(&((struct box *)w->object)->line, w);
    return true;
}

static const struct wf_wait_ops box_ops = {
    .kind = "a number", .take = box_take, .join = box_join, .abort = box_abort
};

static void box_put(struct box *box, int number)
{
    struct wf_waiter *w = wf_line_pop(&box->line);
    if (!w) {
        box->numbers++;
        return;
    }
    *(int *)w->item = number;
    wf_wake(w, number);
}

static int take_numbers(weft_stackless *self, int64_t result)
{
    struct actor *actor = actor_of(self);
    if (result < 0 || actor->left-- == 0)
        return (int)result;
    torture_require(actor->number == result);
    return wf_stackless_then(self, &box_ops, actor->object, &actor->number, take_numbers, "take");
}

static const weft_stackless_kind taker = WEFT_STACKLESS(take_numbers, drop);

static int numbers(void *arg)
{
    (void)arg;
    static struct box box;
    box = (struct box){ .numbers = 1 };
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    for (int i = 0; i < 3; i++) {
        struct actor *actor = make(2);
        actor->object = &box;
        start(&s, actor, &taker);
    }
    for (int i = 0, err = 0; i < 5 && err == 0; i++) {
        err = weft_sleep(WEFT_MILLISECOND);
        box_put(&box, 7);
    }
    int err = weft_scope_end(&s);
    torture_require(wf_line_is_empty(&box.line));
    return verdict(err);
}

/* Streams: an echo without a stack, for a task that asks. */

static int echo(weft_stackless *self, int64_t result);

static int echo_back(weft_stackless *self, int64_t result)
{
    struct actor *actor = actor_of(self);
    if (result <= 0)
        return (int)result;
    return weft_then_write(self, actor->stream, actor->data, (size_t)result, echo);
}

static int echo(weft_stackless *self, int64_t result)
{
    struct actor *actor = actor_of(self);
    if (result < 0)
        return (int)result;
    return weft_then_read(self, actor->stream, actor->data, sizeof actor->data, echo_back);
}

/* The same, with the stream's own input. */
static int echo_input(weft_stackless *self, int64_t result)
{
    struct actor *actor = actor_of(self);
    ssize_t n = weft_read_try(actor->stream, actor->data, sizeof actor->data);
    if (result < 0 || (n <= 0 && n != -EAGAIN))
        return result < 0 ? (int)result : (int)n;
    if (n == -EAGAIN)
        return weft_then_fill(self, actor->stream, echo_input);
    return weft_then_write(self, actor->stream, actor->data, (size_t)n, echo_input);
}

static void drop_stream(weft_stackless *self)
{
    struct actor *actor = actor_of(self);
    weft_close(actor->stream);
    drop(self);
}

static const weft_stackless_kind echoer = WEFT_STACKLESS(echo, drop_stream);
static const weft_stackless_kind input_echoer = WEFT_STACKLESS(echo_input, drop_stream);

static int ask(weft_stream *stream)
{
    char data[5];
    for (int i = 0; i < 3; i++) {
        int err = weft_write(stream, "hello", 5);
        if (err == 0)
            err = weft_sleep(i * WEFT_MILLISECOND);
        if (err == 0)
            err = weft_read_exact(stream, data, 5);
        if (err < 0)
            return err;
        torture_require(memcmp(data, "hello", 5) == 0);
    }
    return weft_shutdown_write(stream);
}

/* The echo's end is the stream's: it sees ours, or is cancelled. */
static int converse(weft_stream *ours, weft_stream *theirs, const weft_stackless_kind *kind)
{
    weft_scope s;
    struct actor *actor = make(0);
    actor->stream = theirs;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    if (start(&s, actor, kind) < 0)
        weft_close(theirs);
    int err = ask(ours);
    err = weft_scope_leave(&s, err);
    weft_close(ours);
    return err;
}

static int echo_in_memory(void *arg)
{
    weft_stream *a, *b;
    (void)arg;
    int err = weft_memory_pair(&a, &b);
    if (err == 0)
        err = verdict(converse(a, b, &echoer));
    if (err == 0)
        err = weft_memory_pair(&a, &b);
    return err < 0 ? err : verdict(converse(a, b, &input_echoer));
}

static int connect_pair(const char *address, weft_stream **a, weft_stream **b)
{
    weft_listener *listener;
    int err = weft_listen(&listener, address);
    if (err < 0)
        return err;
    err = weft_connect(a, weft_listener_address(listener));
    if (err == 0 && (err = weft_accept(listener, b)) < 0)
        weft_close(*a);
    weft_listener_close(listener);
    return err;
}

static int echo_over_tcp(void *arg)
{
    weft_stream *a, *b;
    (void)arg;
    int err = connect_pair("127.0.0.1:0", &a, &b);
    return err < 0 ? err : verdict(converse(a, b, &input_echoer));
}

/* Much, to a slow reader: the writer waits for room. Then the stream is closed while it may be
 * inside. */

enum { PIECES = 12, PIECE = 60000 };

static int write_pieces(weft_stackless *self, int64_t result)
{
    static const char piece[PIECE];
    struct actor *actor = actor_of(self);
    if (result < 0 || actor->left-- == 0)
        return result == WEFT_ECLOSED ? 0 : (int)result;
    return weft_then_write(self, actor->stream, piece, PIECE, write_pieces);
}

static const weft_stackless_kind writer = WEFT_STACKLESS(write_pieces, drop);

static int read_slowly(weft_stream *stream)
{
    static char data[PIECE];
    for (int i = 0; i < PIECES / 2; i++) {
        int err = weft_read_exact(stream, data, PIECE);
        if (err == 0)
            err = weft_sleep(WEFT_MILLISECOND);
        if (err < 0)
            return err;
    }
    return 0;
}

static int write_until_closed(void *arg)
{
    weft_stream *a, *b;
    weft_scope s;
    (void)arg;
    int err = weft_memory_pair(&a, &b);
    if (err < 0)
        return err;
    struct actor *actor = make(PIECES);
    actor->stream = a;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    start(&s, actor, &writer);
    err = read_slowly(b);
    weft_close(a);
    weft_close(b);
    return verdict(weft_scope_leave(&s, err));
}

/* None listens to its cancel: the loop's end takes a while, and no more. */

static int ignore(weft_stackless *self, int64_t result)
{
    (void)result;
    return actor_of(self)->left-- == 0 ? 0 : weft_then_sleep(self, WEFT_MILLISECOND, ignore);
}

static const weft_stackless_kind deaf = WEFT_STACKLESS(ignore, drop);

static int ignores(void *arg)
{
    (void)arg;
    start(weft_background(), make(20), &deaf);
    start(weft_background(), make(30), &deaf);
    return weft_sleep(WEFT_MILLISECOND);
}

static const struct torture_scenario scenarios[] = {
    { "sleeps", sleeps, begin, check },
    { "awaits", awaits, begin, check },
    { "spawns", spawns, begin, check },
    { "numbers", numbers, begin, check },
    { "echo_in_memory", echo_in_memory, begin, check },
    { "echo_over_tcp", echo_over_tcp, begin, check },
    { "write_until_closed", write_until_closed, begin, check },
    { "ignores", ignores, begin, check },
};

int main(void)
{
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
