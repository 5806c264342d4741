/* What mutexes, semaphores, events, conditions, channels, queues and select cost, each beside the
 * least that could do it by hand (bench/floor/sync_floor.h), and some beside Go and CPython's
 * asyncio (bench/peers/), where those are on the machine. Figures mean something in a release
 * build only.
 *
 *     bench_sync [--help] */

#include "floor/sync_floor.h"
#include "table.h"

#include <string.h>
#include <weft.h>

/* Mutexes, semaphores. */

static weft_mutex mutex;

static int lock_and_unlock(void *arg)
{
    struct row *row = arg;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        bench_keep((uint64_t)weft_mutex_lock(&mutex));
        bench_keep((uint64_t)weft_mutex_unlock(&mutex));
    }
    return row_finish(row, start);
}

static int contend(void *arg)
{
    long count = *(long *)arg;
    for (long i = 0; i < count; i++) {
        weft_mutex_lock(&mutex);
        weft_mutex_unlock(&mutex);
    }
    return 0;
}

/* Held by us until both wait; from then on each lock waits for the other's unlock. */
static int hand_over(void *arg)
{
    struct row *row = arg;
    long half = row->count / 2;
    weft_scope scope;
    weft_mutex_lock(&mutex);
    weft_scope_begin(&scope);
    weft_spawn(&scope, contend, &half);
    weft_spawn(&scope, contend, &half);
    weft_sleep(0);
    double start = bench_now_ns();
    weft_mutex_unlock(&mutex);
    int err = weft_scope_end(&scope);
    row_finish(row, start);
    return err;
}

static int acquire_and_release(void *arg)
{
    struct row *row = arg;
    weft_semaphore units;
    weft_semaphore_init(&units, 3, .max = 3);
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        bench_keep((uint64_t)weft_semaphore_acquire(&units, 1));
        bench_keep((uint64_t)weft_semaphore_release(&units, 1));
    }
    row_finish(row, start);
    weft_semaphore_fini(&units);
    return 0;
}

/* Ping-pong by events, and by a condition: there and back is one. */

struct table {
    struct row *row;
    weft_event ping, pong;
    weft_mutex mutex;
    weft_condition changed;
    bool is_ping;
};

static int answer_events(void *arg)
{
    struct table *table = arg;
    for (long i = 0; i < table->row->count; i++) {
        weft_event_wait(&table->ping);
        weft_event_clear(&table->ping);
        weft_event_set(&table->pong);
    }
    return 0;
}

static int play_events(void *arg)
{
    struct table table = { .row = arg };
    weft_scope scope;
    weft_scope_begin(&scope);
    weft_spawn(&scope, answer_events, &table);
    double start = bench_now_ns();
    for (long i = 0; i < table.row->count; i++) {
        weft_event_set(&table.ping);
        weft_event_wait(&table.pong);
        weft_event_clear(&table.pong);
    }
    row_finish(table.row, start);
    return weft_scope_end(&scope);
}

static void play_until(struct table *table, bool is_ping)
{
    weft_mutex_lock(&table->mutex);
    for (long i = 0; i < table->row->count; i++) {
        while (table->is_ping != is_ping)
            weft_condition_wait(&table->changed, &table->mutex);
        table->is_ping = !is_ping;
        weft_condition_notify(&table->changed, 1);
    }
    weft_mutex_unlock(&table->mutex);
}

static int answer_condition(void *arg)
{
    play_until(arg, true);
    return 0;
}

static int play_condition(void *arg)
{
    struct table table = { .row = arg, .is_ping = true };
    weft_scope scope;
    weft_scope_begin(&scope);
    weft_spawn(&scope, answer_condition, &table);
    weft_sleep(0);
    double start = bench_now_ns();
    play_until(&table, false);
    row_finish(table.row, start);
    return weft_scope_end(&scope);
}

/* Channels: one task sends, one receives. */

static weft_channel channel;

static int send_all(void *arg)
{
    uint64_t count = (uint64_t)((struct row *)arg)->count;
    for (uint64_t i = 0; i < count; i++)
        weft_channel_send(&channel, &i);
    return 0;
}

static int receive_all(struct row *row, size_t capacity)
{
    uint64_t item;
    weft_scope scope;
    int err = weft_channel_init(&channel, sizeof item, capacity);
    if (err < 0)
        return err;
    weft_scope_begin(&scope);
    weft_spawn(&scope, send_all, row);
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        weft_channel_receive(&channel, &item);
        bench_keep(item);
    }
    row_finish(row, start);
    err = weft_scope_end(&scope);
    weft_channel_fini(&channel);
    return err;
}

