/* What it costs to cross from one loop to another, on two processors: round trips of one message
 * when both loops sleep in the kernel between two messages, and when both spin, each beside the
 * same by hand (bench/floor/cross_floor.h); and one direction, as fast as it goes. Beside them what
 * comes nearest in Go, with two processors, where that is on the machine. Figures mean something in
 * a release build only, and with two processors that do nothing else.
 *
 *     bench_cross [--help] */

#include "bench.h"
#include "floor/cross_floor.h"
#include "peers/peer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>

#define AWAKE  (50 * WEFT_MICROSECOND)
#define ASLEEP (-1)

struct row {
    weft_fn *ask, *answer; /* the mains of the two loops */
    long count;
    int64_t spin;
    double ns; /* out: for one operation */
};

static _Atomic(weft_mailbox *) boxes[2];
static _Atomic(weft_loop *) there;

static void check(int err)
{
    if (err >= 0)
        return;
    fprintf(stderr, "bench_cross: %s\n", weft_error_text(err));
    exit(1);
}

static void *run_answer(void *arg)
{
    struct row *row = arg;
    bench_pin(-1);
    check(weft_run(row->answer, row, .spin = row->spin, .no_signals = true));
    return NULL;
}

static double run_row(void *arg)
{
    struct row *row = arg;
    pthread_t thread;
    boxes[0] = boxes[1] = NULL;
    there = NULL;
    if (pthread_create(&thread, NULL, run_answer, row) != 0)
        exit(1);
    check(weft_run(row->ask, row, .spin = row->spin, .no_signals = true));
    pthread_join(thread, NULL);
    return row->ns;
}

/* Make a mailbox of this loop, and wait for the other one's. */
static weft_mailbox *meet(int index, size_t capacity)
{
    weft_mailbox *box, *others;
    check(weft_mailbox_new(&box, sizeof(long), capacity));
    boxes[index] = weft_mailbox_retain(box); /* the other loop's handle */
    while (!(others = boxes[1 - index]))
        weft_sleep(10 * WEFT_MICROSECOND);
    return box;
}

/* Round trips of an item. */

static int ping(void *arg)
{
    struct row *row = arg;
    weft_mailbox *in = meet(0, 16), *out = boxes[1];
    long item = 0;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        weft_mailbox_send(out, &i);
        check(weft_mailbox_receive(in, &item));
    }
    row->ns = (bench_now_ns() - start) / (double)row->count;
    weft_mailbox_release(out);
    weft_mailbox_release(in);
    return 0;
}

static int pong(void *arg)
{
    const struct row *row = arg;
    weft_mailbox *in = meet(1, 16), *out = boxes[0];
    long item = 0;
    for (long i = 0; i < row->count; i++) {
        check(weft_mailbox_receive(in, &item));
        weft_mailbox_send(out, &item);
    }
    weft_mailbox_release(out);
    weft_mailbox_release(in);
    return 0;
}

/* Round trips of a task. */

static weft_future *over;

static void end_answer(void *arg)
{
    weft_future_set(arg, NULL);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int ask_tasks(void *arg)
{
    struct row *row = arg;
    weft_loop *loop;
    while (!(loop = there))
        weft_sleep(10 * WEFT_MICROSECOND);
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        weft_future *future = weft_spawn_on(loop, nothing, NULL);
        check(weft_await(future));
        weft_future_release(future);
    }
    row->ns = (bench_now_ns() - start) / (double)row->count;
    check(weft_post(loop, end_answer, over));
    weft_loop_release(loop);
    return 0;
}

static int answer_tasks(void *arg)
{
    (void)arg;
    over = weft_future_new();
    there = weft_loop_retain(weft_loop_current());
    weft_await(over);
    weft_future_release(over);
    return 0;
}

/* One direction. */

static int pour(void *arg)
{
    struct row *row = arg;
    weft_mailbox *in = meet(0, 16), *out = boxes[1];
    long item = 0;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++)
        weft_mailbox_send(out, &i);
    check(weft_mailbox_receive(in, &item)); /* all have arrived */
    row->ns = (bench_now_ns() - start) / (double)row->count;
    weft_mailbox_release(out);
    weft_mailbox_release(in);
    return 0;
}

static int drain(void *arg)
{
    const struct row *row = arg;
    weft_mailbox *in = meet(1, 1024), *out = boxes[0];
    long items[64];
    for (long got = 0; got < row->count;) {
        ssize_t n = weft_mailbox_receive_many(in, items, 64);
        check((int)n);
        got += n;
    }
    weft_mailbox_send(out, items);
    weft_mailbox_release(out);
    weft_mailbox_release(in);
    return 0;
}

static _Atomic long posted;

static void count_post(void *arg)
{
    (void)arg;
    posted++;
}

static int post_many(void *arg)
{
    struct row *row = arg;
    weft_loop *loop;
    posted = 0;
    while (!(loop = there))
        weft_sleep(10 * WEFT_MICROSECOND);
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++)
        while (weft_post(loop, count_post, NULL) == -EAGAIN)
            weft_sleep(0);
    while (posted < row->count)
        weft_sleep(0);
    row->ns = (bench_now_ns() - start) / (double)row->count;
    check(weft_post(loop, end_answer, over));
    weft_loop_release(loop);
    return 0;
}

/* Rows. */

static double floor_asleep(void *arg)
{
    return cross_floor_asleep(((struct row *)arg)->count);
}

static double floor_awake(void *arg)
{
    return cross_floor_awake(((struct row *)arg)->count);
}

static struct peer go;

static void compare(const char *name, struct row row, struct bench_side other)
{
    bench_row(name, "ns",
              (struct bench_side[]){ { "weft", NULL, run_row, &row }, other, { .name = NULL } });
}

static void beside_eventfd(const char *name, struct row row)
{
    compare(name, row, (struct bench_side){ "floor", "eventfd, epoll", floor_asleep, &row });
}

static void beside_memory(const char *name, struct row row)
{
    compare(name, row, (struct bench_side){ "floor", "a word in memory", floor_awake, &row });
}

static void beside_go(const char *name, struct row row, const char *operation)
{
    struct peer_run run = { &go, operation, row.count };
    bool is_here = bench_wants(name) && peer_is_here(&go);
    compare(name, row, (struct bench_side){ "go", NULL, is_here ? peer_ns : NULL, &run });
}

static void alone(const char *name, struct row row)
{
    compare(name, row, (struct bench_side){ NULL, NULL, NULL, NULL });
}

int main(int argc, char **argv)
{
    bench_begin("cross", argc, argv);
    peer_start(&go, "go", (const char *[]){ PEER_CROSS_GO, NULL });
    bench_pin(0);
    struct row mail = { ping, pong, 10000, ASLEEP, 0 },
               mail_awake = { ping, pong, 100000, AWAKE, 0 };
    struct row task = { ask_tasks, answer_tasks, 10000, ASLEEP, 0 };
    struct row task_awake = { ask_tasks, answer_tasks, 100000, AWAKE, 0 };
    struct row many = { pour, drain, 1000000, AWAKE, 0 };
    struct row posts = { post_many, answer_tasks, 300000, AWAKE, 0 };
    beside_eventfd("cross/mail/asleep", mail);
    beside_memory("cross/mail/awake", mail_awake);
    beside_eventfd("cross/spawn_on/asleep", task);
    beside_memory("cross/spawn_on/awake", task_awake);
    alone("cross/post", posts);
    beside_go("cross/mail beside Go", mail_awake, "pingpong");
    beside_go("cross/pour", many, "pour");
    peer_stop(&go);
    return bench_end();
}