static int meet(void *arg)
{
    return receive_all(arg, 0);
}

static int pass_through_64(void *arg)
{
    return receive_all(arg, 64);
}

static int send_and_receive(void *arg)
{
    struct row *row = arg;
    uint64_t item = 0;
    int err = weft_channel_init(&channel, sizeof item, 64);
    if (err < 0)
        return err;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        weft_channel_send(&channel, &item);
        weft_channel_receive(&channel, &item);
        bench_keep(item);
    }
    row_finish(row, start);
    weft_channel_fini(&channel);
    return 0;
}

/* Queues. */

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int put_and_get_in(struct row *row, uint8_t order)
{
    weft_queue queue;
    uint64_t item = 0;
    int err = weft_queue_init(&queue, sizeof item, 64, .order = order, .compare = by_number);
    if (err < 0)
        return err;
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        weft_queue_put(&queue, &item);
        weft_queue_get(&queue, &item);
        bench_keep(item);
    }
    row_finish(row, start);
    weft_queue_fini(&queue);
    return 0;
}

static int put_and_get(void *arg)
{
    return put_and_get_in(arg, WEFT_QUEUE_FIFO);
}

static int put_and_get_least(void *arg)
{
    return put_and_get_in(arg, WEFT_QUEUE_PRIORITY);
}

/* Select. */

static weft_channel four[4];

static int send_to_four(void *arg)
{
    uint64_t count = (uint64_t)((struct row *)arg)->count;
    for (uint64_t i = 0; i < count; i++)
        weft_channel_send(&four[i & 3], &i);
    return 0;
}

static int select_all(struct row *row)
{
    uint64_t item;
    weft_case cases[4];
    for (int i = 0; i < 4; i++)
        cases[i] = weft_case_receive(&four[i], &item);
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++) {
        bench_keep((uint64_t)weft_select(cases, 4));
        bench_keep(item);
    }
    return row_finish(row, start);
}

static int select_from_sender(void *arg)
{
    weft_scope scope;
    for (int i = 0; i < 4; i++)
        weft_channel_init(&four[i], sizeof(uint64_t), 0);
    weft_scope_begin(&scope);
    weft_spawn(&scope, send_to_four, arg);
    select_all(arg);
    int err = weft_scope_end(&scope);
    for (int i = 0; i < 4; i++)
        weft_channel_fini(&four[i]);
    return err;
}

static int select_one_ready(void *arg)
{
    struct row *row = arg;
    weft_event events[4] = { { { 0 } } };
    weft_case cases[4];
    for (int i = 0; i < 4; i++)
        cases[i] = weft_case_event(&events[i]);
    weft_event_set(&events[3]);
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++)
        bench_keep((uint64_t)weft_select(cases, 4));
    return row_finish(row, start);
}

/* The table. */

enum { FEW = 300 * 1000, MANY = 3 * 1000 * 1000 };

#define FREE  "two calls, two stores"
#define RING  "a ring buffer"
#define PASS  "a switch, a copy"
#define ROUND "two switches"

static const struct line lines[] = {
    { "sync/mutex", lock_and_unlock, FREE, sync_floor_mutex_ns, MANY, "mutex" },
    { "sync/handover", hand_over, PASS, sync_floor_pass_ns, FEW, "handover" },
    { "sync/semaphore", acquire_and_release, FREE, sync_floor_mutex_ns, MANY, "semaphore" },
    { "sync/event", play_events, ROUND, sync_floor_there_and_back_ns, FEW, "event" },
    { "sync/condition", play_condition, ROUND, sync_floor_there_and_back_ns, FEW, "condition" },
    { "sync/channel", meet, PASS, sync_floor_pass_ns, MANY, "channel" },
    { "sync/stream", pass_through_64, RING, sync_floor_ring_ns, MANY, "stream" },
    { "sync/buffered", send_and_receive, RING, sync_floor_ring_ns, MANY, "buffered" },
    { "sync/queue", put_and_get, RING, sync_floor_ring_ns, MANY, "queue" },
    { "sync/priority", put_and_get_least, RING, sync_floor_ring_ns, MANY, NULL },
    { "sync/select", select_from_sender, ROUND, sync_floor_there_and_back_ns, FEW, "select" },
    { "sync/select ready", select_one_ready, "four looks", sync_floor_look_ns, MANY, "ready" },
};

int main(int argc, char **argv)
{
    table_begin("sync", argc, argv);
    table_compare(lines, sizeof lines / sizeof lines[0]);
    return table_end();
}
